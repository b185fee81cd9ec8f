package user

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

func (r *rig) listed(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(r.revoked.path)
	if err != nil {
		return nil
	}
	list, err := parseRevoked(data)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, v := range list {
		ids = append(ids, v.TokenID)
	}
	return ids
}

func TestLogoutEndsTheTokenOnEveryNode(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	here, there := newRig(t, on(hub)), newRig(t, on(hub), named("n2"))
	if err := ticket.InstallPublic(filepath.Join(there.dirs.Local, ticket.KeysDir), here.key); err != nil {
		t.Fatal(err)
	}
	there.keys.reload()
	here.run()
	there.run()
	token, kept := here.token("fred"), here.token("fred")
	if _, err := there.who(token); err != nil {
		t.Fatal(err)
	}
	here.end(token)
	_, err := here.who(token)
	wantError(t, err, transporter.Unauthorized, "was ended")
	until(t, "the other node hears of it", func() bool { _, err := there.who(token); return err != nil })
	_, err = there.who(token)
	wantError(t, err, transporter.Unauthorized, "was ended")
	if _, err := there.who(kept); err != nil {
		t.Errorf("another login of the same user: %v", err)
	}
	here.end(token) // twice is once
}

func TestLogoutOfADisabledUserAndOfNoToken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.conn = testConn(t)
	token := r.token("fred")
	r.reconfigure(func(c *spec.Config) { c.Htpasswd = nil })
	r.end(token)
	r.reconfigure(func(c *spec.Config) { c.Htpasswd = hashes() })
	_, err := r.who(token)
	wantError(t, err, transporter.Unauthorized, "was ended")
	_, err = r.logout(t.Context(), transporter.LogoutRequest{Token: "x"})
	wantError(t, err, transporter.Unauthorized)
}

func TestRevokedTokensOutliveTheProcess(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	r := newRig(t, on(hub))
	stop := r.start()
	token := r.token("fred")
	r.end(token)
	stop()
	if n := len(r.listed(t)); n != 1 {
		t.Fatalf("%d tokens in the file, want 1", n)
	}
	for path, want := range map[string]os.FileMode{r.revoked.path: 0o600, filepath.Dir(r.revoked.path): 0o700} {
		if info, _ := os.Stat(path); info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}
	again := newRig(t, on(hub), shares(r.dirs.Var))
	again.clock.t = r.clock.now()
	if err := ticket.InstallPublic(filepath.Join(again.dirs.Local, ticket.KeysDir), r.key); err != nil {
		t.Fatal(err)
	}
	again.keys.reload()
	again.run()
	_, err := again.who(token)
	wantError(t, err, transporter.Unauthorized, "was ended")
}

func revocation(now time.Time, left time.Duration) transporter.Revocation {
	return transporter.Revocation{TokenID: ticket.NewID(), Expires: now.Add(left)}
}

func TestNodesThatWriteOneFileAllEndWithAllOfIt(t *testing.T) {
	t.Parallel()
	share := t.TempDir()
	nodes := []*rig{newRig(t, shares(share)), newRig(t, shares(share)), newRig(t, shares(share))}
	var ids []string
	for _, n := range nodes { // the news got lost
		v := revocation(n.clock.now(), time.Hour)
		n.revoked.add(v)
		ids = append(ids, v.TokenID)
	}
	var wg sync.WaitGroup
	for _, n := range nodes { // and they overwrite each other
		wg.Go(n.revoked.sync)
	}
	wg.Wait()
	for range nodes { // each round at least one more gets through
		for _, n := range nodes {
			n.revoked.sync()
		}
	}
	for i, n := range nodes {
		for _, id := range ids {
			if !n.revoked.has(id) {
				t.Errorf("node %d does not know of %s", i, id)
			}
		}
	}
	if got := nodes[0].listed(t); len(got) != len(ids) {
		t.Errorf("the file holds %v, want %v", got, ids)
	}
	if names, _ := os.ReadDir(filepath.Join(share, "tokens")); len(names) != 1 {
		t.Errorf("left over: %v", names)
	}
}

func TestExpiredRevocationsAreForgotten(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	short, long := revocation(r.clock.now(), time.Minute), revocation(r.clock.now(), time.Hour)
	r.revoked.add(short)
	r.revoked.add(long)
	r.revoked.sync()
	r.clock.move(time.Minute)
	fresh := revocation(r.clock.now(), time.Hour)
	r.revoked.add(fresh)
	r.revoked.sync()
	if n := len(r.listed(t)); n != 2 {
		t.Errorf("%d in the file, want 2", n)
	}
	if r.revoked.has(short.TokenID) || !r.revoked.has(long.TokenID) {
		t.Error("the expired one is held, or the other is not")
	}
}

func TestNewsThatCannotBeTrueIsNotTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	now := r.clock.now()
	for name, v := range map[string]transporter.Revocation{
		"no id":         {Expires: now.Add(time.Hour)},
		"endless id":    {TokenID: strings.Repeat("0", 1<<20), Expires: now.Add(time.Hour)},
		"expired":       {TokenID: ticket.NewID(), Expires: now},
		"never expires": {TokenID: ticket.NewID(), Expires: now.AddDate(100, 0, 0)},
	} {
		r.revoked.heard(v)
		if r.revoked.has(v.TokenID) {
			t.Errorf("%s: was taken", name)
		}
	}
}

func TestFileIsWrittenOnlyWhenItLacksSomething(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.revoked.sync()
	if _, err := os.Stat(r.revoked.path); err == nil {
		t.Error("an empty list was written")
	}
	r.revoked.add(revocation(r.clock.now(), time.Hour))
	r.revoked.sync()
	before, err := os.Stat(r.revoked.path)
	if err != nil {
		t.Fatal(err)
	}
	r.revoked.sync()
	if after, _ := os.Stat(r.revoked.path); !os.SameFile(before, after) {
		t.Error("it was written again for nothing")
	}
}

// TestWhatANewerVersionSaysInTheListStays has one that says more of a token, and of something that is no token here.
func TestWhatANewerVersionSaysInTheListStays(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	now := r.clock.now()
	token, over := revocation(now, time.Hour), revocation(now, -time.Hour)
	entry := func(format string, id string, at time.Time) string {
		return fmt.Sprintf(format, id, at.Format(time.RFC3339Nano))
	}
	news := []string{
		entry(`{"token_id":%q,"expires":%q,"why":{"by":"boss"}}`, token.TokenID, token.Expires),
		entry(`{"user":%q,"expires":%q}`, "mallory", now.Add(time.Hour)),
	}
	text := "[" + strings.Join(append(news, entry(`{"token_id":%q,"expires":%q,"why":"old"}`, over.TokenID, over.Expires), "null"), ",") + "]"
	if err := errors.Join(os.MkdirAll(filepath.Dir(r.revoked.path), 0o700), os.WriteFile(r.revoked.path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	mine := revocation(now, time.Hour)
	r.revoked.add(mine)
	r.revoked.sync()
	var got bytes.Buffer
	data, err := os.ReadFile(r.revoked.path)
	if err := errors.Join(err, json.Compact(&got, data)); err != nil {
		t.Fatal(err)
	}
	for _, want := range append(news, entry(`{"token_id":%q,"expires":%q}`, mine.TokenID, mine.Expires)) {
		if !strings.Contains(got.String(), want) {
			t.Errorf("%s is not in %s", want, got.String())
		}
	}
	if n := len(r.listed(t)); n != 3 || !r.revoked.has(token.TokenID) {
		t.Errorf("%d entries, want 3; the token is revoked: %t", n, r.revoked.has(token.TokenID))
	}
}

func TestBrokenFileIsWrittenAgain(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"empty": "", "cut": `[{"token_id":"0123`, "other": `{"a":1}`, "null": "null"} {
		r := newRig(t)
		if err := os.MkdirAll(filepath.Dir(r.revoked.path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(r.revoked.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		v := revocation(r.clock.now(), time.Hour)
		r.revoked.add(v)
		r.revoked.sync()
		if got := r.listed(t); len(got) != 1 || got[0] != v.TokenID {
			t.Errorf("%s: the file holds %v", name, got)
		}
	}
}

func TestShareThatIsAwayIsToldOnceAndCaughtUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := os.WriteFile(filepath.Join(r.dirs.Var, "tokens"), nil, 0o600); err != nil { // no folder can be made
		t.Fatal(err)
	}
	v := revocation(r.clock.now(), time.Hour)
	r.revoked.add(v)
	for range 3 {
		r.revoked.sync()
	}
	if n := strings.Count(r.said.String(), "in memory only"); n != 1 {
		t.Errorf("said %d times, want once:\n%s", n, r.said)
	}
	if !r.revoked.has(v.TokenID) {
		t.Error("forgotten")
	}
	if err := os.Remove(filepath.Join(r.dirs.Var, "tokens")); err != nil {
		t.Fatal(err)
	}
	r.revoked.sync()
	if got := r.listed(t); len(got) != 1 {
		t.Errorf("the file holds %v once the share is back", got)
	}
}

// hang makes the share one that hangs: a pipe that nobody writes to.
func (r *rig) hang() {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(r.revoked.path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := syscall.Mkfifo(r.revoked.path, 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// unhang lets the share answer, this time and from then on.
func (r *rig) unhang(list ...transporter.Revocation) {
	r.t.Helper()
	w, err := os.OpenFile(r.revoked.path, os.O_WRONLY, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := errors.Join(os.Remove(r.revoked.path), json.NewEncoder(w).Encode(list), w.Close()); err != nil {
		r.t.Fatal(err)
	}
}

func TestNothingIsAnsweredBeforeTheListIsKnown(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	r := newRig(t, on(hub))
	asker := Options{Node: "web"}
	on(hub)(&asker)
	t.Cleanup(asker.Conn.Close)
	r.patience = time.Hour
	r.hang()
	token := r.token("fred")
	claims, _ := ticket.Peek(token)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()

	soon, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	for soon.Err() == nil {
		_, err := transporter.Call(soon, asker.Conn, transporter.UserVerify, transporter.VerifyRequest{Token: token})
		if err == nil {
			t.Fatal("answered while the share hangs")
		}
	}
	r.unhang(transporter.Revocation{TokenID: claims.ID, Expires: time.Unix(claims.Expires, 0)})
	until(t, "it serves", r.Ready)
	_, err := r.who(token)
	wantError(t, err, transporter.Unauthorized, "was ended")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestLogoutOfTheLastMomentIsWritten(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	go r.revoked.run(ctx)
	<-r.revoked.loaded
	v := revocation(r.clock.now(), time.Hour)
	r.revoked.merge(v) // what add does, had run no time to hear of it
	cancel()
	<-r.revoked.ended
	if got := r.listed(t); len(got) != 1 || got[0] != v.TokenID {
		t.Errorf("the file holds %v, want %s", got, v.TokenID)
	}
}

func TestHungShareHoldsUpNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t, on(newHub(t)))
	r.patience = time.Millisecond
	r.hang()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	until(t, "it serves", r.Ready)
	token := r.token("fred")
	if _, err := r.who(token); err != nil {
		t.Error(err)
	}
	r.end(token)
	_, err := r.who(token)
	wantError(t, err, transporter.Unauthorized, "was ended")
	cancel()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "could not be written in time") {
		t.Errorf("Run ended with %v", err)
	}
	r.unhang() // and the goroutine ends
	<-r.revoked.ended
	if got := r.listed(t); len(got) != 1 {
		t.Errorf("the file holds %v once the share is back", got)
	}
}

func FuzzParseRevoked(f *testing.F) {
	f.Add([]byte(`[{"token_id":"0123456789abcdef","expires":"2026-01-01T00:00:00Z"}]`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseRevoked(data)
		if err != nil {
			return
		}
		if _, err := json.Marshal(list); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
	})
}
