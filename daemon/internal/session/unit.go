package session

import "strconv"

// Slice is where the units of sessions are, apart from the daemon's own.
const Slice = "fastx.slice"

// Unit is the name of the systemd service that session id runs in, where systemd starts it.
func Unit(id string) string { return "fastx-session-" + id + ".service" }

// UserSlice is below Slice, where the units of one user's sessions are that run as that user.
func UserSlice(uid int) string { return "fastx-" + strconv.Itoa(uid) + ".slice" }

// UserRuntimeDirectory is what systemd makes below /run for a session that runs as its user, as
// RuntimeDirectory= has it.
func UserRuntimeDirectory(id string) string { return "fastx-sessions/" + id }

// UserDir is Record.Dir of such a session. It lies in the directory that systemd makes, whose parent is
// root's, so that the supervisor can remove it.
func UserDir(id string) string { return "/run/" + UserRuntimeDirectory(id) + "/s" }
