package user

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/fastx-kit/fastx-kit/daemon/internal/audit"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

func TestLoginGivesATokenThatSaysWhoItIs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	reply, err := r.try("fred", "fred's", "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	expires := r.clock.now().Add(spec.TokenLifetime)
	if reply.User != "fred" || !reply.Expires.Equal(expires) || reply.Challenge != nil {
		t.Errorf("got %+v", reply)
	}
	id, err := r.who(reply.Token)
	if err != nil {
		t.Fatal(err)
	}
	want := transporter.Identity{
		User: "fred", Level: "full", Groups: []string{}, TokenID: id.TokenID, Expires: expires.UTC(),
		May: []transporter.Action{"start", "command", "connect", "terminate", "read", "message"},
	}
	if !reflect.DeepEqual(id, want) || !ticket.IsID(id.TokenID) {
		t.Errorf("got  %+v\nwant %+v", id, want)
	}
}

func TestRefusalsLookAlike(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, want := r.try("fred", "wrong", "192.0.2.1")
	wantError(t, want, transporter.Unauthorized, "wrong user name or password")
	for name, try := range map[string][2]string{
		"unknown user":             {"nobody", "x"},
		"disabled, right password": {"dora", "dora's"},
		"disabled, wrong password": {"dora", "x"},
		"someone else's password":  {"lea", "fred's"},
		"name in capitals":         {"FRED", "fred's"},
		"name with a space":        {"fred ", "fred's"},
	} {
		if _, err := r.try(try[0], try[1], "192.0.2.2"); !reflect.DeepEqual(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	for name, try := range map[string][2]string{
		"no name":          {"", "x"},
		"no password":      {"fred", ""},
		"endless name":     {strings.Repeat("f", maxName+1), "x"},
		"endless password": {"fred", strings.Repeat("x", maxSecret+1)},
	} {
		_, err := r.try(try[0], try[1], "192.0.2.3")
		if code(err) != transporter.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a refusal costs is counted in rounds of bcrypt, not in time.
func TestRefusalsCostTheSame(t *testing.T) {
	t.Parallel()
	hash := func(cost int) string {
		h, err := bcrypt.GenerateFromPassword([]byte("right"), cost)
		if err != nil {
			t.Fatal(err)
		}
		return string(h)
	}
	for _, file := range []map[string]string{
		{"cheap": hash(4), "dear": hash(7), "broken": "$2y$10$x", "foreign": "{SHA}x"},
		{"cheap": hash(5)},
		{},
	} {
		l := newLogins(file)
		h := newHtpasswd(func() logins { return l })
		rounds := 0
		h.compare = func(hash, password []byte) error {
			cost, err := bcrypt.Cost(hash)
			if err != nil {
				t.Errorf("compared with %q: %v", hash, err)
			}
			rounds += 1 << cost
			if cost > 7 {
				return bcrypt.ErrMismatchedHashAndPassword
			}
			return bcrypt.CompareHashAndPassword(hash, password)
		}
		for _, user := range []string{"cheap", "dear", "broken", "foreign", "unknown"} {
			rounds = 0
			if _, err := h.Login(t.Context(), Attempt{User: user, Password: "wrong"}); !errors.Is(err, ErrWrong) {
				t.Errorf("%s: %v", user, err)
			}
			if rounds != 1<<l.cost {
				t.Errorf("with the file %v, %s costs %d rounds, want %d", file, user, rounds, 1<<l.cost)
			}
		}
	}
}

func TestNobodyLogsInWithTheDummyHash(t *testing.T) {
	t.Parallel()
	h := newHtpasswd(func() logins { return newLogins(nil) })
	h.compare = func(_, _ []byte) error { return nil } // as if its password had been found
	if _, err := h.Login(t.Context(), Attempt{User: "unknown", Password: "x"}); !errors.Is(err, ErrWrong) {
		t.Errorf("got %v", err)
	}
}

func TestDummyHashIsOneThatBcryptWorksOn(t *testing.T) {
	t.Parallel()
	for _, cost := range []int{4, 5} {
		hash := []byte(dummy(cost))
		if got, err := bcrypt.Cost(hash); got != cost || err != nil {
			t.Errorf("cost %d, %v; want %d", got, err, cost)
		}
		if err := bcrypt.CompareHashAndPassword(hash, []byte("x")); !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
			t.Errorf("comparing gives %v: the work was not done", err)
		}
	}
}

func TestApachesFormOfBcryptIsRead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.reconfigure(func(c *spec.Config) { c.Htpasswd["fred"] = strings.Replace(c.Htpasswd["fred"], "$2a$", "$2y$", 1) })
	if _, err := r.try("fred", "fred's", "192.0.2.1"); err != nil {
		t.Error(err)
	}
}

func TestWorkOnPasswordsIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2)
		hold := make(chan struct{})
		var mu sync.Mutex
		working, most, done := 0, 0, 0
		var wg sync.WaitGroup
		work := func(ctx context.Context) error {
			return g.do(ctx, func() {
				mu.Lock()
				working++
				most = max(most, working)
				mu.Unlock()
				<-hold
				mu.Lock()
				working--
				done++
				mu.Unlock()
			})
		}
		for range g.most - 1 {
			wg.Go(func() {
				if err := work(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if err := work(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("one that gave up while it waited: %v", err)
			}
		})
		synctest.Wait()
		wantError(t, work(t.Context()), transporter.TooMany, "2 seconds")
		cancel()
		close(hold)
		wg.Wait()
		if most != 2 || done != int(g.most)-1 {
			t.Errorf("%d at once, %d in all; want 2 and %d", most, done, g.most-1)
		}
		if err := work(t.Context()); err != nil {
			t.Errorf("when all is quiet again: %v", err)
		}
	})
}

func TestGuessingIsStoppedForAWhile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range pairPerMinute {
		_, err := r.try("fred", "guess", "192.0.2.1")
		wantError(t, err, transporter.Unauthorized)
	}
	_, err := r.try("fred", "fred's", "192.0.2.1")
	wantError(t, err, transporter.TooMany, "too many failed logins; try again in 12 seconds")
	if got := transporter.AsError(err).Retry; got != 12 {
		t.Errorf("programs are told to come again in %d seconds", got)
	}
	if _, err := r.try("fred", "fred's", "192.0.2.2"); err != nil {
		t.Errorf("from another address: %v", err)
	}
	if _, err := r.try("lea", "lea's", "192.0.2.1"); err != nil {
		t.Errorf("another user from the same address: %v", err)
	}
	r.clock.move(11 * time.Second)
	_, err = r.try("fred", "fred's", "192.0.2.1")
	wantError(t, err, transporter.TooMany, "try again in 1 second")
	r.clock.move(time.Second)
	for range 10 { // good ones cost nothing
		if _, err := r.try("fred", "fred's", "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhoHasLoggedInFromAnAddressIsNotLockedOutThere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.token("fred")
	for i := range 2 * namePerMinute {
		_, _ = r.try("fred", "guess", fmt.Sprintf("198.51.100.%d", i))
	}
	_, err := r.try("fred", "fred's", "203.0.113.1")
	wantError(t, err, transporter.TooMany)
	r.token("fred")
}

func TestGuessesAtOnceGetNoFurther(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var wg sync.WaitGroup
	var tried syncCounter
	for range 50 {
		wg.Go(func() {
			if _, err := r.try("fred", "guess", "192.0.2.1"); code(err) == transporter.Unauthorized {
				tried.add()
			}
		})
	}
	wg.Wait()
	if n := tried.get(); n != pairPerMinute {
		t.Errorf("%d guesses were looked at, want %d", n, pairPerMinute)
	}
}

func TestFaultOfOursIsNoGuess(t *testing.T) {
	t.Parallel()
	q := &questions{err: fmt.Errorf("sshd hush-hush is away")}
	r := newRig(t, with(q))
	for range 2 * addressPerMinute {
		_, err := r.try("fred", "fred's", "192.0.2.1")
		wantError(t, err, transporter.Unavailable)
		if strings.Contains(err.Error(), "hush-hush") {
			t.Fatalf("%q tells what is for the log", err)
		}
	}
	if !strings.Contains(r.said.String(), "hush-hush") {
		t.Error("the log does not say why")
	}
	q.err = transporter.Errorf(transporter.TooMany, "wait")
	_, err := r.try("fred", "fred's", "192.0.2.1")
	wantError(t, err, transporter.TooMany, "wait")
}

func TestSuccessfulLoginsAreBoundedToo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range loginsPerMinute {
		r.token("fred")
	}
	_, err := r.try("fred", "fred's", "192.0.2.9")
	wantError(t, err, transporter.TooMany, "too many logins; try again in 1 second")
	r.clock.move(time.Second)
	r.token("fred")
}

func TestLoginsAreAudited(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.conn = testConn(t)
	token := r.token("fred")
	_, _ = r.try("fred\n{}", "x", "192.0.2.2")
	_, _ = r.try("dora", "dora's", "192.0.2.3")
	r.end(token)
	r.end(token)
	want := []audit.Event{
		{Action: audit.Login, Method: "htpasswd", User: "fred", Address: "192.0.2.1", Outcome: audit.Done},
		{Action: audit.Login, Method: "htpasswd", User: "fred\n{}", Address: "192.0.2.2", Outcome: audit.Refused},
		{Action: audit.Login, Method: "htpasswd", User: "dora", Address: "192.0.2.3", Outcome: audit.Refused, Detail: "the user is disabled"},
		{Action: audit.Logout, User: "fred", Outcome: audit.Done},
	}
	for i := range want {
		want[i].Node, want[i].Time = "n1", r.clock.now().UTC()
	}
	if got := r.audited(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAFloodDoesNotFillTheAuditLog(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 500 {
		_, _ = r.try("fred", "guess", "192.0.2.1")
	}
	if n := len(r.audited()); n != pairPerMinute+1 {
		t.Errorf("%d lines, want one for each of %d guesses and one for the rest", n, pairPerMinute)
	}
}

func TestNoSecretGetsIntoALog(t *testing.T) {
	t.Parallel()
	r := newRig(t, with(&questions{codes: []string{"0TP-c0de"}}))
	r.conn = testConn(t)
	_, _ = r.try("fred", "guessed-pa55word", "192.0.2.1")
	reply, err := r.try("fred", passwords["fred"], "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	reply, err = r.login(t.Context(), transporter.LoginRequest{Challenge: reply.Challenge.ID, Answers: []string{"0TP-c0de", "0TP-c0de"}})
	if err != nil {
		t.Fatal(err)
	}
	auth, err := r.authorize(t.Context(), transporter.AuthorizeRequest{Token: reply.Token, Action: transporter.ActStart, Start: &transporter.StartRequest{
		ID: ticket.NewID(), Command: "prog --password=c0mmand-secret", Params: map[string]string{"key": "param-s3cret"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.end(reply.Token)
	r.audited()
	trail, _ := os.ReadFile(filepath.Join(r.dirs.Local, audit.FileName))
	text := string(trail) + r.said.String()
	for _, secret := range []string{"guessed-pa55word", passwords["fred"], "0TP-c0de", "c0mmand-secret", "param-s3cret", reply.Token, auth.Ticket} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in a log", secret)
		}
	}
}
