package webserver

import (
	"context"
	"maps"
	"slices"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// What people may do, by level.
var (
	limited  = []transporter.Action{transporter.ActStart, transporter.ActConnect, transporter.ActTerminate, transporter.ActRead, transporter.ActMessage}
	full     = append(slices.Clone(limited), transporter.ActCommand)
	operator = append(slices.Clone(full), transporter.ActAll, transporter.ActBroadcast)
	admin    = append(slices.Clone(operator), transporter.ActNodes, transporter.ActConfig, transporter.ActDrain, transporter.ActLogLevel)
)

// message says what a launcher would say, to everyone who listens.
func (f *fake) message(_ context.Context, r transporter.MessageRequest) (transporter.Message, error) {
	c, err := f.claims(r.Ticket, ticket.Message)
	if err != nil {
		return transporter.Message{}, err
	}
	f.mu.Lock()
	m := transporter.Message{Session: c.Session, User: f.sessions[c.Session].User, Text: r.Text, From: c.Subject}
	err = f.fail["message"]
	f.mu.Unlock()
	if err != nil {
		return m, err
	}
	return m, transporter.Publish(f.news, transporter.MessageSaid, m)
}

// forThisNode verifies a ticket that has to name thisNode.
func (f *fake) forThisNode(pass string, kind ticket.Kind) error {
	c, err := f.claims(pass, kind)
	if err == nil && c.Node != thisNode {
		err = transporter.Errorf(transporter.Forbidden, "the ticket is for node %s", c.Node)
	}
	return err
}

func (f *fake) history(_ context.Context, r transporter.HistoryRequest) (transporter.HistoryReply, error) {
	if err := f.forThisNode(r.Ticket, ticket.Config); err != nil {
		return transporter.HistoryReply{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var reply transporter.HistoryReply
	for _, g := range f.past {
		switch {
		case r.Before > 0 && g.Generation >= r.Before:
		case len(reply.Generations) == r.Limit:
			reply.More = true
		default:
			reply.Generations = append(reply.Generations, g)
		}
	}
	return reply, nil
}

// generation gives one file a page, so that every generation has several.
func (f *fake) generation(_ context.Context, r transporter.GenerationRequest) (transporter.GenerationReply, error) {
	if err := f.forThisNode(r.Ticket, ticket.Config); err != nil {
		return transporter.GenerationReply{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.past {
		if g.Generation == r.Generation {
			files, more := after(f.files, r.After, func(x transporter.GenerationFile) string { return x.Name })
			return transporter.GenerationReply{Generation: g, Files: files, More: more}, nil
		}
	}
	return transporter.GenerationReply{}, transporter.Errorf(transporter.NotFound, "generation %d is not recorded", r.Generation)
}

func (f *fake) diff(_ context.Context, r transporter.DiffRequest) (transporter.DiffReply, error) {
	if err := f.forThisNode(r.Ticket, ticket.Config); err != nil {
		return transporter.DiffReply{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.From == r.To {
		return transporter.DiffReply{}, nil
	}
	files, more := after(f.diffs, r.After, func(x transporter.FileDiff) string { return x.Name })
	return transporter.DiffReply{Files: files, More: more}, nil
}

// after is the first item behind a name.
func after[T any](items []T, last string, name func(T) string) (page []T, more bool) {
	for _, item := range items {
		switch {
		case name(item) <= last:
		case len(page) == 0:
			page = []T{item}
		default:
			more = true
		}
	}
	return page, more
}

func (f *fake) setLogLevel(_ context.Context, r transporter.LogLevelRequest) (transporter.LogLevelReply, error) {
	if err := f.forThisNode(r.Ticket, ticket.LogLevel); err != nil {
		return transporter.LogLevelReply{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail["loglevel"]; err != nil {
		return transporter.LogLevelReply{}, err
	}
	maps.Copy(f.levels, r.Levels)
	return transporter.LogLevelReply{File: "/etc/fastx/loglevel.ini", Outcome: "applied", Generation: 4, Levels: maps.Clone(f.levels)}, nil
}
