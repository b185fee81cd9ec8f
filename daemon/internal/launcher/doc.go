// Package launcher starts sessions, adopts them again after a restart, and brings displays to webservers.
//
// A session belongs to its supervisor, not to the launcher: it goes on when the
// launcher is stopped or killed. The launcher keeps the records (package session says
// what lies where), hears the supervisors on launcher.sock, and tells the others.
//
// # Limits
//
// A session's limits are in its record, so that they hold whatever becomes of the profile and the
// daemon. The supervisor and the kernel hold it to most; the launcher to those on time, which it
// announces first: presence says how they count.
//
// # Locks
//
// There are two, always taken in this order:
//
//  1. entry.files, one per session: whoever touches the session's files, its lock or
//     its supervisor's process holds it. It is held during I/O.
//  2. Launcher.mu: the table of sessions. It is held for moments and never during I/O.
//
// What a session is (entry.rec, entry.life) changes only while both are held; holding
// either is enough to read it.
package launcher
