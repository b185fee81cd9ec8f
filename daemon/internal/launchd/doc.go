// Package launchd is what fastxd-launchd does, and how the launcher asks it.
//
// fastxd-launchd is the one part of a node that runs as root. It starts sessions as the
// users whose they are, and trusts nobody to say who that is but the user component, whose
// signature every order to start carries. Whoever takes over fastxd, its account or a gateway can hold back what was
// signed, and become nobody by it:
//
//   - It listens to the daemon's account and to root; the kernel says who calls (SO_PEERCRED).
//   - It verifies the ticket itself, with the keys of /etc/fastx-launchd/keys.d alone, each of which, like all
//     directories above it, belongs to root and can be written by nobody else. They are read for each ticket, so that
//     a key that was removed is trusted no more.
//   - A ticket starts one session, once, on the one node it names: the ids of used ones are kept on disk until they have
//     expired. The node's name is the one that its node file gives, else the host's.
//   - What the session is, its command included, is read out of the ticket. The program that is started and
//     the directories it works in are fixed. The launcher adds where to report, the lock and the log.
//   - No ticket makes a session of root, of an account of the system, or of one that may not log in (Host.Judge).
//
// # Logins
//
// It also has PAM judge who wants to log in with an account of the machine, for the user component. PAM runs in processes
// of its own (package pam), so that its modules need nothing of this helper and can do nothing to it: fastxd-launchd only
// carries questions and answers, bounds how many logins there are and how fast they come, and judges the account that PAM
// has let in as it does before a start. A login starts nothing, and is worth nothing here: what it is good for,
// the user component says with its signature. Why somebody is not let in stands in this helper's audit log and is told to
// nobody, fastxd included.
//
// # Who can reach what
//
// The supervisor and all it starts run as the user; the launcher as fastx. What either needs of the other it is
// handed as an open descriptor, so that no directory has to be open to both:
//
//	record   the launcher's, in FX_LOCAL_DIR (0700). The supervisor reads another, of the same order, which launchd
//	         writes into sealed memory: a launcher that was taken over cannot put a command into a user's session
//	lock     the launcher's; the supervisor inherits it, and systemd keeps it until the last process is gone
//	log      the launcher's; the supervisor inherits it open for writing
//	display  the user's, in /run/fastx-sessions/<id> (0700), which systemd makes before the start and removes after
//	         the end, be it by SIGKILL. The launcher never opens it: it asks the supervisor for a connection
//	control  launcher.sock of the launcher, which all may connect to (FX_RUN_DIR is 0711 then); the launcher
//	         hears a process only when its user has a session here and it is that session's supervisor
//
// Processes are in fastx-<uid>.slice, each session in a service of its own.
//
// # Protocol
//
// One request a connection, over /run/fastxd-launchd.sock, in lines of JSON as a session.Link carries them: at most
// 64 KiB each, with at most one descriptor, in time or the connection is closed. To start a session the launcher sends
// three: the lock, the log, and the order. One is answered by one Reply; a login goes on with answers and replies in turn
// until a Reply ends it. Each side refuses a Version it does not know.
package launchd

import "github.com/fastx-kit/fastx-kit/daemon/internal/ticket"

// Socket is where fastxd-launchd listens.
const Socket = "/run/fastxd-launchd.sock"

// Version is that of the protocol.
const Version = 1

// Where fastxd-launchd keeps what it needs.
const (
	KeysDir  = ticket.MachineKeysDir     // the trusted keys, <id>.pem
	StateDir = "/var/lib/fastxd-launchd" // used tickets and the audit log
)
