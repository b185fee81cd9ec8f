package history

import (
	"crypto/rand"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

// size is what a directory takes, in bytes of its files.
func size(t *testing.T, dir string) (total int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

// TestTheRepositoryDoesNotGrowForEver records many times more generations than are kept, each with a file that
// cannot be compressed, and holds it to the size of twice as many as are kept.
func TestTheRepositoryDoesNotGrowForEver(t *testing.T) {
	t.Parallel()
	const keep, generations, body = 5, 60, 4 << 10
	h, err := Open(Options{Dir: filepath.Join(t.TempDir(), "history"), Redact: redact, Keep: keep, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var largest int64
	for n := 1; n <= generations; n++ {
		var text strings.Builder
		for text.Len() < body {
			text.WriteString(rand.Text())
		}
		record(t, h, gen(n, "test", "motd.html", text.String()))
		largest = max(largest, size(t, h.o.Dir))
		if list, err := h.List(0); err != nil || len(list) >= 2*keep || len(list) < min(n, keep) || list[0].Generation != n {
			t.Fatalf("after %d generations %d are held, %v", n, len(list), err)
		}
	}
	// A generation is its file, its two trees and its commit; git's own files are another 4 KiB.
	if limit := int64(2*keep*(body+1<<10) + 4<<10); largest > limit {
		t.Errorf("it grew to %d bytes, more than %d", largest, limit)
	}
	for _, beside := range []string{h.stage(), h.o.Dir + ".old"} {
		if left, _ := filepath.Glob(beside); left != nil {
			t.Errorf("%s is left behind", beside)
		}
	}
}
