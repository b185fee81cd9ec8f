package spec

import (
	"slices"
	"strings"
	"sync"
)

// Setting is one key that an administrator can set: a row of the settings table.
//
// Reading, defaults, checks, the docs, what is written and in which order all come from the table.
type Setting struct {
	File    string // as in Kind.Pattern
	Section string // "" before the first section, "*" in any (read, never written)
	Key     string // a final * stands for any rest
	Type    Type
	Default string   // as it would be written; "" = none
	Allowed []string // the only words accepted; empty = any
	Doc     string   // one sentence
	Secret  bool     // its value is never printed
	Reload  Class    // what a change of it takes
	Acted   bool     // whether this version acts on it
	Scope   Scope    // where among the dotenv files it may stand
	Now     string   // the key that took this one's place; "" for all but old names

	into  binding
	least int // of a whole number; the default may be less, where it stands for no limit
	most  int // of a whole number; 0 = any

	executed bool // it names a program that is run
}

// Class says what a change of a setting takes.
type Class string

// The classes.
const (
	Live           Class = "live"            // taken over at once
	RestartService Class = "restart-service" // the service that uses it starts anew by itself
	RestartProcess Class = "restart-process" // fastxd has to be restarted
	Environment    Class = "environment"     // no file says it, so no change of a file changes it
)

// Scope says where an environment key may be set.
type Scope int

// The scopes.
const (
	ScopeAny      Scope = iota // anywhere
	ScopeNode                  // not in the shared fastx.env: every node has its own value
	ScopeNodeHint              // as ScopeNode, but only a warning
	ScopeBefore                // what is needed to find the files; not in the shared fastx.env
	ScopeProcess               // what is needed to find the node file; in the process environment alone
)

// binding puts a parsed value into the part of the Config that a file describes.
// rest is what a key's final * stands for.
type binding func(target any, rest string, value any)

// to binds a setting to a field. It passes over a target of another kind, because the
// dotenv files describe two: the environment and the directories.
func to[T, V any](field func(*T) *V) binding {
	return func(target any, _ string, value any) {
		if t, ok := target.(*T); ok {
			*field(t) = value.(V)
		}
	}
}

// entry binds a setting whose key ends in * to a map.
func entry[T, V any](of func(*T) map[string]V) binding {
	return func(target any, rest string, value any) { of(target.(*T))[rest] = value.(V) }
}

// table is the settings table. Its order is the order in which keys are written.
var table = complete(slices.Concat(envSettings(), transporterSettings(), appSettings(), profileSettings(),
	permissionSettings(), webSettings(), pageSettings(), authSettings(), otherSettings()))

func complete(settings []Setting) []Setting {
	for i := range settings {
		s := &settings[i]
		s.Acted = s.into != nil || s.Scope == ScopeBefore || s.Scope == ScopeProcess
		if s.Reload == "" {
			s.Reload = Live
		}
	}
	return settings
}

// Settings returns the settings table.
func Settings() []Setting { return slices.Clone(table) }

// SettingsOf returns the part of the table that a file's kind has.
func SettingsOf(pattern string) []Setting { return slices.Clone(byFile()[pattern]) }

// byFile is the table by the kinds of files.
var byFile = sync.OnceValue(func() map[string][]Setting {
	out := map[string][]Setting{}
	for _, s := range table {
		out[s.File] = append(out[s.File], s)
	}
	return out
})

// Lookup finds the row of a key in a file of a kind.
func Lookup(pattern, section, key string) (Setting, bool) {
	settings := byFile()[pattern]
	for _, in := range []string{section, "*"} {
		for i := range settings {
			if s := &settings[i]; s.Section == in {
				if _, ok := s.rest(key); ok {
					return *s, true
				}
			}
		}
	}
	return Setting{}, false
}

// rest matches a key and returns what the final * stands for.
func (s Setting) rest(key string) (string, bool) {
	prefix, open := strings.CutSuffix(s.Key, "*")
	if !open {
		return "", s.Key == key
	}
	rest, ok := strings.CutPrefix(key, prefix)
	return rest, ok && rest != ""
}

// Bounds are the least and the most that a whole number may be; most 0 is any. The default may be less than
// the least, where it stands for no limit.
func (s Setting) Bounds() (least, most int) { return s.least, s.most }

// Name is the key with its section, as diagnostics name it.
func (s Setting) Name() string {
	if s.Section == "" {
		return s.Key
	}
	return s.Section + "." + s.Key
}

// IsList reports whether the setting holds several values, separated by commas.
func (s Setting) IsList() bool {
	return slices.Contains([]Type{TypeList, TypeURLs, TypeNetworks, TypeServices}, s.Type)
}
