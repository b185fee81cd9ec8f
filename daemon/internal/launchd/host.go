package launchd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/account"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/spawn"
)

// firstUID is the lowest number of a person's account where login.defs(5) says nothing.
const firstUID = 1000

// Host is what the machine says of accounts.
type Host struct {
	Lookup account.Lookup // the name service
	Root   string         // the directory that has etc/login.defs and etc/shells; "/" but in tests
	Now    func() time.Time
}

// errNoAccount and errUnknown are said by the launcher and by launchd alike.
func errNoAccount(user string) error {
	return spawn.Refusal(fmt.Sprintf("the login %.80q stands for no account of this machine; sign in with one of the machine's accounts", user))
}

func errUnknown(name string) error {
	return spawn.Refusal(fmt.Sprintf("there is no account %.80q on this node; create it, or see that the node reaches its directory of users (getent passwd %.80[1]q)", name))
}

// Judge looks an account up and refuses, with a spawn.Refusal, to have a session of it:
//
//  1. when there is no such account;
//  2. when it is root or one of the system: its number is below UID_MIN of /etc/login.defs, 1000 where that says nothing;
//  3. when nobody is meant to log in with it: its shell is nologin or false, or, as pam_shells(8) has it, none of
//     /etc/shells, which is where administrators leave out the shells of accounts that may only copy files or push commits;
//  4. when it is locked, as passwd -l and usermod -L do by a "!" before the password. An account that has
//     no password and logs in by key or ticket has a "*" there, and is let in;
//  5. when it has expired.
//
// What else bars an account (hours, hosts, a directory's own lock) is said by PAM's account stage, which systemd runs at
// the start of the unit.
func (h Host) Judge(ctx context.Context, name string) (session.Account, error) {
	a, err := h.Lookup.ByName(ctx, name)
	if errors.Is(err, account.ErrUnknown) {
		return a, errUnknown(name)
	}
	if err != nil {
		return a, err
	}
	least, err := h.leastUID()
	if err != nil {
		return a, err
	}
	if a.UID == 0 || a.UID < least {
		return a, refuse("the account %s is one of the system (uid %d, and people's begin at UID_MIN = %d of /etc/login.defs)", a.Name, a.UID, least)
	}
	if err := h.judgeShell(a); err != nil {
		return a, err
	}
	return a, h.judgeShadow(ctx, a)
}

func refuse(format string, args ...any) error { return spawn.Refusal(fmt.Sprintf(format, args...)) }

// leastUID reads UID_MIN of login.defs(5).
func (h Host) leastUID() (int, error) {
	data, err := h.file("etc/login.defs")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(data) {
		if f := strings.Fields(string(line)); len(f) > 1 && f[0] == "UID_MIN" {
			n, err := strconv.ParseInt(f[1], 0, 32)
			if err != nil {
				return 0, fmt.Errorf("/etc/login.defs: UID_MIN: %q is no number", f[1])
			}
			return int(n), nil
		}
	}
	return firstUID, nil
}

// file reads a file that need not be there.
func (h Host) file(name string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(h.Root, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// noShells are the shells that let nobody in, wherever they lie.
var noShells = []string{"nologin", "false", "true", "sync", "shutdown", "halt"}

func (h Host) judgeShell(a session.Account) error {
	if slices.Contains(noShells, filepath.Base(a.Shell)) {
		return refuse("the account %s is not for logging in: its shell is %s", a.Name, a.Shell)
	}
	data, err := h.file("etc/shells")
	if err != nil {
		return err
	}
	shells := []string{"/bin/sh", "/bin/csh"} // as getusershell(3) has it where there is no file
	if data != nil {
		shells = nil
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		shells = append(shells, strings.TrimSpace(lines.Text()))
	}
	if !slices.Contains(shells, a.Shell) {
		return refuse("the shell of the account %s, %s, is not in /etc/shells; add it there if people are to log in with it", a.Name, a.Shell)
	}
	return nil
}

// judgeShadow reads what shadow(5) says of an account: name:password:::::inactive:expires:. Accounts of a directory most
// often have no line there; then PAM's account stage has the only word.
func (h Host) judgeShadow(ctx context.Context, a session.Account) error {
	lines, err := h.Lookup(ctx, "shadow", a.Name)
	if err != nil {
		return err
	}
	f := strings.Split(strings.TrimSpace(string(lines)), ":")
	if len(f) < 8 {
		return nil
	}
	if strings.HasPrefix(f[1], "!") {
		return refuse("the account %s is locked; usermod -U %[1]s unlocks it, and usermod -p '*' %[1]s lets it in without a password", a.Name)
	}
	if f[7] == "" {
		return nil
	}
	day, err := strconv.ParseInt(f[7], 10, 32)
	if err != nil {
		return fmt.Errorf("the day on which the account %s expires, %q, is no number", a.Name, f[7])
	}
	if expires := time.Unix(day*24*60*60, 0).UTC(); day >= 0 && !h.Now().Before(expires) {
		return refuse("the account %s has expired on %s; chage -E -1 %[1]s lets it in again", a.Name, expires.Format(time.DateOnly))
	}
	return nil
}
