package supervise

import (
	"context"
	"errors"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// windowManagers are small ones, the best first.
var windowManagers = []string{"openbox", "xfwm4", "icewm", "metacity", "marco", "matchbox-window-manager", "jwm", "fluxbox", "twm"}

// startPrograms starts the window manager, if the record asks for one, and the command once
// that is at work.
func (s *supervisor) startPrograms(ctx context.Context) error {
	env := environment(s.rec, s.display.name(), "/")
	if s.rec.WindowManager && saysReady(s.startManager(env)) {
		var over ended
		err := s.await(ctx, awaitManager(s.display.number, s.cookie), nil, nil)
		if errors.As(err, &over) {
			return over
		}
		if err != nil {
			s.Log.Printf("the window manager does not say that it is at work (%v); the command starts all the same", err)
		}
	}
	return s.startCommand(env)
}

func (s *supervisor) startCommand(env []string) error {
	var err error
	s.command, err = s.children.start(program{
		argv: commandArgs(s.rec, findProgram(s.Limits.Programs, "dbus-run-session")), env: env, dir: s.rec.Account.Home,
		out: uintptr(s.output.write), umask: s.Umask, group: true, bad: programBadness,
	})
	if err != nil {
		return ended("the command cannot be started with " + shell(s.rec.Account) + ": " + err.Error())
	}
	return nil
}

// startManager starts a window manager and returns which, "" when none runs. A session without one
// is of some use still.
func (s *supervisor) startManager(env []string) string {
	manager := findProgram(s.Limits.Programs, windowManagers...)
	if manager == "" {
		s.Log.Printf("no window manager found; install openbox")
		return ""
	}
	var err error
	s.manager, err = s.children.start(program{
		argv: []string{manager}, env: env, dir: s.rec.Account.Home,
		out: uintptr(s.output.write), umask: s.Umask, group: true, bad: programBadness,
	})
	if err != nil {
		s.Log.Printf("the window manager cannot be started: %v", err)
		return ""
	}
	return manager
}

// commandArgs runs the command in a login shell, so that the session gets what an ssh
// login of that account gets, inside a message bus of its own if the record asks for it.
func commandArgs(rec *session.Record, dbusRunSession string) []string {
	command := rec.Command
	if rec.Clean {
		command = noLoginShell(command)
	}
	args := append(shellArgs(shell(rec.Account), rec.Clean), "-c", command)
	if rec.StartDBus && dbusRunSession != "" {
		return append([]string{dbusRunSession, "--"}, args...)
	}
	return args
}

// loginTerminal is a terminal that is told to run a login shell, which reads the account's
// profile whatever shell it is.
var loginTerminal = regexp.MustCompile(`(\b(?:u?xterm|u?rxvt)(?:\s[^;&|]*?)?\s)-ls(\s|$)`)

func noLoginShell(command string) string { return loginTerminal.ReplaceAllString(command, "$1+ls$2") }

// shellArgs starts a shell as a login does, or clean: so that it reads none of the account's
// own files. A clean shell that nothing is known of is left alone, and sh runs in its place.
func shellArgs(sh string, clean bool) []string {
	name := filepath.Base(sh)
	switch {
	case strings.HasSuffix(name, "csh") && clean:
		return []string{sh, "-f"}
	case strings.HasSuffix(name, "csh"): // takes -l only alone; it reads the account's files without
		return []string{sh}
	case !clean:
		return []string{sh, "-l"}
	case name == "bash":
		return []string{sh, "--noprofile", "--norc"}
	case name == "zsh":
		return []string{sh, "-f"}
	default:
		return []string{plainShell}
	}
}
