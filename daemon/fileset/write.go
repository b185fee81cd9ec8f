package fileset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Result says what a write did, or would do.
type Result string

// What a write can come to.
const (
	Unchanged  Result = "unchanged"   // the file already had these bytes and this mode
	Written    Result = "written"     // the file was replaced
	WouldWrite Result = "would write" // CompareFile only: WriteFile would replace it
)

// ErrIrregular is why WriteFile does not replace what stands at a path.
var ErrIrregular = errors.New("this is not a regular file")

// stagePrefix begins the name of a file that is still being written. Readers skip every name that begins with a dot.
const stagePrefix = ".fx-stage-"

// CompareFile says what WriteFile would do and writes nothing. It fails where
// WriteFile would refuse because of what stands at path.
func CompareFile(path string, data []byte, mode fs.FileMode) (Result, error) {
	result, _, err := compare(path, data, mode)
	return result, err
}

// compare also returns what stands at path now, nil when nothing does.
func compare(path string, data []byte, mode fs.FileMode) (Result, fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return WouldWrite, nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	if !info.Mode().IsRegular() {
		return "", nil, &fs.PathError{Op: "replace", Path: path, Err: ErrIrregular}
	}
	if info.Mode().Perm() != mode.Perm() || info.Size() != int64(len(data)) {
		return WouldWrite, info, nil
	}
	same, err := holds(path, data)
	if err != nil {
		return "", nil, err
	}
	if same {
		return Unchanged, info, nil
	}
	return WouldWrite, info, nil
}

func holds(path string, data []byte) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	old, err := io.ReadAll(io.LimitReader(f, int64(len(data))+1))
	return bytes.Equal(old, data), err
}

// WriteFile puts data at path so that a reader, a crash or a full disk finds the
// old file or the new one, whole, and never one with a wider mode than asked for:
//
//  1. compare; the same bytes and mode are left alone
//  2. stage the data beside the file, readable by nobody else
//  3. set owner (the replaced file's) and mode
//  4. flush the data to disk
//  5. rename it into place
//  6. flush the directory
//
// A path that is there and is not a regular file is refused. Whatever fails
// before the rename removes the stage again.
func WriteFile(path string, data []byte, mode fs.FileMode) (_ Result, err error) {
	result, old, err := compare(path, data, mode) // (1)
	if err != nil || result == Unchanged {
		return result, err
	}
	dir := filepath.Dir(path)
	stage, err := os.CreateTemp(dir, stagePrefix+"*") // (2)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", path, err)
			stage.Close()
			os.Remove(stage.Name())
		}
	}()
	if err := fill(stage, data, mode, old); err != nil { // (3) (4)
		return "", err
	}
	if err := os.Rename(stage.Name(), path); err != nil { // (5)
		return "", err
	}
	return Written, syncDir(dir) // (6)
}

// fill writes the stage and closes it.
func fill(stage *os.File, data []byte, mode fs.FileMode, old fs.FileInfo) error {
	if _, err := stage.Write(data); err != nil {
		return err
	}
	if old != nil {
		if err := keepOwner(stage, old); err != nil {
			return err
		}
	}
	if err := stage.Chmod(mode.Perm()); err != nil {
		return err
	}
	if err := stage.Sync(); err != nil {
		return err
	}
	return stage.Close()
}

// Write writes every file of the set below dir with WriteFile and makes the
// directories it needs (mode 0755, or 0700 below a dir that is 0700). Each file
// is replaced whole; the files are written in order of their names, and the
// first that fails ends the write. Files that are not in the set stay. A set
// with a file that could not be read, or that lies outside the root, is refused
// before anything is written.
func (s Set) Write(dir string) error {
	for _, f := range s.files {
		if f.Err != nil {
			return fmt.Errorf("write %s: it was never read: %w", f.Name, f.Err)
		}
		if !filepath.IsLocal(filepath.FromSlash(f.Name)) {
			return fmt.Errorf("write %s: the name leads out of the directory", f.Name)
		}
	}
	perm := dirMode(dir)
	for _, f := range s.files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), perm); err != nil {
			return err
		}
		if _, err := WriteFile(path, f.Data, f.Mode); err != nil {
			return err
		}
	}
	return nil
}

func dirMode(dir string) fs.FileMode {
	if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o077 == 0 {
		return 0o700
	}
	return 0o755
}
