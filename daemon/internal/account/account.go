// Package account looks up what the machine knows of Unix accounts. It asks getent, because a
// static binary by itself sees only the files of /etc and neither SSSD nor LDAP.
package account

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// ErrUnknown is wrapped by the error for an account that is not there; test with errors.Is.
var ErrUnknown = errors.New("there is no such account")

// limit is how long the name service may take.
const limit = 10 * time.Second

// Lookup returns the lines of a database of the name service (passwd, shadow …) for a key. There are
// none when the key is not there.
type Lookup func(ctx context.Context, database, key string) ([]byte, error)

// Getent asks getent, and where there is none, the database's file in /etc.
func Getent(ctx context.Context, database, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	getent := exec.CommandContext(ctx, "/usr/bin/getent", "--", database, key)
	getent.Env = []string{"PATH=/usr/bin:/bin"}
	lines, err := getent.Output()
	var status *exec.ExitError
	switch {
	case errors.Is(err, os.ErrNotExist):
		lines, err = grep("/etc/"+database, key)
	case ctx.Err() != nil:
		err = fmt.Errorf("no answer within %s", limit)
	case errors.As(err, &status) && status.ExitCode() == notFound:
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up %s in %s: %w", key, database, err)
	}
	return lines, nil
}

// notFound is what getent(1) exits with for a key that is not in the database.
const notFound = 2

// grep returns the lines of a file whose first or third field is key: the name or the number.
func grep(path, key string) (found []byte, err error) {
	data, err := os.ReadFile(path)
	for line := range bytes.Lines(data) {
		if f := strings.Split(string(line), ":"); f[0] == key || len(f) > 2 && f[2] == key {
			found = append(found, line...)
		}
	}
	return found, err
}

// ByUID is the account of a number.
func (l Lookup) ByUID(ctx context.Context, uid int) (session.Account, error) {
	lines, err := l(ctx, "passwd", strconv.Itoa(uid))
	if err != nil {
		return session.Account{}, err
	}
	for a := range accounts(lines) {
		if a.UID == uid {
			return a, nil
		}
	}
	return session.Account{}, fmt.Errorf("uid %d: %w", uid, ErrUnknown)
}

// ByName is the account of a name, as the name service spells it: it may tell no difference between
// capitals and small letters, or add a domain. A number is no name.
func (l Lookup) ByName(ctx context.Context, name string) (session.Account, error) {
	if !ValidName(name) {
		return session.Account{}, fmt.Errorf("%.80q: %w: no account can have this name", name, ErrUnknown)
	}
	lines, err := l(ctx, "passwd", name)
	if err != nil {
		return session.Account{}, err
	}
	var only []session.Account
	for a := range accounts(lines) {
		if a.Name == name {
			return a, nil
		}
		only = append(only, a)
	}
	if len(only) == 1 {
		return only[0], nil
	}
	return session.Account{}, fmt.Errorf("%s: %w", name, ErrUnknown)
}

// ValidName reports whether an account can have this name: it could be taken for nothing else in a file of
// /etc, on a command line, or by getent, which looks numbers up as such.
func ValidName(name string) bool {
	_, err := strconv.ParseUint(name, 0, 64)
	return name != "" && len(name) <= 256 && err != nil && name[0] != '-' && name[0] != '+' &&
		!strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == ':' || r == '/' || r == ',' || r == 0x7f })
}

// accounts are those of lines of passwd(5).
func accounts(lines []byte) func(yield func(session.Account) bool) {
	return func(yield func(session.Account) bool) {
		for line := range bytes.Lines(lines) {
			if a, ok := parse(string(bytes.TrimSpace(line))); ok && !yield(a) {
				return
			}
		}
	}
}

// parse reads one line of passwd(5): name:x:uid:gid:comment:home:shell.
func parse(line string) (session.Account, bool) {
	f := strings.Split(line, ":")
	if len(f) != 7 {
		return session.Account{}, false
	}
	uid, err1 := strconv.Atoi(f[2])
	gid, err2 := strconv.Atoi(f[3])
	if err1 != nil || err2 != nil {
		return session.Account{}, false
	}
	a := session.Account{Name: f[0], UID: uid, GID: gid, Home: f[5], Shell: f[6]}
	if a.Shell == "" {
		a.Shell = "/bin/sh" // as passwd(5) says
	}
	return a, true
}

// Groups are the names of the groups that an account is in, its own first. A group without a name is left out.
func (l Lookup) Groups(ctx context.Context, a session.Account) ([]string, error) {
	lines, err := l(ctx, "initgroups", a.Name)
	if err != nil {
		return nil, err
	}
	ids := []string{strconv.Itoa(a.GID)}
	if fields := strings.Fields(string(lines)); len(fields) > 1 {
		ids = append(ids, fields[1:]...) // behind the account's name
	}
	var names []string
	for _, id := range ids {
		group, err := l(ctx, "group", id)
		if err != nil {
			return nil, err
		}
		if name, _, ok := strings.Cut(string(group), ":"); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}
