package transporter

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestRepeatedRequestIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	var runs atomic.Int32
	serve(t, open(t, h, "manager"), echo, func(context.Context, ping) (pong, error) {
		return pong{N: int(runs.Add(1))}, nil
	})
	nc := raw(t, h)
	first := ask(t, nc, echo.Subject, `{"v":1,"id":"a","body":{}}`)
	again := ask(t, nc, echo.Subject, `{"v":1,"id":"a","body":{}}`)
	other := ask(t, nc, echo.Subject, `{"v":1,"id":"b","body":{}}`)
	if first != `{"v":1,"id":"a","body":{"n":1}}` || again != first || other != `{"v":1,"id":"b","body":{"n":2}}` {
		t.Errorf("got %s, %s, %s", first, again, other)
	}
}

func TestRepeatedRequestJoinsTheOneThatRuns(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	var runs atomic.Int32
	release := make(chan struct{})
	serve(t, open(t, h, "manager"), echo, func(_ context.Context, p ping) (pong, error) {
		if p.N == 0 {
			<-release
		}
		return pong{N: int(runs.Add(1))}, nil
	})
	nc := raw(t, h)
	answers, err := nc.SubscribeSync("answers")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := nc.PublishRequest(echo.Subject, "answers", []byte(`{"v":1,"id":"a","body":{}}`)); err != nil {
			t.Fatal(err)
		}
	}
	// Requests are taken in one after the other: once this one is answered, both were.
	ask(t, nc, echo.Subject, `{"v":1,"id":"b","body":{"n":1}}`)
	close(release)
	for range 2 {
		m, err := answers.NextMsg(10 * time.Second)
		if err != nil || string(m.Data) != `{"v":1,"id":"a","body":{"n":2}}` {
			t.Fatalf("got %v, %v", m, err)
		}
	}
	if n := runs.Load(); n != 2 {
		t.Errorf("the handler ran %d times for two different requests", n)
	}
}

func TestHandlersRunConcurrently(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	const n = 32
	var all sync.WaitGroup
	all.Add(n)
	serve(t, open(t, h, "manager"), echo, func(context.Context, ping) (pong, error) {
		all.Done()
		all.Wait() // none returns before all are here
		return pong{}, nil
	})
	c := open(t, h, "webserver")
	errs := make(chan error, n)
	for range n {
		go func() {
			_, err := Call(t.Context(), c, echo, ping{})
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestHandlersAreBounded(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	var now, most atomic.Int32
	release := make(chan struct{})
	serve(t, open(t, h, "manager"), echo, func(context.Context, ping) (pong, error) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-release
		now.Add(-1)
		return pong{}, nil
	})
	c := open(t, h, "webserver")
	var calls sync.WaitGroup
	for range handlersAtOnce + 50 {
		calls.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := Call(ctx, c, echo, ping{}); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "all handlers busy", func() bool { return now.Load() == handlersAtOnce })
	close(release)
	calls.Wait()
	if most.Load() != handlersAtOnce {
		t.Errorf("%d handlers ran at once, the bound is %d", most.Load(), handlersAtOnce)
	}
}

func TestPanicBecomesInternalAndIsLogged(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	var log logBuffer
	server := openWith(t, Options{Role: "manager", Node: "n1", Hub: h, Log: log.logger()})
	serve(t, server, echo, func(_ context.Context, p ping) (pong, error) {
		if p.N == 1 {
			panic("boom")
		}
		return pong{}, nil
	})
	c := open(t, h, "webserver")
	_, err := Call(t.Context(), c, echo, ping{N: 1})
	if e := wantCode(t, err, Internal); strings.Contains(e.Message, "boom") {
		t.Errorf("the panic's text reached the caller: %v", e)
	}
	if _, err := Call(t.Context(), c, echo, ping{}); err != nil {
		t.Errorf("the server does not go on: %v", err)
	}
	if s := log.String(); !strings.Contains(s, "boom") || !strings.Contains(s, "stack=") {
		t.Errorf("the log is %q", s)
	}
}

func TestForeignEnvelopes(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	serve(t, open(t, h, "manager"), echo, echoBack)
	nc := raw(t, h)
	tests := []struct{ name, frame, want string }{
		{"unknown fields are ignored", `{"v":1,"id":"1","trace":"x","body":{"n":3,"new":[1]}}`, `{"v":1,"id":"1","body":{"n":3}}`},
		{"fields in any order", `{ "body": {"n":3}, "id": "2", "v": 1 }`, `{"v":1,"id":"2","body":{"n":3}}`},
		{"another version", `{"v":2,"id":"3","body":[1,2]}`, `{"v":1,"id":"3","error":{"code":"invalid","message":"a message of protocol version 2 came to a node that speaks version 1; upgrade the older of the two nodes"}}`},
		{"no version", `{"id":"4","body":{}}`, `"id":"4","error":{"code":"invalid","message":"a message of protocol version 0`},
		{"no id", `{"v":1,"body":{}}`, `"id":"","error":{"code":"invalid","message":"a request has no id"`},
		{"an id that could end the envelope", `{"v":1,"id":"a\",\"x","body":{}}`, `{"v":1,"id":"","error":{"code":"invalid"`},
		{"no JSON", `hello`, `{"v":1,"id":"","error":{"code":"invalid","message":"a message is not understood`},
		{"a body of another type", `{"v":1,"id":"5","body":"x"}`, `{"v":1,"id":"5","error":{"code":"invalid","message":"a message is not understood`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, nc, echo.Subject, tt.frame)
			if !strings.Contains(got, tt.want) || !json.Valid([]byte(got)) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestEventsAreHeardByAllInTheirOrder(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	const n = 100
	heard := make(chan int, 2*n)
	for range 2 {
		last := -1
		err := Subscribe(open(t, h, "manager"), tidings, func(p ping) {
			if p.N != last+1 {
				t.Errorf("%d came after %d", p.N, last)
			}
			last = p.N
			heard <- p.N
			if p.N == 10 {
				panic("the next one is heard all the same")
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	c := open(t, h, "launcher")
	for i := range n {
		if err := Publish(c, tidings, ping{N: i}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 * n {
		<-heard
	}
}

func TestEventOfAnotherVersionIsDroppedAndLogged(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	var log logBuffer
	heard := make(chan int, 2)
	c := openWith(t, Options{Role: "manager", Node: "n1", Hub: h, Log: log.logger()})
	if err := Subscribe(c, tidings, func(p ping) { heard <- p.N }); err != nil {
		t.Fatal(err)
	}
	nc := raw(t, h)
	for _, frame := range []string{`{"v":2,"body":{"n":1}}`, `{"v":1,"body":{"n":2}}`} {
		if err := nc.Publish(tidings.Subject, []byte(frame)); err != nil {
			t.Fatal(err)
		}
	}
	if n := <-heard; n != 2 || !strings.Contains(log.String(), "version 2") {
		t.Errorf("heard %d, logged %q", n, log.String())
	}
}

// Close lets a running request finish and its answer go out.
func TestCloseFinishesWhatRuns(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	server, client := open(t, h, "manager"), open(t, h, "webserver")
	running, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	serve(t, server, echo, func(ctx context.Context, p ping) (pong, error) {
		once.Do(func() { close(running) })
		<-release
		return pong(p), ctx.Err()
	})
	result := make(chan error, 1)
	go func() {
		_, err := Call(t.Context(), client, echo, ping{})
		result <- err
	}()
	<-running
	closed := make(chan struct{})
	go func() { server.Close(); close(closed) }()
	eventually(t, "no more requests are taken", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := Call(ctx, client, echo, ping{})
		return Undelivered(err)
	})
	select {
	case <-closed:
		t.Error("Close did not wait for a running request")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if err := <-result; err != nil {
		t.Error(err)
	}
	<-closed
	if server.Connected() || Publish(server, tidings, ping{}) == nil {
		t.Error("a closed connection still works")
	}
	_, err := Call(t.Context(), server, echo, ping{})
	wantCode(t, err, Unavailable)
}

// TestWhatOnlyLooksIsNotRemembered repeats a request that may be carried out twice.
func TestWhatOnlyLooksIsNotRemembered(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	var runs atomic.Int32
	serve(t, open(t, h, "manager"), look, func(context.Context, ping) (pong, error) {
		return pong{N: int(runs.Add(1))}, nil
	})
	nc := raw(t, h)
	ask(t, nc, look.Subject, `{"v":1,"id":"a","body":{}}`)
	if again := ask(t, nc, look.Subject, `{"v":1,"id":"a","body":{}}`); again != `{"v":1,"id":"a","body":{"n":2}}` {
		t.Errorf("got %s", again)
	}
}

// TestWhatChangesSomethingIsDoneOnce keeps the list of those whose repetition would do harm: start
// twice, count a wrong password twice, spend a ticket twice.
func TestWhatChangesSomethingIsDoneOnce(t *testing.T) {
	t.Parallel()
	for subject, once := range map[string]bool{
		UserLogin.Subject: UserLogin.Once, ManagerStart.Subject: ManagerStart.Once, ManagerTerminate.Subject: ManagerTerminate.Once,
		ManagerDrain.Subject: ManagerDrain.Once, LauncherStart.Subject: LauncherStart.On("n").Once,
		LauncherTerminate.Subject: LauncherTerminate.Once, LauncherConnect.Subject: LauncherConnect.On("n").Once, LauncherDrain.Subject: LauncherDrain.Once,
	} {
		if !once {
			t.Errorf("%s may be carried out twice", subject)
		}
	}
}
