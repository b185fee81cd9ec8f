package watch

import (
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

func TestHintsTellARenameFromAnEdit(t *testing.T) {
	t.Parallel()
	const create, write, remove, rename, chmod = fsnotify.Create, fsnotify.Write, fsnotify.Remove, fsnotify.Rename, fsnotify.Chmod
	type events []fsnotify.Event
	ev := func(op fsnotify.Op, path string) fsnotify.Event { return fsnotify.Event{Name: path, Op: op} }
	for _, c := range []struct {
		name   string
		events events
		due    time.Time
	}{
		{"staged, then renamed into place", events{ev(create, "/c/.fx-stage-1"), ev(write, "/c/.fx-stage-1"), ev(chmod, "/c/.fx-stage-1"), ev(rename, "/c/.fx-stage-1"), ev(create, "/c/a.ini")}, at(2)},
		{"a volume's swap", events{ev(create, "/c/..2026_2"), ev(create, "/c/..data_tmp"), ev(rename, "/c/..data_tmp"), ev(create, "/c/..data")}, at(2)},
		{"a swap beside the directory", events{ev(rename, "/certs/..data_tmp"), ev(create, "/certs/..data")}, at(2)},
		{"a mode", events{ev(chmod, "/c/htpasswd")}, at(2)},
		{"echo >", events{ev(write, "/c/a.ini"), ev(write, "/c/a.ini")}, at(100)},
		{"a new file", events{ev(create, "/c/a.ini")}, at(100)},
		{"vim: away, anew", events{ev(rename, "/c/a.ini"), ev(create, "/c/a.ini~"), ev(create, "/c/a.ini"), ev(write, "/c/a.ini")}, at(100)},
		{"vim: only away yet", events{ev(rename, "/c/a.ini"), ev(create, "/c/a.ini~")}, at(100)},
		{"sed -i", events{ev(create, "/c/sedAbc"), ev(write, "/c/sedAbc"), ev(rename, "/c/sedAbc"), ev(create, "/c/a.ini")}, at(100)},
		{"a file taken away", events{ev(remove, "/c/a.ini")}, at(100)},
		{"the directory taken away", events{ev(remove, "/c")}, at(100)},
		{"an editor's swap file", events{ev(create, "/c/.a.ini.swp"), ev(write, "/c/.a.ini.swp"), ev(remove, "/c/.a.ini.swp")}, time.Time{}},
		{"a file outside", events{ev(write, "/etc/default/fastx4")}, at(100)},
		{"a neighbour of a file outside", events{ev(write, "/etc/default/other")}, time.Time{}},
		{"a directory with a longer name", events{ev(write, "/config/a.ini")}, time.Time{}},
	} {
		h := hints{scope: scope{root: "/c", names: map[string]bool{"fastx4": true}}}
		var s settle
		for _, e := range c.events {
			h.take(e, at(0), &s)
		}
		if !s.due.Equal(c.due) {
			t.Errorf("%s: due %v, want %v", c.name, s.due.Sub(at(0)), c.due.Sub(at(0)))
		}
	}
}

func TestBeforeTheFirstLookEveryEventCounts(t *testing.T) {
	t.Parallel()
	var h hints
	var s settle
	h.take(fsnotify.Event{Name: "/anywhere/a.ini", Op: fsnotify.Write}, at(0), &s)
	if s.due.IsZero() {
		t.Error("the event is lost")
	}
}
