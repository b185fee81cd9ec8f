package daemon

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/history"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// What a node shows of its history in one reply, which has to stay below
// transporter.MessageLimit even where JSON takes six bytes for one.
const (
	pageLimit = 400 << 10 // bytes of JSON
	textLimit = 60 << 10  // bytes of one file's text or difference
	pageSize  = 200       // generations
)

// answer serves what is asked of the node itself and not of a component: its history, which
// lies in its own FX_LOCAL_DIR, and its log levels. A transporter that does not permit it is
// reported; the node runs all the same.
func (n *Node) answer(v *voice) {
	err := errors.Join(
		transporter.Serve(v.conn, transporter.NodeHistory.On(v.who.node), n.history),
		transporter.Serve(v.conn, transporter.NodeGeneration.On(v.who.node), n.generation),
		transporter.Serve(v.conn, transporter.NodeDiff.On(v.who.node), n.diff),
		transporter.Serve(v.conn, transporter.NodeLogLevel.On(v.who.node), n.setLogLevel),
	)
	if err != nil {
		n.log.Warn("others cannot ask this node about its configuration", "err", err)
	}
}

// verify returns what a ticket says that is of the kind wanted and for this node. The trusted keys
// are read anew each time: administrators ask seldom, and a key that was removed is trusted no more.
func (n *Node) verify(token string, kind ticket.Kind) (ticket.Claims, error) {
	keys, _ := ticket.LoadKeys(filepath.Join(n.place.Local, ticket.KeysDir)) // the launcher reports what is wrong with them
	c, err := keys.Verify(token, time.Now(), kind)
	switch {
	case errors.Is(err, ticket.ErrKind):
		return c, transporter.Errorf(transporter.Forbidden, "%s", err)
	case err != nil:
		return c, transporter.Errorf(transporter.Unauthorized, "%s", err)
	}
	if this := n.name(); c.Node != this {
		return c, transporter.Errorf(transporter.Forbidden, "the ticket is for node %q and this is %s", c.Node, this)
	}
	return c, nil
}

func (n *Node) history(_ context.Context, req transporter.HistoryRequest) (transporter.HistoryReply, error) {
	var reply transporter.HistoryReply
	if _, err := n.verify(req.Ticket, ticket.Config); err != nil {
		return reply, err
	}
	size := pageSize
	if req.Limit > 0 {
		size = min(size, req.Limit)
	}
	entries, more, err := n.past.Page(req.Before, size)
	if err != nil {
		return reply, notRecorded(err)
	}
	all := convert(entries, wireGeneration)
	fit := transporter.Fit(all, pageLimit)
	return transporter.HistoryReply{Generations: all[:fit], More: more || fit < len(all)}, nil
}

func (n *Node) generation(_ context.Context, req transporter.GenerationRequest) (transporter.GenerationReply, error) {
	var reply transporter.GenerationReply
	if _, err := n.verify(req.Ticket, ticket.Config); err != nil {
		return reply, err
	}
	entry, files, err := n.past.Files(req.Generation)
	if err != nil {
		return reply, notRecorded(err)
	}
	shown := convert(files, func(f history.File) transporter.GenerationFile {
		text, cut := head(f.Text)
		return transporter.GenerationFile{Name: f.Name, Text: text, Cut: cut}
	})
	reply.Generation = wireGeneration(entry)
	reply.Files, reply.More = page(shown, req.After, func(f transporter.GenerationFile) string { return f.Name })
	return reply, nil
}

func (n *Node) diff(ctx context.Context, req transporter.DiffRequest) (transporter.DiffReply, error) {
	var reply transporter.DiffReply
	if _, err := n.verify(req.Ticket, ticket.Config); err != nil {
		return reply, err
	}
	changes, err := n.past.Changes(ctx, req.From, req.To)
	if err != nil {
		return reply, notRecorded(err)
	}
	shown := convert(changes, func(c history.Change) transporter.FileDiff {
		text, cut := head(c.Diff)
		return transporter.FileDiff{Name: c.Name, Change: c.Kind, Diff: text, Cut: cut}
	})
	reply.Files, reply.More = page(shown, req.After, func(f transporter.FileDiff) string { return f.Name })
	return reply, nil
}

// notRecorded tells a generation that is not there from a history that cannot be read.
func notRecorded(err error) error {
	if errors.Is(err, history.ErrNotRecorded) {
		return transporter.Errorf(transporter.NotFound, "%s", err)
	}
	return err
}

// maxChanged is how many changed files a generation names.
const maxChanged = 100

func wireGeneration(e history.Entry) transporter.Generation {
	changed := e.Changed[:min(len(e.Changed), maxChanged)]
	return transporter.Generation{Generation: e.Generation, When: e.When.UTC(), Origin: e.Origin, Changed: append([]string{}, changed...)}
}

// head is as much of a text as is shown, cut between two lines where that is possible.
func head(text string) (shown string, cut bool) {
	if len(text) <= textLimit {
		return text, false
	}
	end := textLimit
	for i := textLimit; i > textLimit/2; i-- {
		if text[i-1] == '\n' {
			end = i
			break
		}
	}
	return text[:end], true
}

// page is what comes after a name in a list sorted by name, as much as one reply holds.
func page[T any](all []T, after string, name func(T) string) (items []T, more bool) {
	rest := []T{}
	for _, item := range all {
		if name(item) > after {
			rest = append(rest, item)
		}
	}
	fit := transporter.Fit(rest, pageLimit)
	return rest[:fit], fit < len(rest)
}
