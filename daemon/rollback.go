package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
	"github.com/fastx-kit/fastx-kit/daemon/internal/history"
)

// finishPatience is how long a start waits for a share to finish a rollback on.
const finishPatience = 10 * time.Second

// errDryRun ends a rollback that is only to be shown, before anything is written.
var errDryRun = errors.New("nothing was written")

// Rollback writes the files of FX_CONFIG_DIR back as a generation had them and has the node look at them:
//
//  1. read the files at hand, which may be broken: that is what one rolls back from
//  2. bring the generation back, with the secrets at hand
//  3. refuse what would not be accepted, and what would need secrets that nobody has
//  4. write all files or none, in a way that also survives a crash
//
// From (1) on nobody else's change is taken over.
func (b backend) Rollback(ctx context.Context, r admin.RollbackRequest) (admin.RollbackReport, error) {
	plan := make(chan history.Restoration, 1)
	if !r.DryRun {
		defer b.n.notify.begin(monotonic())()
	}
	done, err := b.n.loop.Change(ctx, rollbackOrigin(r), func(ctx context.Context) error {
		return b.n.onShare(ctx, func() error { return b.n.rollBack(ctx, r, plan) })
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return admin.RollbackReport{}, adminError(notRecorded(err))
	}
	report := adminRollback(<-plan)
	if err == nil {
		reload := adminReport(done)
		report.Reload = &reload
	}
	return report, nil
}

// rollbackOrigin is how the history names a rollback: "rollback to 12", and who asked for it.
func rollbackOrigin(r admin.RollbackRequest) string {
	text := fmt.Sprintf("rollback to %d", r.Generation)
	if r.Origin != "" {
		text += " by " + r.Origin
	}
	return text
}

func (n *Node) rollBack(ctx context.Context, r admin.RollbackRequest, plan chan<- history.Restoration) error {
	now, err := n.readFiles(fileset.Set{}) // (1)
	if err != nil {
		return err
	}
	then, err := n.past.Restore(ctx, r.Generation, now, r.KeepSecrets) // (2)
	if err != nil {
		return err
	}
	if err := n.refuseRollback(then); err != nil { // (3)
		return err
	}
	plan <- then
	if r.DryRun {
		return errDryRun
	}
	if err := ctx.Err(); err != nil { // a share that hung is back, and nobody waits any more
		return err
	}
	return n.writeRollback(now, then) // (4)
}

// readFiles reads the files at hand, with those outside of FX_CONFIG_DIR that they name, or that others would.
func (n *Node) readFiles(others fileset.Set) (set fileset.Set, err error) {
	extra := []string{n.place.nodeFile, defaultsFile}
	for range 2 { // what they name is known once they are read
		if set, err = fileset.Read(n.place.Config, extra...); err != nil {
			return set, &admin.Error{Code: "unavailable", Message: fmt.Sprintf("FX_CONFIG_DIR cannot be read (%s)", cause(err))}
		}
		extra = append(extra, n.references(set)...)
		for _, f := range outside(set) {
			others = others.With(f)
		}
		extra = append(extra, n.references(others)...)
	}
	return set, nil
}

// outside are the files of a set that lie outside of FX_CONFIG_DIR.
func outside(set fileset.Set) []fileset.File { return set.Sub("/") }

// refuseRollback says why a generation cannot be brought back.
func (n *Node) refuseRollback(then history.Restoration) error {
	if len(then.Missing) > 0 {
		return &admin.Error{Code: "conflict", Detail: strings.Join(then.Missing, "\n"),
			Message: fmt.Sprintf("generation %d had other secrets, which the history does not hold; --keep-secrets leaves those at hand in force (one that is not at hand has to be written first)", then.Generation)}
	}
	at, err := n.readFiles(then.Set)
	if err != nil {
		return err
	}
	whole := then.Set
	for _, f := range outside(at) {
		whole = whole.With(f)
	}
	if problems, ok := n.keeper.Probe(whole); !ok {
		return &admin.Error{Code: "conflict", Detail: problems.Text(),
			Message: fmt.Sprintf("the files of generation %d would not be accepted now, so nothing was written", then.Generation)}
	}
	return nil
}

func (n *Node) writeRollback(now fileset.Set, then history.Restoration) error {
	before := now
	for _, f := range outside(now) {
		before = before.Without(f.Name)
	}
	err := journal{local: n.place.Local, config: n.place.Config}.run(before, then.Set)
	if err == nil {
		return nil
	}
	e := &admin.Error{Code: "conflict", Message: fmt.Sprintf("the files could not be written, and are as they were: %s", err)}
	if errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) || errors.Is(err, fileset.ErrIrregular) {
		e.Message = fmt.Sprintf("%s cannot be written to (%s); make this change where its files come from:", n.place.Config, cause(err))
		e.Detail = textOf(then.Changes)
	}
	return e
}

// textOf is a whole difference, secrets masked.
func textOf(changes []history.Change) string {
	var b strings.Builder
	for _, c := range changes {
		b.WriteString(c.Diff)
	}
	return b.String()
}

func adminRollback(r history.Restoration) admin.RollbackReport {
	return admin.RollbackReport{Generation: r.Generation, Files: adminDiff(r.Changes),
		KeptSecrets: append([]string{}, r.Kept...), Left: append([]string{}, r.Left...)}
}

// finishRollback makes a rollback whole that was killed, before anybody looks at the files.
func (n *Node) finishRollback(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, finishPatience)
	defer cancel()
	err := n.onShare(ctx, func() error {
		made, edited, err := journal{local: n.place.Local, config: n.place.Config}.finish()
		if len(made)+len(edited) > 0 {
			n.log.Warn("a rollback was interrupted; it is finished now", "written", made, "edited_since", edited)
		}
		return err
	})
	if err != nil {
		n.log.Error("a rollback was interrupted and cannot be finished; the files may be partly old and partly new", "err", err)
	}
}
