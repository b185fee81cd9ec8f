package reload

import (
	"context"
	"errors"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// TestAChangeIsItsMakersThoughTheWatcherSeesItFirst has the watcher hand over the changed files while
// the change is still being made.
func TestAChangeIsItsMakersThoughTheWatcherSeesItFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir())
	r.look(t.Context(), files("a", "1"))
	changed := files("a", "2")
	ctx, cancel := context.WithCancel(t.Context())
	sets, ended := make(chan fileset.Set, 1), make(chan error, 1)
	go func() { ended <- r.Run(ctx, sets) }()
	report, err := r.Change(t.Context(), "ann", func(context.Context) error {
		r.mu.Lock()
		r.disk = []fileset.Set{changed}
		r.mu.Unlock()
		sets <- changed
		return nil
	})
	if err != nil || report.Outcome != Applied || report.Generation != 2 {
		t.Errorf("the change came to %+v, %v", report, err)
	}
	if again, err := r.Reload(t.Context(), "bob"); err != nil || again.Outcome != Unchanged {
		t.Errorf("looked at again: %+v, %v", again, err)
	}
	if origin := r.keeper.Current().Origin; origin != "ann" {
		t.Errorf("it counts as a change by %s", origin)
	}
	broken := errors.New("read-only file system")
	looks := r.looks
	if _, err := r.Change(t.Context(), "ann", func(context.Context) error { return broken }); err != broken || r.looks != looks {
		t.Errorf("a change that failed: %v, and %d looks", err, r.looks-looks)
	}
	cancel()
	<-ended
}
