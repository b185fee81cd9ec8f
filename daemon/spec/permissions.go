package spec

import (
	"fmt"
	"strings"
)

// Level is a user's permission level, from nothing to everything.
type Level int

// The levels of the guide, lowest first.
const (
	Disabled   Level = iota // may not log in
	Limited                 // may start applications from apps/
	Full                    // may start any command
	Operator                // "manager": also sees and ends everyone's sessions
	Admin                   // also nodes, configuration, drain
	Superadmin              // everything
)

// levelNames are the section names of permissions.ini, by level.
var levelNames = [...]string{"disabled", "limited", "full", "manager", "admin", "superadmin"}

// Levels lists all levels, lowest first.
func Levels() []Level { return []Level{Disabled, Limited, Full, Operator, Admin, Superadmin} }

// String is the level's section name in permissions.ini.
func (l Level) String() string {
	if l < 0 || int(l) >= len(levelNames) {
		return fmt.Sprintf("Level(%d)", int(l))
	}
	return levelNames[l]
}

// ParseLevel is the reverse of String.
func ParseLevel(name string) (Level, error) {
	for l, n := range levelNames {
		if n == name {
			return Level(l), nil
		}
	}
	return Disabled, fmt.Errorf("%q is not a permission level; the levels are %s", name, strings.Join(levelNames[:], ", "))
}

// MarshalText prints the level's name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText is the reverse of MarshalText.
func (l *Level) UnmarshalText(text []byte) (err error) {
	*l, err = ParseLevel(string(text))
	return err
}

// Permissions is permissions.ini.
type Permissions struct {
	Default Level // of users no section names
	Users   map[string]Level
	Groups  map[string]Level
}

// LevelOf returns the level of a user who is in the given groups. A user or group that is
// disabled is so whatever else is said; else the user's own entry counts, then
// the highest of the groups' entries, then the default.
func (p Permissions) LevelOf(user string, groups []string) Level {
	best, listed := Disabled, false
	for _, g := range groups {
		l, ok := p.Groups[g]
		if ok && l == Disabled {
			return Disabled
		}
		best, listed = max(best, l), listed || ok
	}
	if own, ok := p.Users[user]; ok {
		return own
	}
	if listed {
		return best
	}
	return p.Default
}
