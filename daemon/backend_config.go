package daemon

import (
	"context"

	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
	"github.com/fastx-kit/fastx-kit/daemon/internal/cluster"
	"github.com/fastx-kit/fastx-kit/daemon/internal/history"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// History lists this node's generations. Who may use the socket could read the repository itself.
func (b backend) History(_ context.Context, before, limit int) (admin.History, error) {
	page, more, err := b.n.past.Page(before, limit)
	return admin.History{Generations: convert(page, adminGeneration), More: more}, adminError(notRecorded(err))
}

// Generation shows one of them with its files.
func (b backend) Generation(_ context.Context, generation int) (admin.GenerationFiles, error) {
	entry, files, err := b.n.past.Files(generation)
	return admin.GenerationFiles{Generation: adminGeneration(entry),
		Files: convert(files, func(f history.File) admin.File { return admin.File(f) })}, adminError(notRecorded(err))
}

// Diff says how two of them differ.
func (b backend) Diff(ctx context.Context, from, to int) ([]admin.FileDiff, error) {
	changes, err := b.n.past.Changes(ctx, from, to)
	return adminDiff(changes), adminError(notRecorded(err))
}

func adminDiff(changes []history.Change) []admin.FileDiff {
	return convert(changes, func(c history.Change) admin.FileDiff {
		return admin.FileDiff{Name: c.Name, Change: c.Kind, Diff: c.Diff}
	})
}

func adminGeneration(e history.Entry) admin.Generation {
	return admin.Generation{Generation: e.Generation, When: e.When.UTC(), Origin: e.Origin, Changed: append([]string{}, e.Changed...)}
}

func (a localAdmin) Message(ctx context.Context, id, text string) (admin.Message, error) {
	return ask(a, func(c cluster.Client) (admin.Message, error) {
		var m transporter.Message
		var err error
		if id == "" {
			m, err = c.Broadcast(ctx, text)
		} else {
			m, err = c.Message(ctx, id, text)
		}
		return admin.Message{Session: m.Session, Text: m.Text, From: m.From, At: m.At}, err
	})
}

func (a localAdmin) Drain(ctx context.Context, node string, drain bool) error {
	_, err := ask(a, func(c cluster.Client) (struct{}, error) { return struct{}{}, c.Drain(ctx, node, drain) })
	return err
}
