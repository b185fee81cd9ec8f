package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"sync"

	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/reload"
)

// allComponents is loglevel.ini's key for every component that has no line of its own.
const allComponents = "**"

// Logs hands out one logger per component and changes their levels as loglevel.ini says.
type Logs struct {
	handler slog.Handler
	mu      sync.Mutex
	levels  map[string]*slog.LevelVar
	current map[string]slog.Level
}

var _ reload.Service = (*Logs)(nil)

// NewLogs writes lines of text to w.
func NewLogs(w io.Writer) *Logs {
	handler := slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})
	return &Logs{handler: handler, levels: map[string]*slog.LevelVar{}, current: map[string]slog.Level{}}
}

// For returns the logger of one component.
func (l *Logs) For(component string) *slog.Logger {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, ok := l.levels[component]
	if !ok {
		v = new(slog.LevelVar)
		v.Set(levelOf(l.current, component))
		l.levels[component] = v
	}
	return slog.New(levelled{l.handler, v}).With("component", component)
}

// Levels names the level that loglevel.ini gives each component, "" to one that logs as allComponents says.
func (l *Logs) Levels() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]string{allComponents: "info"}
	for component := range l.levels {
		out[component] = ""
	}
	for component, level := range l.current {
		out[component] = strings.ToLower(level.String())
	}
	return out
}

// Name is the service's name.
func (l *Logs) Name() string { return "log" }

// Prepare reads the levels of a generation.
func (l *Logs) Prepare(_ context.Context, gen *generation.Generation) (reload.Change, error) {
	next := map[string]slog.Level{}
	for component, name := range gen.Config.LogLevel {
		var level slog.Level
		if err := level.UnmarshalText([]byte(strings.ToUpper(name))); err != nil {
			return nil, fmt.Errorf("loglevel.ini: %s: %q is not a level; use debug, info, warn or error", component, name)
		}
		next[component] = level
	}
	if l.has(next) {
		return nil, nil
	}
	return reload.Steps{OnCommit: func() { l.set(next) }}, nil
}

func (l *Logs) has(levels map[string]slog.Level) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Equal(l.current, levels)
}

func (l *Logs) set(next map[string]slog.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = next
	for component, v := range l.levels {
		v.Set(levelOf(next, component))
	}
}

func levelOf(levels map[string]slog.Level, component string) slog.Level {
	if level, ok := levels[component]; ok {
		return level
	}
	return levels[allComponents] // the zero value is info
}

// levelled is a handler with a level that can change.
type levelled struct {
	slog.Handler
	level *slog.LevelVar
}

func (h levelled) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level.Level() }

func (h levelled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return levelled{h.Handler.WithAttrs(attrs), h.level}
}

func (h levelled) WithGroup(name string) slog.Handler {
	return levelled{h.Handler.WithGroup(name), h.level}
}
