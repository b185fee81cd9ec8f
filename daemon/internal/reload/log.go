package reload

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
)

// maxLogged bounds how many problems a log line spells out; its text counts all of them.
const maxLogged = 20

// logRejected prints "config rejected: 2 errors, 1 warning in sha256:9f2c41ab;
// still running generation 41 (sha256:07be…, 3h ago)", with the problems as an attribute.
//
// The same files with the same problems are said once, however often somebody asks for them.
func (l *Loop) logRejected(problems diag.List, digest string) {
	news := digest + "\n" + problems.Text()
	if news == l.said {
		return
	}
	l.said = news
	l.count(func(s *Stats) { s.Rejected++ })
	text := fmt.Sprintf("config rejected: %s in %.15s", problems.Counts(), digest)
	if gen := l.o.Keeper.Current(); gen != nil {
		text += fmt.Sprintf("; still running generation %d (%s, %s ago)", gen.Number, short(gen.Digest), l.age(gen))
	}
	l.o.Log.Error(text, attributes(problems)...)
}

// logAccepted prints "config accepted: generation 42 (sha256:5d10…): manager,
// launcher changed; applied in 12ms", and what is held back.
func (l *Loop) logAccepted(gen *generation.Generation, changed []string, took time.Duration) {
	l.said = ""
	l.count(func(s *Stats) { s.Accepted++ })
	text := fmt.Sprintf("config accepted: generation %d (%s): ", gen.Number, short(gen.Digest))
	if len(changed) > 0 {
		text += strings.Join(changed, ", ") + " changed; "
	}
	text += fmt.Sprintf("applied in %v", took.Round(time.Millisecond))
	level := slog.LevelInfo
	if len(gen.HeldBack) > 0 {
		text += "; held back: " + strings.Join(gen.HeldBack, ", ")
		if len(gen.LeftOut) > 0 {
			text += "; left out: " + strings.Join(gen.LeftOut, ", ")
		}
		level = slog.LevelWarn
	}
	l.o.Log.Log(context.Background(), level, text, attributes(gen.Problems)...)
}

// logRestored tells that files which had been rejected are the running ones again.
func (l *Loop) logRestored(digest string) {
	l.said = ""
	gen := l.o.Keeper.Current()
	l.o.Log.Info(fmt.Sprintf("config restored: %.15s is generation %d, which runs", digest, gen.Number))
}

func attributes(problems diag.List) []any {
	if len(problems) == 0 {
		return nil
	}
	var lines []string
	for _, d := range problems[:min(len(problems), maxLogged)] {
		lines = append(lines, d.String())
	}
	return []any{"problems", lines}
}

// short prints a digest as sha256:07be….
func short(digest string) string {
	if len(digest) <= len("sha256:07be") {
		return digest
	}
	return digest[:len("sha256:07be")] + "…"
}

// age prints how long ago a generation was accepted, in its largest unit: 3h.
func (l *Loop) age(gen *generation.Generation) string {
	d := l.o.Now().Sub(gen.Accepted)
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
