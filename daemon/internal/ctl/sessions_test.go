package ctl

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
)

// slow is a cluster whose session shows one state after the other, the last for ever.
type slow struct {
	admin.Cluster
	states []string
	err    error
	asked  int
}

func (s *slow) Session(context.Context, string) (admin.Session, error) {
	state := s.states[min(s.asked, len(s.states)-1)]
	s.asked++
	return admin.Session{ID: "7", State: state, Reason: "why"}, s.err
}

func TestWaitingForASession(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		states []string
		err    error
		want   string // part of the error
	}{
		"it runs at once":       {states: []string{"running"}},
		"it takes its time":     {states: []string{"pending", "starting", "unknown", "running"}},
		"it ends before":        {states: []string{"starting", "ended"}, want: "session 7 has ended: why"},
		"it never comes":        {states: []string{"starting"}, want: "session 7 is still starting"},
		"the daemon goes away ": {states: []string{"starting"}, err: errors.New("gone"), want: "gone"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				c := &slow{states: tt.states, err: tt.err}
				s, err := awaitStart(ctx, c, admin.Session{ID: "7", State: "pending"})
				if tt.want == "" && (err != nil || s.State != "running") {
					t.Errorf("%+v, %v", s, err)
				}
				if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("%v, want %q", err, tt.want)
				}
			})
		})
	}
}
