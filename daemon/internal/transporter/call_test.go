package transporter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestCallReachesTheServer(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	serve(t, open(t, h, "manager"), echo, echoBack)
	got, err := Call(t.Context(), open(t, h, "webserver"), echo, ping{N: 7, Text: "hello"})
	if err != nil || got != (pong{N: 7, Text: "hello"}) {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestAddressedNodeAnswers(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	for _, node := range []string{"a.example", "b.example"} {
		serve(t, open(t, h, "launcher"), echoNode.On(node), func(context.Context, ping) (pong, error) {
			return pong{Text: node}, nil
		})
	}
	got, err := Call(t.Context(), open(t, h, "manager"), echoNode.On("b.example"), ping{})
	if err != nil || got.Text != "b.example" {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestErrorsCrossTheTransporter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want Error
	}{
		{"an Error whole", &Error{Code: Limit, Message: "you have 2", Detail: "more", Retry: 3}, Error{Code: Limit, Message: "you have 2", Detail: "more", Retry: 3}},
		{"a wrapped Error", fmt.Errorf("x: %w", Errorf(Conflict, "taken")), Error{Code: Conflict, Message: "taken"}},
		{"any other as internal", errors.New("disk is full"), Error{Code: Internal, Message: "disk is full"}},
		{"a deadline as unavailable", context.DeadlineExceeded, Error{Code: Unavailable, Message: "no answer in time"}},
		{"a huge one without its text", Errorf(NotFound, "%s", strings.Repeat("x", MessageLimit)),
			Error{Code: NotFound, Message: "the error text is too long to send"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			serve(t, open(t, h, "manager"), echo, func(context.Context, ping) (pong, error) { return pong{}, tt.err })
			_, err := Call(t.Context(), open(t, h, "webserver"), echo, ping{})
			if got := wantCode(t, err, tt.want.Code); *got != tt.want {
				t.Errorf("got %+v, want %+v", *got, tt.want)
			}
			if Undelivered(err) {
				t.Error("an answered request counts as undelivered")
			}
		})
	}
}

func TestNobodyThereIsUnavailableAtOnce(t *testing.T) {
	t.Parallel()
	c := open(t, newHub(t), "webserver")
	_, err := Call(t.Context(), c, echo, ping{})
	if e := wantCode(t, err, Unavailable); e.Message != "no manager answers" || !Undelivered(err) {
		t.Errorf("got %v, undelivered %v", err, Undelivered(err))
	}
	_, err = Call(t.Context(), c, echoNode.On("n2.lan"), ping{})
	if e := wantCode(t, err, Unavailable); e.Message != "no launcher answers on node n2.lan" {
		t.Errorf("got %v", err)
	}
}

// A server that answers only the second of two requests sees the same id in both.
func TestCallAsksOnceMoreUnderTheSameID(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	nc := raw(t, h)
	ids := make(chan string, 8)
	var seen atomic.Int32
	_, err := nc.Subscribe(echo.Subject, func(m *nats.Msg) {
		var e envelope[ping]
		_ = json.Unmarshal(m.Data, &e)
		ids <- e.ID
		if seen.Add(1) == 2 {
			_ = m.Respond(fmt.Appendf(nil, `{"v":1,"id":%q,"body":{"n":2}}`, e.ID))
		}
	})
	if err != nil || nc.Flush() != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	got, err := Call(ctx, open(t, h, "webserver"), echo, ping{})
	if err != nil || got.N != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if a, b := <-ids, <-ids; a != b || a == "" {
		t.Errorf("the ids are %q and %q", a, b)
	}
}

func TestSilentServerIsAskedTwiceAndThenUnavailable(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	nc := raw(t, h)
	var seen atomic.Int32
	_, err := nc.Subscribe(echo.Subject, func(*nats.Msg) { seen.Add(1) })
	if err != nil || nc.Flush() != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = Call(ctx, open(t, h, "webserver"), echo, ping{})
	if e := wantCode(t, err, Unavailable); e.Message != "manager did not answer in time" || Undelivered(err) {
		t.Errorf("got %v, undelivered %v", err, Undelivered(err))
	}
	eventually(t, "two requests", func() bool { return seen.Load() == 2 })
}

// A node that goes away after it was asked may have done the work, and may still say so.
func TestNobodyThereOnTheSecondTryIsNotTheAnswer(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	nc := raw(t, h)
	var inbox atomic.Value
	_, err := nc.Subscribe(echo.Subject, func(m *nats.Msg) {
		inbox.Store(m.Reply)
		_ = m.Sub.Unsubscribe()
	})
	if err != nil || nc.Flush() != nil {
		t.Fatal(err)
	}
	c := open(t, h, "webserver")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = Call(ctx, c, echo, ping{})
	if e := wantCode(t, err, Unavailable); e.Message != "manager did not answer in time" || Undelivered(err) {
		t.Errorf("got %v, undelivered %v", err, Undelivered(err))
	}
	// A reply that comes too late finds no call and harms nobody.
	if err := nc.Publish(inbox.Load().(string), []byte(`{"v":1,"body":{}}`)); err != nil {
		t.Error(err)
	}
	serve(t, open(t, h, "manager"), echo, echoBack)
	if _, err := Call(t.Context(), c, echo, ping{}); err != nil {
		t.Error(err)
	}
}

func TestCancelledCallReturnsTheCancellation(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	serve(t, open(t, h, "manager"), echo, func(context.Context, ping) (pong, error) {
		cancel()
		<-release
		return pong{}, nil
	})
	_, err := Call(ctx, open(t, h, "webserver"), echo, ping{})
	close(release)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The handler's context ends with the caller's patience.
func TestDeadlineReachesTheHandler(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	left := make(chan time.Duration, 1)
	serve(t, open(t, h, "manager"), echo, func(ctx context.Context, _ ping) (pong, error) {
		end, _ := ctx.Deadline()
		left <- time.Until(end)
		return pong{}, nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if _, err := Call(ctx, open(t, h, "webserver"), echo, ping{}); err != nil {
		t.Fatal(err)
	}
	if d := <-left; d < 59*time.Minute || d > time.Hour {
		t.Errorf("the handler has %s", d)
	}
}

func TestMessagesAreLimitedBothWays(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	serve(t, open(t, h, "manager"), echo, func(_ context.Context, p ping) (pong, error) {
		return pong{Text: strings.Repeat("x", p.N)}, nil
	})
	c := open(t, h, "webserver")
	_, err := Call(t.Context(), c, echo, ping{Text: strings.Repeat("x", MessageLimit)})
	if e := wantCode(t, err, Invalid); !strings.Contains(e.Message, "too large") {
		t.Errorf("request: %v", e)
	}
	_, err = Call(t.Context(), c, echo, ping{N: MessageLimit})
	if e := wantCode(t, err, Internal); !strings.Contains(e.Message, "too large") {
		t.Errorf("reply: %v", e)
	}
	if _, err := Call(t.Context(), c, echo, ping{N: MessageLimit - 100}); err != nil {
		t.Errorf("just below the limit: %v", err)
	}
	if err := Publish(c, tidings, ping{Text: strings.Repeat("x", MessageLimit)}); err == nil {
		t.Error("an event over the limit was sent")
	}
	frame := `{"v":1,"id":"a","body":{"text":"` + strings.Repeat("x", MessageLimit) + `"}}`
	if got := ask(t, raw(t, h), echo.Subject, frame); !strings.Contains(got, "too large") {
		t.Errorf("a foreign request over the limit got %s", got)
	}
}

func TestReplyOfAnotherVersionIsAClearError(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	nc := raw(t, h)
	_, err := nc.Subscribe(echo.Subject, func(m *nats.Msg) { _ = m.Respond([]byte(`{"v":9,"id":"x","body":[]}`)) })
	if err != nil || nc.Flush() != nil {
		t.Fatal(err)
	}
	_, err = Call(t.Context(), open(t, h, "webserver"), echo, ping{})
	if e := wantCode(t, err, Invalid); !strings.Contains(e.Message, "version 9") {
		t.Errorf("got %v", e)
	}
}
