package spec

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// accounts reads accounts.ini.
func (l *loader) accounts() {
	l.cfg.Accounts = Accounts{}
	doc := l.decode(accountsFile, accountsFile, &l.cfg.Accounts)
	first := map[string]syntax.Line{}
	for _, group := range groups(doc) {
		line := group[0]
		if line.Section != "" {
			continue // said already
		}
		if !l.checkMapped(line) {
			delete(l.cfg.Accounts, line.Key)
			continue
		}
		if before, shared := first[line.Value]; shared {
			l.at(accountsFile, line, diag.Warning, "account-shared", line.Key,
				fmt.Sprintf("%s is also the account of %s, on line %d", show(line.Value), show(before.Key), before.Num),
				"they reach each other's files and sessions; give each an account of its own unless that is meant")
			continue
		}
		first[line.Value] = line
	}
}

// checkMapped reports whether a login stands for an account, and refuses what cannot be either.
func (l *loader) checkMapped(line syntax.Line) bool {
	if line.Value == "" {
		return false // none, as if it were not there
	}
	if err := CheckUserName(line.Key); err != nil {
		summary, remedy := Fault(err)
		l.at(accountsFile, line, diag.Error, "bad-user", "", summary, remedy)
		return false
	}
	f := checkAccount(line.Value)
	if f != nil {
		l.badValue(accountsFile, line, f)
	}
	return f == nil
}

// checkAccount says what is wrong with the name of a Unix account.
func checkAccount(name string) *fault {
	_, err := strconv.ParseUint(name, 0, 64)
	switch {
	case name == "root":
		return faultf("name the account of a person", "is root, as whom no session runs")
	case err == nil:
		return faultf("write the account's name", "%s is a number, which is no name of an account", show(name))
	case len(name) > 256 || strings.ContainsAny(name[:1], "-+") || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || strings.ContainsRune(":/,\x7f", r) }):
		return faultf("write the account's name as getent passwd prints it", "%s is no name of an account", show(name))
	}
	return nil
}

var pamService = regexp.MustCompile(`^fastx(-[a-z0-9_-]{1,40})?$`)

// pam reads auth-pam.ini.
func (l *loader) pam() {
	doc := l.decode(pamFile, pamFile, &l.cfg.PAM)
	l.cfg.PAM.Service = cmp.Or(l.cfg.PAM.Service, "fastx")
	if s := l.cfg.PAM.Service; !pamService.MatchString(s) || s == "fastx-session" {
		l.badValue(pamFile, find(doc, "", "service"),
			faultf("write a service of your own below /etc/pam.d, and call it fastx or fastx-NAME", "%s is no service that may judge logins", show(s)))
		l.cfg.PAM.Enabled = false
	}
}
