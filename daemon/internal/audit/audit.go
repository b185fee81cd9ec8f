// Package audit writes the audit log: who did what, from where, with what outcome.
//
// The log is FX_LOCAL_DIR/audit.log, one JSON object a line, mode 0600. When it
// has grown to its limit it becomes audit.log.1, and so on up to the oldest,
// which goes. Whoever records an event never waits for the disk: events pass
// through a bounded queue, and what does not fit, or could not be written, is
// counted and reported as a line of its own as soon as lines can be written again.
//
// An event never holds a password, a token or a ticket; the code that records
// one sees to that. What people typed does stand in it, clipped, and cannot
// make a line look like two or steer a terminal.
package audit

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// FileName is the log's name below FX_LOCAL_DIR.
const FileName = "audit.log"

// Event is one line. Empty fields are left out.
type Event struct {
	Time    time.Time `json:"time"` // when it is zero, Record sets it
	Action  Action    `json:"action"`
	User    string    `json:"user,omitempty"`    // as typed, where a login failed
	Address string    `json:"address,omitempty"` // the client's
	Method  string    `json:"method,omitempty"`  // of a login: htpasswd, ssh, pam
	Node    string    `json:"node,omitempty"`    // where it was decided
	Session string    `json:"session,omitempty"`
	Ticket  string    `json:"ticket,omitempty"` // the id of the one that was shown, where that matters
	Outcome Outcome   `json:"outcome"`
	Detail  string    `json:"detail,omitempty"`
}

// Action is what was tried.
type Action string

// The actions.
const (
	Login     Action = "login"
	Logout    Action = "logout"
	Start     Action = "start"
	Connect   Action = "connect"
	Terminate Action = "terminate"
	Drain     Action = "drain"
	Message   Action = "message"
	LogLevel  Action = "loglevel"
	Approach  Action = "approach"   // to speak to fastxd-launchd
	Lost      Action = "audit-lost" // events that did not get into the log
)

// Outcome is what became of it.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "ok"
	Refused Outcome = "refused"
	Failed  Outcome = "failed" // for a reason that is not the user's
)

// Options say where and how much. The zero value of all but Path is replaced by a default.
type Options struct {
	Path  string
	Size  int64        // bytes after which the file is rotated; 10 MiB
	Files int          // how many there are in all; 5
	Queue int          // events that may wait for the disk; 1024
	Log   *slog.Logger // told when the log cannot be written, and when it can again; required
}

// Log is an open audit log. Nil is a valid one that keeps nothing.
type Log struct {
	log   *slog.Logger
	file  *file
	queue chan Event
	lost  atomic.Int64
	stop  chan struct{}
	done  chan struct{}
	once  sync.Once
}

// Open opens the log, or says why it cannot be written.
func Open(o Options) (*Log, error) {
	if o.Size == 0 {
		o.Size = 10 << 20
	}
	if o.Files == 0 {
		o.Files = 5
	}
	if o.Queue == 0 {
		o.Queue = 1024
	}
	f := &file{path: o.Path, limit: o.Size, files: o.Files}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	l := &Log{
		log: o.Log, file: f, queue: make(chan Event, o.Queue),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go l.run()
	return l, nil
}

// Record puts an event on its way to the log and returns at once.
func (l *Log) Record(e Event) {
	if l == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	select {
	case l.queue <- e:
	default:
		l.lost.Add(1)
	}
}

// Close writes what was recorded before it was called and closes the file.
func (l *Log) Close() {
	if l == nil {
		return
	}
	l.once.Do(func() { close(l.stop) })
	<-l.done
}

// run is the only goroutine that touches the file.
func (l *Log) run() {
	defer close(l.done)
	defer l.file.close()
	failing := false
	for {
		select {
		case e := <-l.queue:
			failing = l.write(e, failing)
		case <-l.stop:
			for len(l.queue) > 0 {
				failing = l.write(<-l.queue, failing)
			}
			l.confess(time.Now())
			return
		}
	}
}

// write appends an event and reports whether that failed. The first failure of a row
// and its end are told to the ordinary log.
func (l *Log) write(e Event, failing bool) bool {
	err := l.confess(e.Time)
	if err == nil {
		err = l.file.append(e.line())
	}
	switch {
	case err != nil:
		l.lost.Add(1)
		if !failing {
			l.log.Error("the audit log cannot be written; events are being lost", "error", err)
		}
	case failing:
		l.log.Warn("the audit log can be written again")
	}
	return err != nil
}

// confess writes how many events were lost since the last time.
func (l *Log) confess(at time.Time) error {
	n := l.lost.Swap(0)
	if n == 0 {
		return nil
	}
	e := Event{Time: at, Action: Lost, Outcome: Failed, Detail: fmt.Sprintf("%d events could not be recorded", n)}
	err := l.file.append(e.line())
	if err != nil {
		l.lost.Add(n)
	}
	return err
}

// line is the event as JSON with its newline.
func (e Event) line() []byte {
	e.Time = e.Time.UTC()
	for _, s := range []*string{&e.User, &e.Address, &e.Node, &e.Session, &e.Ticket, &e.Detail} {
		*s = clip(*s, 512)
	}
	raw, err := json.Marshal(e)
	if err != nil { // only a year above 9999 can do that
		raw = fmt.Appendf(nil, `{"action":%q,"outcome":%q}`, Lost, Failed)
	}
	return append(escape(raw), '\n')
}

// clip cuts s to at most n bytes, never inside a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// escape replaces what a terminal might obey or hide (C1 controls, text direction
// marks …) by the \u escapes that mean the same in JSON, which itself escapes C0 only.
func escape(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for _, r := range string(raw) {
		switch {
		case unicode.IsPrint(r):
			out = utf8.AppendRune(out, r)
		default:
			for _, u := range utf16.Encode([]rune{r}) {
				out = fmt.Appendf(out, `\u%04x`, u)
			}
		}
	}
	return out
}
