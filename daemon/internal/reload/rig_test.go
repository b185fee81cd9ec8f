package reload

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// files makes a set out of name, content pairs.
func files(pairs ...string) fileset.Set {
	var list []fileset.File
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, fileset.File{Name: pairs[i], Data: []byte(pairs[i+1])})
	}
	return fileset.New(list...)
}

// load takes every file whose content is "bad" for an error, and "warn" for a warning.
func load(set fileset.Set) (*spec.Config, diag.List) {
	var found diag.List
	for _, f := range set.Files() {
		switch string(f.Data) {
		case "bad":
			found = append(found, diag.Diagnostic{File: f.Name, Line: 1, Severity: diag.Error, Code: "bad", Summary: "is bad"})
		case "warn":
			found = append(found, diag.Diagnostic{File: f.Name, Line: 1, Severity: diag.Warning, Code: "odd", Summary: "is odd"})
		}
	}
	return &spec.Config{}, found
}

// rig is a Loop with everything around it under the test's control.
type rig struct {
	*Loop
	keeper *generation.Keeper
	log    bytes.Buffer
	trace  []string // what the services did

	mu      sync.Mutex
	disk    []fileset.Set // what looks find, one after the other; the last one stays
	broken  error         // why looks fail
	hang    bool          // looks last until their context ends
	looks   int
	records []int
}

func newRig(t *testing.T, local string, services ...Service) *rig {
	t.Helper()
	r := &rig{}
	log := slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	keeper, err := generation.NewKeeper(generation.KeeperOptions{Load: load, LocalDir: local, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	for i := range services {
		if f, ok := services[i].(*fake); ok {
			f.rig = r
		}
	}
	r.keeper = keeper
	r.Loop = New(Options{Keeper: keeper, Applier: Applier{Services: services}, Source: r, Recorder: r, Log: log})
	return r
}

func (r *rig) Look(ctx context.Context) (fileset.Set, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks++
	if r.hang {
		<-ctx.Done()
		return fileset.Set{}, ctx.Err()
	}
	if r.broken != nil {
		return fileset.Set{}, r.broken
	}
	set := r.disk[0]
	if len(r.disk) > 1 {
		r.disk = r.disk[1:]
	}
	return set, nil
}

func (r *rig) Record(gen *generation.Generation) error {
	r.records = append(r.records, gen.Number)
	return nil
}

func (r *rig) say(what string) { r.trace = append(r.trace, what) }

// take is one look's set, as Run takes it.
func (r *rig) look(ctx context.Context, sets ...fileset.Set) Report {
	r.disk = sets
	return r.Loop.look(ctx, ctx, "test")
}

// lines are the log's lines that begin a message with a word.
func (r *rig) lines(word string) []string {
	var out []string
	for line := range strings.Lines(r.log.String()) {
		if strings.Contains(line, `msg="`+word) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// fake is a service that does as it is told.
type fake struct {
	name string
	rig  *rig
	fail error
	none bool                        // nothing to do
	wait func(context.Context) error // before it answers
}

func (f *fake) Name() string { return f.name }

func (f *fake) Prepare(ctx context.Context, gen *generation.Generation) (Change, error) {
	if f.wait != nil {
		if err := f.wait(ctx); err != nil {
			return nil, err
		}
	}
	f.rig.say("prepare " + f.name)
	switch {
	case f.fail != nil:
		return nil, f.fail
	case f.none:
		return nil, nil
	}
	return Steps{func() { f.rig.say("commit " + f.name) }, func() { f.rig.say("abort " + f.name) }}, nil
}
