// Package session holds a session's record, its log ring, its lock, and the protocol
// between a session's supervisor (fastxd-session) and the launcher.
//
// It imports nothing but the standard library, because the supervisor links it and
// has to stay small. It does not start anything: the launcher starts supervisors, the
// package session/supervise is what one does.
//
// # Files
//
//	FX_LOCAL_DIR/sessions/<id>.json  the record; written by the launcher alone, by rename
//	FX_LOCAL_DIR/sessions/<id>.lock  flock(2)ed for as long as the supervisor lives
//	FX_LOCAL_DIR/sessions/<id>.log   the last output, never more than LogLimit bytes
//	FX_RUN_DIR/launcher.sock         where supervisors report
//	FX_RUN_DIR/s/<id>/               the supervisor's own: rfb (socket), xauth, xdg/; mode 0700
//	/run/fastx-sessions/<id>/s/      the same for a session that runs as its user
//
// # Life
//
// The launcher creates the lock file and takes the lock, writes the record, and only
// then starts the supervisor, which inherits the locked descriptor: a lock belongs to the
// open file description, so there is no moment in which a live session's lock is
// free, whoever is killed. A record whose lock can be taken is dead for good.
//
// The supervisor is started with these descriptors and nothing secret in its arguments:
//
//	0  the record, open for reading
//	1  the lock
//	2  the log, open for reading and writing (OpenLog)
//
// There are no more than three because a systemd service can be passed no others (a program
// that starts one over D-Bus sets its standard input, output and error, and that is all).
// The supervisor's children get none of them.
//
// There are two ways to start it, which the package spawn says more of. As a child it lives in
// its launcher's control group. As a systemd service (Unit) it has one of its own, which holds the session to
// its Limits; systemd keeps the descriptors until the unit is gone, so the lock is free only then.
//
// # End
//
// When a session is over its supervisor first clears up: no process and no file of the
// session is left but the record, the lock and the log. Then it writes its last words,
// EndPrefix and the reason, as the log's last line, and reports "ended" with the same reason
// until a launcher says goodbye, holding the lock all the while. So a launcher that was
// down at the end finds either a held lock, and hears the end in the supervisor's hello,
// or a free one, because nobody came for EndWait or the supervisor was killed. Then
// EndNote tells the reason where there is one; without it the supervisor died unheard,
// and what is left of the session died or dies with it: its X server is killed by the kernel. Of a
// service systemd kills the rest, too, and then runs supervise.Autopsy, which leaves such a note where the
// control group tells that memory was short.
package session

import "time"

// LogLimit is the most a session's log takes on disk, in bytes.
const LogLimit = 1 << 20

// Format is the number of the record's format; a newer one is refused, not guessed at.
const Format = 1

// EndWait is how long a supervisor that has ended its session waits for a goodbye.
const EndWait = 10 * time.Minute

// Record is FX_LOCAL_DIR/sessions/<id>.json: what was ordered and what became of it.
type Record struct {
	Format int `json:"format"`
	// What was ordered. Never changes.
	ID          string            `json:"id"`
	Node        string            `json:"node"`
	User        string            `json:"user"` // login name
	Name        string            `json:"name"`
	App         string            `json:"app"`
	Command     string            `json:"command"`  // handed to the account's shell with -c
	Geometry    string            `json:"geometry"` // "WxH" or "rootless"
	MaxGeometry string            `json:"max_geometry,omitempty"`
	Limits      Limits            `json:"limits,omitzero"`
	Params      map[string]string `json:"params"`
	StartDBus   bool              `json:"start_dbus"`
	Clean       bool              `json:"clean,omitempty"` // run the command without the account's own start-up files
	// WindowManager asks for a minimal window manager beside the command; see NeedsWindowManager.
	WindowManager bool      `json:"window_manager"`
	Created       time.Time `json:"created"`
	// How to run it. Never changes.
	Account Account `json:"account"`
	Dir     string  `json:"dir"`      // FX_RUN_DIR/s/<id>
	Socket  string  `json:"socket"`   // FX_RUN_DIR/launcher.sock
	TempDir string  `json:"temp_dir"` // FX_TEMP_DIR
	BootID  string  `json:"boot_id"`  // of the machine when it was ordered
	// What became of it.
	State      string    `json:"state"` // as transporter.State
	Reason     string    `json:"reason"`
	Started    time.Time `json:"started,omitzero"`
	Ended      time.Time `json:"ended,omitzero"`
	Supervisor Process   `json:"supervisor,omitzero"`
	Display    string    `json:"display,omitempty"` // ":7"
	Processes  []Process `json:"processes,omitempty"`
	// Alone is since when nobody is connected; zero while somebody is.
	Alone time.Time `json:"alone,omitzero"`
}

// Account is the Unix account a session runs as.
type Account struct {
	Name  string `json:"name"`
	UID   int    `json:"uid"`
	GID   int    `json:"gid"`
	Home  string `json:"home"`
	Shell string `json:"shell"`
}

// Process names a process so that a reused number is never mistaken for it.
type Process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`          // field 22 of /proc/PID/stat, in clock ticks since boot
	Name  string `json:"name,omitempty"` // what it is: "Xvnc", "command"
}
