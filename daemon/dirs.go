package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/machine"
	"github.com/fastx-kit/fastx-kit/daemon/internal/reload"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// Where the parts of an installation lie that no file of the configuration names.
const (
	defaultsFile = spec.DefaultsFile
	defaultNode  = spec.NodeFile
	defaultRun   = "/run/fastx"
	defaultNoVNC = "/usr/share/novnc"
	libexecDir   = "/usr/libexec/fastxd"
	supervisor   = "fastxd-session"
)

// place is where a node lives: its directories and the files that are read before any other.
type place struct {
	spec.Dirs
	nodeFile string
	noVNC    string
}

// placeOf finds the place by the precedence of all settings: process environment,
// node file, the package's defaults. What it says cannot change while the process runs.
func placeOf(environ map[string]string) (place, error) {
	nodeFile, err := filepath.Abs(or(environ["FX_NODE_FILE"], defaultNode))
	if err != nil {
		return place{}, err
	}
	layers := []map[string]string{environ}
	for _, path := range []string{nodeFile, defaultsFile} {
		layer, err := readEnv(path)
		if err != nil {
			return place{}, err
		}
		layers = append(layers, layer)
	}
	p, err := placeIn(layers)
	p.nodeFile = nodeFile
	return p, err
}

// placeIn finds the place in layers of variables, the strongest first.
func placeIn(layers []map[string]string) (place, error) {
	p := place{Dirs: spec.DirsFrom(layers...)}
	for _, layer := range layers {
		p.noVNC = or(p.noVNC, layer["FX_NOVNC_DIR"])
	}
	p.noVNC = or(p.noVNC, defaultNoVNC)
	if p.Run == "" {
		p.Run = runDir(p.Temp, os.Getuid())
	}
	for _, dir := range []*string{&p.Config, &p.Var, &p.Local, &p.Temp, &p.Run} {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return p, err
		}
		*dir = abs
	}
	return p, nil
}

// check refuses directories that a node cannot have on this machine.
func (p place) check() (*spec.Machine, error) {
	m, err := machine.Look(machine.MountInfo, p.Var, p.Local, p.Temp, p.Run)
	if err != nil {
		return nil, err
	}
	return m, spec.CheckDirs(p.Dirs, m).Err()
}

// waits names what the files of a generation say of the place that only a restart brings into force.
func (p place) waits(environ map[string]string, set fileset.Set) []reload.Waiting {
	layers := []map[string]string{environ}
	for _, name := range []string{p.nodeFile, defaultsFile} {
		f, _ := set.Lookup(name)
		layer, _ := spec.ParseEnv(name, f.Data)
		layers = append(layers, layer)
	}
	now, err := placeIn(layers)
	if err != nil {
		return []reload.Waiting{{Diagnostic: diag.Diagnostic{Severity: diag.Warning, Code: "restart-needed", Summary: err.Error(), Remedy: "run fastxd from a directory that exists"}}}
	}
	var out []reload.Waiting
	for _, c := range []struct{ key, runs, wanted string }{
		{"FX_CONFIG_DIR", p.Config, now.Config}, {"FX_VAR_DIR", p.Var, now.Var}, {"FX_LOCAL_DIR", p.Local, now.Local},
		{"FX_TEMP_DIR", p.Temp, now.Temp}, {"FX_RUN_DIR", p.Run, now.Run},
		{"FX_NOVNC_DIR", p.noVNC, now.noVNC},
	} {
		if c.runs != c.wanted {
			out = append(out, reload.Waiting{Runs: c.runs, Wanted: c.wanted,
				Diagnostic: diag.Diagnostic{File: p.nodeFile, Key: c.key, Severity: diag.Warning, Code: "restart-needed",
					Summary: fmt.Sprintf("is %q now and this fastxd runs with %q", c.wanted, c.runs), Remedy: "restart fastxd; sessions live on"}})
		}
	}
	return out
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// readEnv reads a dotenv file; one that is not there says nothing. What is wrong
// in it is reported later, with everything else.
func readEnv(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	values, _ := spec.ParseEnv(path, data)
	return values, nil
}

// runDir is where sockets go when nobody says: the system's place for root, else one per user.
func runDir(temp string, uid int) string {
	if info, err := os.Stat(defaultRun); uid == 0 || err == nil && info.IsDir() && syscall.Access(defaultRun, 2) == nil {
		return defaultRun
	}
	return filepath.Join(temp, "fx-"+strconv.Itoa(uid))
}

// make creates the node's own directories, readable to nobody else, and checks those
// that it must not create: a missing share is to be mounted, not filled. A node that was here
// before does without one for a while.
func (p place) make() error {
	for _, dir := range []string{p.Local, p.Run} {
		if err := private(dir); err != nil {
			return err
		}
	}
	info, err := os.Stat(p.Config)
	if err == nil && !info.IsDir() {
		err = errors.New("it is not a directory")
	}
	if err != nil && !generation.Stored(p.Local) { // else the node starts on that, and says so
		return fmt.Errorf("FX_CONFIG_DIR %s: %w; write one with fastxctl init %s, or mount the share", p.Config, err, p.Config)
	}
	if err := os.MkdirAll(p.Var, 0o750); err != nil {
		return fmt.Errorf("FX_VAR_DIR: %w", err)
	}
	return nil
}

// private makes a directory 0700 and refuses one that belongs to somebody else: in
// /tmp anybody may have made it first.
func private(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	owner := int(info.Sys().(*syscall.Stat_t).Uid)
	if !info.IsDir() || owner != os.Getuid() {
		return fmt.Errorf("%s belongs to uid %d and not to us (uid %d); remove it, or name another directory", dir, owner, os.Getuid())
	}
	if info.Mode().Perm()&0o077 != 0 {
		return os.Chmod(dir, 0o700)
	}
	return nil
}

// claimPatience is how long a claim waits for the one before it to be over: a child of a daemon
// that was killed holds a copy of its lock until it has become another program.
const claimPatience = 3 * time.Second

// claim takes FX_LOCAL_DIR for this process until it ends, however it ends.
func (p place) claim() (*os.File, error) {
	path := filepath.Join(p.Local, "fastxd.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(claimPatience); ; <-time.After(20 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if time.Now().After(end) {
			f.Close()
			return nil, fmt.Errorf("another fastxd runs with FX_LOCAL_DIR %s; stop it, or give this one a directory of its own", p.Local)
		}
	}
}

// findSupervisor looks for fastxd-session beside our own executable, then where packages put it.
func findSupervisor() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	candidates := []string{filepath.Join(filepath.Dir(self), supervisor), filepath.Join(libexecDir, supervisor)}
	for _, path := range candidates {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is missing: it is neither %s nor %s; install the package fastxd-core whole", supervisor, candidates[0], candidates[1])
}
