package session

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"
)

// EndPrefix starts a log's last line when the session's end was orderly; the reason follows.
const EndPrefix = "-- ended: "

// maxLine is where Tail cuts a line, in bytes.
const maxLine = 1000

// Tail returns the last lines of the log at path, oldest first, fit to be shown
// anywhere: valid UTF-8, no control or invisible characters but tabs, long lines cut.
func Tail(path string, lines int) ([]string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return TailOf(f, lines)
}

// TailOf is Tail for an open log, whose offset it leaves alone.
func TailOf(f *os.File, lines int) ([]string, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-LogLimit)
	data, err := io.ReadAll(io.NewSectionReader(f, from, LogLimit))
	if err != nil {
		return nil, fmt.Errorf("read session log: %w", err)
	}
	return tail(data, lines), nil
}

// EndNote returns the reason that a supervisor left as its last words in the log at
// path, and when; ok is false when there is none. It counts only once the session's lock is
// free: before, the last line may be the session's own output.
func EndNote(path string) (reason string, at time.Time, ok bool) {
	last, err := Tail(path, 1)
	if err != nil || len(last) == 0 {
		return "", time.Time{}, false
	}
	reason, ok = strings.CutPrefix(last[0], EndPrefix)
	if info, err := os.Lstat(path); err == nil {
		at = info.ModTime()
	}
	return reason, at, ok && reason != ""
}

// tail splits off the last lines and cleans each.
func tail(data []byte, lines int) []string {
	data = bytes.TrimSuffix(data, []byte("\n"))
	if len(data) == 0 || lines <= 0 {
		return nil
	}
	var out []string
	for {
		i := bytes.LastIndexByte(data, '\n')
		out = append(out, clean(data[i+1:]))
		if i < 0 || len(out) == lines {
			break
		}
		data = data[:i]
	}
	slices.Reverse(out)
	return out
}

// clean makes one line harmless: terminals obey escape sequences, and characters without
// width or that turn the direction of writing deceive readers.
func clean(line []byte) string {
	line = bytes.TrimSuffix(line, []byte("\r"))
	var b strings.Builder
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		if r != '\t' && !unicode.IsPrint(r) {
			r = utf8.RuneError
		}
		if b.Len()+utf8.RuneLen(r) > maxLine {
			b.WriteString(" …")
			break
		}
		b.WriteRune(r)
		line = line[n:]
	}
	return b.String()
}
