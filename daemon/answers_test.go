package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

func TestATextIsCutBetweenTwoLines(t *testing.T) {
	t.Parallel()
	if text, cut := head("a\nb"); text != "a\nb" || cut {
		t.Errorf("a short one: %q, %v", text, cut)
	}
	if text, cut := head(strings.Repeat("0123456789\n", 10000)); !cut || len(text) > textLimit || !strings.HasSuffix(text, "9\n") {
		t.Errorf("a long one: %d bytes, %v", len(text), cut)
	}
	if text, cut := head(strings.Repeat("x", 100000)); !cut || len(text) != textLimit {
		t.Errorf("one long line: %d bytes, %v", len(text), cut)
	}
}

// TestEveryPageFitsIntoOneReply pages through files that JSON makes six times as long.
func TestEveryPageFitsIntoOneReply(t *testing.T) {
	t.Parallel()
	var files []transporter.GenerationFile
	for _, name := range strings.Split("abcdefghij", "") {
		text, cut := head(strings.Repeat("<", 70000))
		files = append(files, transporter.GenerationFile{Name: name, Text: text, Cut: cut})
	}
	names, last := "", ""
	for more := true; more; {
		var part []transporter.GenerationFile
		part, more = page(files, last, func(f transporter.GenerationFile) string { return f.Name })
		body, err := json.Marshal(transporter.GenerationReply{Files: part, More: more})
		if err != nil || len(body) > transporter.MessageLimit-1024 || len(part) == 0 {
			t.Fatalf("a page of %d bytes with %d files, %v", len(body), len(part), err)
		}
		for _, f := range part {
			names += f.Name
		}
		last = part[len(part)-1].Name
	}
	if names != "abcdefghij" {
		t.Errorf("the pages hold %s", names)
	}
}

func TestANodeAnswersToTicketsForItAlone(t *testing.T) {
	t.Parallel()
	n := &Node{group: &group{who: identity{node: "n1"}}, place: place{Dirs: spec.Dirs{Local: t.TempDir()}}, log: slog.New(slog.DiscardHandler)}
	n.past = newPast(n)
	key, err := ticket.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := ticket.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := ticket.InstallPublic(filepath.Join(n.place.Local, ticket.KeysDir), key); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for name, c := range map[string]struct {
		key    *ticket.Key
		kind   ticket.Kind
		node   string
		expiry time.Time
		want   transporter.Code
	}{
		"as it should be":  {key, ticket.Config, "n1", now.Add(time.Minute), ""},
		"for another node": {key, ticket.Config, "n2", now.Add(time.Minute), transporter.Forbidden},
		"for no node":      {key, ticket.Config, "", now.Add(time.Minute), transporter.Forbidden},
		"of another kind":  {key, ticket.LogLevel, "n1", now.Add(time.Minute), transporter.Forbidden},
		"too old":          {key, ticket.Config, "n1", now.Add(-time.Second), transporter.Unauthorized},
		"of another key":   {foreign, ticket.Config, "n1", now.Add(time.Minute), transporter.Unauthorized},
	} {
		token, err := c.key.Sign(ticket.Claims{Kind: c.kind, Subject: "ann", ID: ticket.NewID(), Node: c.node,
			IssuedAt: now.Add(-time.Minute).Unix(), Expires: c.expiry.Unix()})
		if err != nil {
			t.Fatal(err)
		}
		_, err = n.history(t.Context(), transporter.HistoryRequest{Ticket: token})
		if e := transporter.AsError(err); (e == nil) != (c.want == "") || e != nil && e.Code != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestNodesThatShareFilesHaveOneDigest(t *testing.T) {
	t.Parallel()
	file := func(name, text string, mode fs.FileMode) fileset.File {
		return fileset.File{Name: name, Data: []byte(text), Mode: mode}
	}
	a := fileset.New(file("fastx.env", "A=1", 0o644), file("/etc/default/fastx4", "METADATA_a=1", 0o644))
	b := fileset.New(file("fastx.env", "A=1", 0o600), file("/etc/default/fastx4", "METADATA_a=2", 0o644))
	c := fileset.New(file("fastx.env", "A=2", 0o644))
	if sharedDigest(a) != sharedDigest(b) || sharedDigest(a) == sharedDigest(c) {
		t.Error("the digest counts what is a node's own, or not what is shared")
	}
}

// TestAHungShareHoldsUpNobodyElse lets a write hang; the next is told so and does not pile up behind it.
func TestAHungShareHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	n := &Node{writing: make(chan struct{}, 1)}
	hung, back := context.WithCancel(context.Background())
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		err := n.onShare(ctx, func() error { <-hung.Done(); return nil })
		cancel()
		if e := transporter.AsError(err); e == nil || e.Code != transporter.Unavailable {
			t.Errorf("a share that hangs: %v", err)
		}
	}
	back()
	broken := errors.New("broken")
	if err := n.onShare(t.Context(), func() error { return broken }); err != broken {
		t.Errorf("when it is back: %v", err)
	}
}

func TestAMissingFileOfLevelsIsBegun(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), logLevelFile)
	if err := editLevels(path, map[string]string{"user": "warn", "node": ""}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), "# FastX cluster configuration\n") || !strings.HasSuffix(string(text), "\nuser = warn\n") {
		t.Errorf("it holds %q, %v", text, err)
	}
	if err := os.WriteFile(path, []byte("nonsense\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if e := transporter.AsError(editLevels(path, map[string]string{"user": "info"})); e == nil || e.Code != transporter.Invalid || !strings.Contains(e.Detail, "loglevel.ini:1") {
		t.Errorf("a broken file: %+v", e)
	}
}
