package session

// Slice is where the units of sessions are, apart from the daemon's own.
const Slice = "fastx.slice"

// Unit is the name of the systemd service that session id runs in, where systemd starts it.
func Unit(id string) string { return "fastx-session-" + id + ".service" }
