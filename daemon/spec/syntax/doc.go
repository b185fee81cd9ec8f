// Package syntax reads the three line formats of the configuration (ini, dotenv and htpasswd)
// into trees that keep every byte and know the place of every section, key and value.
//
// It knows nothing of what a key means. The scanner decides what is well formed, what is
// set twice and where everything stands; the values of ini files come from ini.v1, which gives
// no places, lets the last of two equal keys win and would read a malformed line in its own way.
// A fuzz test holds the two equal. GRAMMAR.md in the package render states the formats.
package syntax
