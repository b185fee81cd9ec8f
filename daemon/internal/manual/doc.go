// Package manual makes of the settings table what is read elsewhere: the reference manual CONFIGURATION.md for
// people, and a JSON Schema for programs.
//
// Nothing of what a key means is written here. Only what the table cannot hold is: the chapters around it, and an
// example of each file, in examples/, which tests load as a whole.
package manual
