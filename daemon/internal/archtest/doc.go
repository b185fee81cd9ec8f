// Package archtest holds the tests of the architecture: package comments, allowed
// imports, what the programs link, no environment below cmd, and the repository's outside.
//
// Each rule is a function from parsed packages to a list of problems, so that it can be
// run over the tree and over a small package that violates it: a rule that cannot
// fail is worth nothing. Test files are free of these rules.
package archtest
