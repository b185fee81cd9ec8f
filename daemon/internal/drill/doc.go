// Package drill breaks configuration files in every way that writers, disks and slips of rm do, and holds the
// config engine to its promises meanwhile:
//
//   - It never panics.
//   - No generation is accepted that lacks a required section or weakens authentication (Floor).
//   - Once the files are good again it runs them within the time that they take to settle.
//   - The last good generation serves throughout.
//
// Run drills the whole engine, watcher to services, on a disk of the memory in virtual time, so that hours of it
// pass in minutes. The same damage can be done to a real directory, below a running fastxd. Only tests use the package.
package drill
