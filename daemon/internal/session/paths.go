package session

import (
	"fmt"
	"path/filepath"
)

// maxSocketPath is what fits into a Unix socket's address besides its final zero byte.
const maxSocketPath = 107

// RecordPath is where the record of session id lies.
func RecordPath(localDir, id string) string { return filepath.Join(localDir, "sessions", id+".json") }

// LockPath is where the lock of session id lies.
func LockPath(localDir, id string) string { return filepath.Join(localDir, "sessions", id+".lock") }

// LogPath is where the log of session id lies.
func LogPath(localDir, id string) string { return filepath.Join(localDir, "sessions", id+".log") }

// LauncherSocket is where supervisors report: Record.Socket.
func LauncherSocket(runDir string) string { return filepath.Join(runDir, "launcher.sock") }

// Dir is the supervisor's own directory for session id: Record.Dir.
func Dir(runDir, id string) string { return filepath.Join(runDir, "s", id) }

// RFBSocket is where the X server of a session with that Record.Dir listens for viewers.
func RFBSocket(dir string) string { return filepath.Join(dir, "rfb") }

// XauthFile holds the cookie of the session's display.
func XauthFile(dir string) string { return filepath.Join(dir, "xauth") }

// XDGDir is the session's XDG_RUNTIME_DIR.
func XDGDir(dir string) string { return filepath.Join(dir, "xdg") }

// CleanConfigDir is the XDG_CONFIG_HOME of a session without the account's own start-up files.
func CleanConfigDir(dir string) string { return filepath.Join(dir, "config") }

// CheckSocketPath refuses a path that does not fit into a Unix socket's address.
func CheckSocketPath(path string) error {
	if len(path) <= maxSocketPath {
		return nil
	}
	return fmt.Errorf("the socket path %s is %d bytes long, but a Unix socket takes at most %d; choose a shorter FX_RUN_DIR",
		path, len(path), maxSocketPath)
}

// ValidID reports whether id may name a session: it becomes part of file names.
func ValidID(id string) bool {
	for i := range len(id) {
		switch c := id[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-' && i > 0, c == '_':
		default:
			return false
		}
	}
	return id != "" && len(id) <= 64
}
