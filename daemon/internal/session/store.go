package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// maxRecord is more than any record takes; a bigger file is not one of ours.
const maxRecord = 1 << 20

// What can be wrong with a record; test with errors.Is.
var (
	ErrTorn      = errors.New("the session record is empty, cut short or not JSON")
	ErrFormat    = errors.New("the session record has another format")
	ErrBadRecord = errors.New("the session record names no usable session id")
)

// WriteRecord replaces the file at path by r, readable by its owner alone. The file
// holds either the old record or the new one, whatever happens, and the new one is on the
// disk when WriteRecord returns nil.
func WriteRecord(path string, r *Record) (err error) {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write session record: %w", err)
	}
	staged, err := stage(path, append(data, '\n'))
	if err != nil {
		return fmt.Errorf("write session record: %w", err)
	}
	if err := os.Rename(staged, path); err != nil {
		os.Remove(staged)
		return fmt.Errorf("write session record: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// stage writes data to a new file beside path and syncs it. Its name starts with a
// dot and does not end in .json, so it is never taken for a record.
func stage(path string, data []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		os.Remove(f.Name())
	}
	return f.Name(), err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

// ReadRecord reads the record at path. The error is one that errors.Is finds to be
// ErrTorn, ErrFormat, ErrBadRecord or one of package fs.
func ReadRecord(path string) (*Record, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read session record", Path: path, Err: errors.Join(fs.ErrInvalid, err)}
	}
	r, err := DecodeRecord(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// DecodeRecord reads a record to the end of in. Unknown fields are ignored: a newer
// version may have added them without a new format.
func DecodeRecord(in io.Reader) (*Record, error) {
	data, err := io.ReadAll(io.LimitReader(in, maxRecord))
	if err != nil {
		return nil, err
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTorn, err)
	}
	if r.Format != Format {
		return nil, fmt.Errorf("%w: %d, and this version knows %d", ErrFormat, r.Format, Format)
	}
	if !ValidID(r.ID) {
		return nil, fmt.Errorf("%w: %q", ErrBadRecord, r.ID)
	}
	return &r, nil
}
