package supervise

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// breakHome writes start-up files that let nothing start, each saying that it was read.
func (tr *trial) breakHome() {
	tr.Helper()
	for _, name := range []string{".profile", ".bash_profile", ".bash_login", ".bashrc", ".zshenv", ".zshrc", ".xsessionrc", ".login", ".cshrc"} {
		tr.ok(os.WriteFile(filepath.Join(tr.home, name), []byte("echo broken by $HOME/"+name+"\nexit 1\n"), 0o644))
	}
}

// TestStartUpFilesThatBreakEverythingAreLeftOutOnRequest starts the same command twice in a home
// whose files end every shell: as ever it fails and says so, clean it runs, terminals included.
func TestStartUpFilesThatBreakEverythingAreLeftOutOnRequest(t *testing.T) {
	t.Parallel()
	command := `xterm -e true; echo "$SHELL $XDG_CONFIG_HOME" > ~/env; ls -A "$XDG_CONFIG_HOME" | wc -l > ~/config; xterm -e "$SHELL" -ic 'echo at work > ~/proof; cat'`

	tr := newTrial(t, command)
	tr.breakHome()
	tr.launcher = tr.listen()
	tr.start()
	if r := tr.await("ended"); r.Reason != "the command ended with status 1" {
		t.Errorf("a home that breaks everything: %q", r.Reason)
	}
	if log := strings.Join(tr.tail(20), "\n"); !strings.Contains(log, "broken by "+tr.home+"/.bash_profile") {
		t.Errorf("the log does not say what broke it:\n%s", log)
	}

	tr = newTrial(t, command)
	tr.rec.Clean = true
	tr.breakHome()
	tr.launcher = tr.listen()
	tr.start()
	if got := tr.file("proof"); got != "at work\n" {
		t.Errorf("the shell in the terminal wrote %q", got)
	}
	config := session.CleanConfigDir(tr.rec.Dir)
	if got := tr.file("env"); got != "/bin/sh "+config+"\n" {
		t.Errorf("a clean session has SHELL and XDG_CONFIG_HOME %q", got)
	}
	if got := tr.file("config"); strings.TrimSpace(got) != "0" {
		t.Errorf("its configuration holds %q entries", got)
	}
	tr.end()
	if exists(config) {
		t.Error("what a clean session configured outlives it")
	}
	if log := strings.Join(tr.tail(50), "\n"); strings.Contains(log, "broken by") {
		t.Errorf("a start-up file was read:\n%s", log)
	}
}

func TestEveryShellHasItsWayToReadNothing(t *testing.T) {
	t.Parallel()
	for shell, want := range map[string]string{
		"/bin/bash": "/bin/bash|--noprofile|--norc|-c|x", "/usr/bin/zsh": "/usr/bin/zsh|-f|-c|x", "/bin/tcsh": "/bin/tcsh|-f|-c|x",
		"/usr/bin/fish": "/bin/sh|-c|x", "/bin/dash": "/bin/sh|-c|x", "": "/bin/sh|-c|x",
	} {
		rec := &session.Record{Command: "x", Clean: true, Account: session.Account{Shell: shell}}
		if got := strings.Join(commandArgs(rec, ""), "|"); got != want {
			t.Errorf("%q: %s, want %s", shell, got, want)
		}
	}
	for command, want := range map[string]string{
		"xterm -ls": "xterm +ls", "exec /usr/bin/xterm -bg red -ls -e top": "exec /usr/bin/xterm -bg red +ls -e top",
		"ls -ls": "ls -ls", "xterm; ls -ls": "xterm; ls -ls", "xterm -lsx": "xterm -lsx",
	} {
		if got := noLoginShell(command); got != want {
			t.Errorf("%q becomes %q, want %q", command, got, want)
		}
	}
	usual := environment(&session.Record{Dir: "/d", Account: session.Account{Shell: "/bin/zsh"}}, ":7", "/no/such/root/")
	if !slices.Contains(usual, "SHELL=/bin/zsh") || slices.ContainsFunc(usual, func(v string) bool { return strings.HasPrefix(v, "XDG_CONFIG_HOME=") }) {
		t.Errorf("a session that is not clean gets %q", usual)
	}
}
