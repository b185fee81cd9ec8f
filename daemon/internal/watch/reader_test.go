package watch

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/fsnotify/fsnotify"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// TestEventsAreBelievedOnlyWhereNoneIsMissed writes two files and tells a reader of one of them.
func TestEventsAreBelievedOnlyWhereNoneIsMissed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		happens func(*testing.T, *reader)
		want    string // what the file is found to hold of which no event told
	}{
		"every directory is watched": {func(*testing.T, *reader) {}, "old"},
		"the queue of events ran over": {func(_ *testing.T, r *reader) {
			errors := make(chan error, 1)
			errors <- fsnotify.ErrEventOverflow
			close(errors)
			r.miss(errors)
		}, "new"},
		"a look failed that events led to": {func(t *testing.T, r *reader) {
			r.o.Extra = []string{"relative"}
			if r.read(job{how: touching}).err == nil {
				t.Fatal("it did not fail")
			}
			r.o.Extra = nil
		}, "new"},
		"a directory cannot be watched": {func(t *testing.T, r *reader) {
			r.follow([]string{r.o.Dir, filepath.Join(t.TempDir(), "nowhere")})
		}, "new"},
		"there are more than can be watched": {func(_ *testing.T, r *reader) { r.follow(make([]string, maxDirs+1)) }, "new"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReader(Options{Dir: t.TempDir(), More: func(fileset.Set) []string { return nil }, Log: slog.New(slog.DiscardHandler)})
			t.Cleanup(func() { r.notify.Close() })
			write(t, filepath.Join(r.o.Dir, "told"), "old")
			write(t, filepath.Join(r.o.Dir, "quiet"), "old")
			r.read(job{})
			c.happens(t, r)
			write(t, filepath.Join(r.o.Dir, "told"), "new")
			write(t, filepath.Join(r.o.Dir, "quiet"), "new")
			set := r.read(job{touching, []string{filepath.Join(r.o.Dir, "told")}}).set
			if !holds("told", "new")(set) || !holds("quiet", c.want)(set) {
				t.Errorf("found %+v", set.Files())
			}
			if set = r.read(job{}).set; !holds("quiet", "new")(set) {
				t.Error("a rescan does not find it either")
			}
		})
	}
}
