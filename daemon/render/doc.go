// Package render turns settings into the exact bytes of every file, and files back into settings.
//
// GRAMMAR.md states the form. The vectors in testdata/vectors hold every
// other renderer of it (in Python and in Ruby) to the same bytes.
package render
