package launcher

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

func TestTerminateEndsASessionAndThenForgetsIt(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	heard := n.listen()
	id := n.run("").ID
	token := n.sign(claims(ticket.Terminate, id))
	for _, when := range []string{"the first time", "sent again"} {
		s, err := n.call(transporter.LauncherTerminate, token)
		if err != nil || s.State != transporter.Ended || s.Reason != "ended by alice" {
			t.Fatalf("%s: %+v, %v", when, s, err)
		}
	}
	n.until("the supervisor is told goodbye and reaped", func() bool {
		_, err := session.StatOf(n.supervisor(id).PID)
		return err != nil
	})
	s, err := n.terminate(id)
	if err != nil || s.State != transporter.Ended {
		t.Errorf("with another ticket: %+v, %v", s, err)
	}
	n.isEmpty()
	n.until("everyone hears that it is gone", func() bool { return heard.gone(id) })
	if _, err := n.terminate(id); code(err) != transporter.NotFound {
		t.Errorf("one that was forgotten: %v", err)
	}
}

func TestTerminateNeedsATicketForThatSession(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	s := n.run("")
	other := claims(ticket.Terminate, s.ID)
	other.Node = "n2"
	for name, c := range map[string]struct {
		claims ticket.Claims
		want   transporter.Code
	}{
		"of another kind":     {claims(ticket.Read, s.ID), transporter.Forbidden},
		"for another node":    {other, transporter.Forbidden},
		"for no session":      {claims(ticket.Terminate, ""), transporter.NotFound},
		"for another session": {claims(ticket.Terminate, ticket.NewID()), transporter.NotFound},
	} {
		if _, err := n.call(transporter.LauncherTerminate, n.sign(c.claims)); code(err) != c.want {
			t.Errorf("a ticket %s: %v, want %s", name, err, c.want)
		}
	}
	if got, _ := n.view(s.ID); got.State != transporter.Running {
		t.Errorf("the session is %s", got.State)
	}
}

func TestASupervisorThatDoesNotObeyIsKilled(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	s, err := n.terminate(n.run("stubborn leaves").ID)
	if err != nil || s.State != transporter.Ended || s.Reason != "ended by alice" {
		t.Errorf("terminate: %+v, %v", s, err)
	}
	n.until("nothing is left", func() bool { return !n.record(s.ID).Processes[0].Alive() })
}

func TestTerminateReachesASupervisorThatIsAway(t *testing.T) {
	t.Parallel()
	n := newNode(t).start(func(l *Launcher) { l.pace.obey = time.Hour })
	id := n.run("drop").ID
	n.becomes(id, transporter.Unknown)
	done := make(chan error, 1)
	go func() {
		s, err := n.terminate(id)
		if err == nil && s.Reason != "ended by alice" {
			err = fmt.Errorf("the reason is %q", s.Reason)
		}
		done <- err
	}()
	n.until("the order is given", func() bool {
		n.l.mu.Lock()
		defer n.l.mu.Unlock()
		return n.l.sessions[id].order != ""
	})
	n.goOn()
	must(t, <-done)
}

func TestReadLog(t *testing.T) {
	t.Parallel()
	n := newNode(t).start()
	id := n.run("").ID
	var text strings.Builder
	for i := range 300 {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	must(t, os.WriteFile(session.LogPath(n.dirs.Local, id), []byte(text.String()), 0o600))
	read := func(c ticket.Claims) ([]string, error) {
		r, err := transporter.Call(t.Context(), n.caller, transporter.LauncherLog.On("n1"), transporter.TicketRequest{Ticket: n.sign(c)})
		return r.Lines, err
	}
	lines, err := read(claims(ticket.Read, id))
	if err != nil || len(lines) != 200 || lines[199] != "line 299" {
		t.Errorf("%d lines, %v", len(lines), err)
	}
	if _, err := read(claims(ticket.Connect, id)); code(err) != transporter.Forbidden {
		t.Errorf("with a ticket to connect: %v", err)
	}
	must(t, os.Remove(session.LogPath(n.dirs.Local, id)))
	if lines, err := read(claims(ticket.Read, id)); err != nil || len(lines) != 0 {
		t.Errorf("without a log: %q, %v", lines, err)
	}
}

func TestEndedSessionsAreForgotten(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	now := time.Now().UTC()
	end := func(user string, ago time.Duration) string {
		return n.dead(func(r *session.Record, _ *os.File) {
			r.User, r.State, r.Ended = user, string(transporter.Ended), now.Add(-ago)
		})
	}
	old, fresh, others := end("ann", 25*time.Hour), end("ann", 23*time.Hour), end("bob", 23*time.Hour)
	var many []string
	for i := range endedEach {
		many = append(many, end("ann", time.Duration(i)*time.Second))
	}
	n.start()
	running := n.run("").ID
	n.l.forgetOld()
	for id, want := range map[string]bool{old: false, fresh: false, others: true, many[0]: true, many[endedEach-1]: true, running: true} {
		if _, got := n.view(id); got != want {
			t.Errorf("session %s is listed: %v, want %v", id, got, want)
		}
	}
	n.env.KeepEnded = 50*time.Second + time.Until(now.Add(time.Hour)) - time.Hour // as of the start of the test
	n.restart()
	n.l.forgetOld()
	if _, err := os.Stat(session.RecordPath(n.dirs.Local, many[endedEach-1])); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("with a shorter time to keep them, the oldest is still there: %v", err)
	}
	if _, ok := n.view(many[0]); !ok {
		t.Error("the youngest is forgotten")
	}
}
