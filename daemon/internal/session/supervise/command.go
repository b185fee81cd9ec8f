package supervise

import (
	"context"
	"errors"
	"path/filepath"
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
		out: uintptr(s.output.write), umask: userUmask, group: true, bad: programBadness,
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
		out: uintptr(s.output.write), umask: userUmask, group: true, bad: programBadness,
	})
	if err != nil {
		s.Log.Printf("the window manager cannot be started: %v", err)
		return ""
	}
	return manager
}

// commandArgs runs the command in a login shell, so that the session gets what an ssh
// login of that account gets, inside a message bus of its own if the record asks for it. The
// C shell takes -l only alone; it reads the account's files without.
func commandArgs(rec *session.Record, dbusRunSession string) []string {
	sh := shell(rec.Account)
	args := []string{sh, "-l", "-c", rec.Command}
	if strings.HasSuffix(filepath.Base(sh), "csh") {
		args = []string{sh, "-c", rec.Command}
	}
	if rec.StartDBus && dbusRunSession != "" {
		return append([]string{dbusRunSession, "--"}, args...)
	}
	return args
}
