package session

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// EnvID is the variable that every process of a session has in its environment: the session's id.
const EnvID = "FX_SESSION_ID"

// KillStrays kills the processes of uid that a dead supervisor has left of a session, by the
// id in their environment, and returns how many there were. A supervisor ends its
// descendants itself; only where it was killed some of them live on, such as the message
// bus. What has taken the id out of its environment is not found.
//
// One that keeps making children may have a new one that a look has missed, so it looks until there is
// nothing to kill.
func KillStrays(id string, uid int) int {
	total := 0
	for range strayPasses {
		killed := killStrays(id, uid)
		if total += killed; killed == 0 {
			break
		}
	}
	return total
}

// strayPasses bounds the looks: what then still lives makes children faster than it can be killed.
const strayPasses = 50

func killStrays(id string, uid int) int {
	paths, _ := filepath.Glob("/proc/[0-9]*/environ")
	killed := 0
	for _, path := range paths {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && killStray(pid, path, id, uid) {
			killed++
		}
	}
	return killed
}

// killStray takes the handle first, so that the number cannot pass to another process in between.
func killStray(pid int, environ, id string, uid int) bool {
	handle, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer handle.Release()
	info, err := os.Stat(filepath.Dir(environ))
	if err != nil || int(info.Sys().(*syscall.Stat_t).Uid) != uid {
		return false
	}
	env, err := os.ReadFile(environ)
	if err != nil || !hasVariable(env, EnvID+"="+id) {
		return false
	}
	return handle.Kill() == nil
}

// hasVariable looks for an entry in the NUL-separated form of /proc/PID/environ.
func hasVariable(environ []byte, entry string) bool {
	for v := range bytes.SplitSeq(environ, []byte{0}) {
		if string(v) == entry {
			return true
		}
	}
	return false
}
