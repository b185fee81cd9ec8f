package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/reload"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/render"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

const logLevelFile = "loglevel.ini"

// setLogLevel writes levels into loglevel.ini, as an administrator with an editor would, and
// has the node look at its files. Nothing is set that the file does not say.
func (n *Node) setLogLevel(ctx context.Context, req transporter.LogLevelRequest) (transporter.LogLevelReply, error) {
	claims, err := n.verify(req.Ticket, ticket.LogLevel)
	if err != nil {
		return transporter.LogLevelReply{}, err
	}
	reply, err := n.writeLogLevel(ctx, claims.Subject, req.Levels)
	n.recordLogLevel(claims, req.Levels, err)
	return reply, err
}

func (n *Node) writeLogLevel(ctx context.Context, who string, levels map[string]string) (transporter.LogLevelReply, error) {
	path := filepath.Join(n.place.Config, logLevelFile)
	if err := n.checkLevels(levels); err != nil {
		return transporter.LogLevelReply{}, err
	}
	report, err := n.loop.Change(ctx, "loglevel by "+who, func(ctx context.Context) error {
		return n.onShare(ctx, func() error { return editLevels(path, levels) })
	})
	if err != nil {
		return transporter.LogLevelReply{}, err
	}
	if report.Outcome == reload.Rejected {
		n.log.Warn("loglevel.ini was written and waits for the other files to be mended")
	}
	return transporter.LogLevelReply{File: path, Outcome: string(report.Outcome), Generation: report.Generation, Levels: n.opts.Logs.Levels()}, nil
}

// checkLevels refuses what the file could not mean; the level's own name is checked when it is written.
func (n *Node) checkLevels(levels map[string]string) error {
	known := components(n.opts.Logs.Levels())
	if len(levels) == 0 {
		return transporter.Errorf(transporter.Invalid, "say which component is to log at which level: {\"levels\": {\"launcher\": \"debug\"}}")
	}
	for _, component := range slices.Sorted(maps.Keys(levels)) {
		if !slices.Contains(known, component) {
			return transporter.Errorf(transporter.Invalid, "there is no component %.64q that logs; there are %s", component, strings.Join(known, ", "))
		}
	}
	return nil
}

// components are those that a level can be set for, running here or not.
func components(levels map[string]string) []string {
	names := slices.Collect(maps.Keys(levels))
	for _, c := range spec.Components() {
		names = append(names, string(c))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// onShare does something with the files of FX_CONFIG_DIR that may hang, with what it lies on. Then the
// asker is told so, and nobody can begin another such thing before the share is back.
func (n *Node) onShare(ctx context.Context, do func() error) error {
	select {
	case n.writing <- struct{}{}:
	case <-ctx.Done():
		return transporter.Errorf(transporter.Unavailable, "FX_CONFIG_DIR does not answer; is what it lies on mounted and reachable?")
	}
	done := make(chan error, 1)
	go func() {
		err := do()
		<-n.writing
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return transporter.Errorf(transporter.Unavailable, "FX_CONFIG_DIR does not answer; it may still be written to when it does")
	}
}

// editLevels writes levels into the file at path and keeps what else stands there. A directory that fastxd may
// not write to is no mishap: then the answer is the text to put into the file.
func editLevels(path string, levels map[string]string) error {
	text, mode, err := levelText(path, levels)
	if err != nil {
		return err
	}
	if _, err := fileset.WriteFile(path, text, mode); err != nil {
		return &transporter.Error{Code: transporter.Conflict, Detail: string(text),
			Message: fmt.Sprintf("%s cannot be written (%s); put this text there yourself", path, cause(err))}
	}
	return nil
}

// levelText is what the file is to hold, and its mode.
func levelText(path string, levels map[string]string) ([]byte, fs.FileMode, error) {
	settings := map[string]any{}
	for component, level := range levels {
		settings[component] = level
		if level == "" {
			settings[component] = nil
		}
	}
	f := render.File{Path: logLevelFile, Settings: render.Settings{"": settings}}
	old, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		old, err = []byte(render.Header+"\n# A level for each component; ** is all others.\n\n"), nil
	}
	if err != nil {
		return nil, 0, transporter.Errorf(transporter.Conflict, "%s cannot be read (%s); make it readable for the account that fastxd runs as", path, cause(err))
	}
	text, problems := render.Edit(f, old)
	if problems.HasErrors() {
		return nil, 0, &transporter.Error{Code: transporter.Invalid, Message: "loglevel.ini cannot be written like this", Detail: problems.Err().Error()}
	}
	return text, modeOf(path), nil
}

func modeOf(path string) fs.FileMode {
	info, err := os.Stat(path)
	if err != nil {
		return 0o644
	}
	return info.Mode().Perm()
}

// cause is what went wrong with a file, without its name.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		err = e.Err
	}
	return err.Error()
}

// recordLogLevel audits what was set; the user component has audited who asked.
func (n *Node) recordLogLevel(c ticket.Claims, levels map[string]string, err error) {
	var said []string
	for _, component := range slices.Sorted(maps.Keys(levels)) {
		said = append(said, component+" = "+cmp.Or(levels[component], "(none)"))
	}
	e := audit.Event{Time: time.Now(), Action: audit.LogLevel, User: c.Subject, Node: n.name(), Outcome: audit.Done, Detail: strings.Join(said, ", ")}
	if err != nil {
		e.Outcome = audit.Failed
		e.Detail += ": " + transporter.AsError(err).Message
	}
	n.audit.Record(e)
}
