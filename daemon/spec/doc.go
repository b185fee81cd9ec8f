// Package spec says what the files mean: one settings table, a typed Config, and Load, which
// turns files into a Config and into everything that is wrong with them.
//
// It is pure: it reads no file, no environment and no clock. What it is given is an Input, what it says are
// diagnostics. The package syntax below it knows the form of the files and
// nothing of their meaning.
package spec
