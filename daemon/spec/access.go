package spec

import (
	"fmt"
	"strconv"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// permissions reads permissions.ini.
func (l *loader) permissions() {
	p := &l.cfg.Permissions
	p.Users, p.Groups = map[string]Level{}, map[string]Level{}
	doc := l.decode(permissionsFile, permissionsFile, p)
	l.checkLevels(doc, "users", "user")
	l.checkLevels(doc, "groups", "group")
}

// checkLevels refuses a name that stands at two levels.
func (l *loader) checkLevels(doc *syntax.Doc, key, what string) {
	first := map[string]syntax.Line{}
	for _, line := range doc.Entries() {
		s, ok := Lookup(permissionsFile, line.Section, line.Key)
		if !ok || line.Key != key {
			continue
		}
		for _, name := range s.valuesOf([]syntax.Line{line}) {
			before, twice := first[name]
			if twice && before.Section != line.Section {
				l.at(doc.Name, line, diag.Error, "two-levels", line.Name(),
					fmt.Sprintf("%s %s is also in [%s], on line %d", what, show(name), before.Section, before.Num),
					"keep the "+what+" at one level")
			} else if !twice {
				first[name] = line
			}
		}
	}
}

// htpasswd reads the logins for try-outs.
func (l *loader) htpasswd() {
	l.cfg.Htpasswd = map[string]string{}
	doc, _ := l.read(htpasswdFile, syntax.ParseHtpasswd)
	first := map[string]int{}
	for _, line := range doc.Entries() {
		before, twice := first[line.Key]
		f := checkHash(line.Value)
		switch err := CheckUserName(line.Key); {
		case err != nil:
			summary, remedy := Fault(err)
			l.at(doc.Name, line, diag.Error, "bad-user", "", summary, remedy)
		case twice:
			l.at(doc.Name, line, diag.Error, "user-twice", line.Key, fmt.Sprintf("the user stands here and on line %d", before), "keep one of the two")
		case f != nil:
			line.Col = line.ValueCol
			l.at(doc.Name, line, diag.Error, "bad-hash", line.Key, f.summary, f.remedy)
		default:
			l.cfg.Htpasswd[line.Key] = line.Value
		}
		if !twice {
			first[line.Key] = line.Num
		}
	}
}

// CheckHash says what is wrong with a password's hash in htpasswd, or nil.
func CheckHash(hash string) error {
	if f := checkHash(hash); f != nil {
		return f
	}
	return nil
}

// maxCost bounds bcrypt's cost: each step doubles the time, and 15 takes about two seconds.
const maxCost = 15

// checkHash accepts bcrypt alone: everything else in this format is guessed in no time.
func checkHash(hash string) *fault {
	switch {
	case natsconf.Published(hash):
		return faultf("make a new one with htpasswd -B", "the password stands in public documentation")
	case !bcrypt.MatchString(hash):
		return faultf("make it with htpasswd -B", "the password is not hashed with bcrypt")
	}
	cost, _ := strconv.Atoi(hash[4:6])
	return faultIf(cost > maxCost, "make it with htpasswd -B -C 10", "the password's bcrypt cost of %d takes too long to check", cost)
}
