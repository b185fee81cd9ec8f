package ctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
	"github.com/fastx-kit/fastx-kit/daemon/internal/document"
	"github.com/spf13/cobra"
)

// run runs fastxctl inside the test and returns its exit code and what it wrote.
func run(t *testing.T, sys System, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	sys.Args, sys.Stdout, sys.Stderr = args, &out, &errs
	if sys.Stdin == nil {
		sys.Stdin = strings.NewReader("")
	}
	if sys.Login == nil {
		sys.Login = func() (string, error) { return "ada", nil }
	}
	code = Run(t.Context(), sys)
	return code, out.String(), errs.String()
}

// every calls f for each command of fastxctl.
func every(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		every(sub, f)
	}
}

func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	every(newRoot(System{}), func(c *cobra.Command) {
		if c.Short == "" || c.Long == "" || c.Example == "" {
			t.Errorf("%s lacks a Short, a Long or an Example", c.CommandPath())
		}
		if strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: the Short is a title and ends without a stop", c.CommandPath())
		}
		for line := range strings.Lines(c.Long + "\n" + c.Example) {
			if len(line) > 92 {
				t.Errorf("%s: a help line of %d columns: %s", c.CommandPath(), len(line), line)
			}
		}
	})
}

// shown finds fastxctl command lines in a text, up to a pipe, a redirection or a bracket.
var shown = regexp.MustCompile(`fastxctl( [^|<>)\n]+)`)

// tryLine parses a command line that a text shows and returns what is wrong with it.
func tryLine(line string) error {
	line, _, _ = strings.Cut(line, "   ") // what follows explains it
	var args []string
	for _, m := range regexp.MustCompile(`"[^"]*"|'[^']*'|\S+`).FindAllString(line, -1) {
		args = append(args, strings.Trim(m, `"'`))
	}
	c, rest, err := newRoot(System{}).Find(args)
	if err != nil {
		return err
	}
	if !c.Runnable() || c.HasSubCommands() && c.DisableFlagsInUseLine { // nodes has commands and does something itself
		return fmt.Errorf("it names no command")
	}
	return c.ParseFlags(rest)
}

func TestEveryExampleNamesCommandsAndFlagsThatExist(t *testing.T) {
	t.Parallel()
	blocks, err := document.Tree("../../..")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"README.md": ""}
	for _, b := range blocks {
		if slices.Contains([]string{"sh", "yaml", "puppet"}, b.Language) && strings.Contains(b.Text, "fastxctl ") {
			texts[b.Document] += b.Text
		}
	}
	every(newRoot(System{}), func(c *cobra.Command) { texts[c.CommandPath()] = c.Example })
	for where, text := range texts {
		lines := shown.FindAllStringSubmatch(text, -1)
		if len(lines) == 0 {
			t.Errorf("%s shows no command line", where)
		}
		for _, l := range lines {
			if err := tryLine(l[1]); err != nil {
				t.Errorf("%s shows fastxctl%s: %v", where, l[1], err)
			}
		}
	}
	for _, bad := range []string{" frobnicate", " status --frobnicate", " sessions"} {
		if tryLine(bad) == nil {
			t.Errorf("fastxctl%s passes", bad)
		}
	}
}

func TestHelpIsPrintedForEveryCommand(t *testing.T) {
	t.Parallel()
	every(newRoot(System{}), func(c *cobra.Command) {
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		code, out, errs := run(t, System{}, args...)
		if code != 0 || errs != "" || !strings.Contains(out, "Examples:") {
			t.Errorf("%s --help: exit %d, %q", c.CommandPath(), code, errs)
		}
	})
}

func TestExplainSaysWhatToDo(t *testing.T) {
	t.Parallel()
	gone := &admin.UnreachableError{Socket: "/run/fastx/admin.sock", Err: syscall.ECONNREFUSED}
	denied := &admin.UnreachableError{Socket: "/run/fastx/admin.sock", Err: syscall.EACCES}
	tests := []struct {
		err  error
		code int
		want string
	}{
		{nil, 0, ""},
		{exit{code: 3}, 3, ""},
		{usage("no"), 2, "no"},
		{errors.New("boom"), 1, "boom"},
		{gone, 1, "fastxd does not answer at /run/fastx/admin.sock; start it with systemctl start fastxd, or point --run-dir at its FX_RUN_DIR"},
		{fmt.Errorf("ask: %w", gone), 1, "fastxd does not answer at /run/fastx/admin.sock; start it with systemctl start fastxd, or point --run-dir at its FX_RUN_DIR"},
		{denied, 1, "/run/fastx/admin.sock is for root and the account fastxd runs as; try again with sudo"},
		{&admin.Error{Message: "no\x1b[2J", Detail: "a\nb\x07\n"}, 1, "no\uFFFD[2J\n  a\n  b\uFFFD"},
		{context.DeadlineExceeded, 1, "fastxd did not answer in time; see what it is doing with fastxctl status and in its log"},
		{context.Canceled, 1, "interrupted"},
	}
	for _, tt := range tests {
		if code, text := explain(tt.err); code != tt.code || text != tt.want {
			t.Errorf("explain(%v) = %d, %q, want %d, %q", tt.err, code, text, tt.code, tt.want)
		}
	}
	if got := (exit{code: 3}).Error(); got != "exit 3" {
		t.Error(got)
	}
}

func TestTheSocketIsFoundWhereTheDaemonPutsIt(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	own := filepath.Join(temp, "fx-7", "admin.sock")
	env := map[string]string{"FX_TEMP_DIR": temp}
	a := &app{System: System{UID: 7, Env: env}}
	if got := a.socket(); got != "/run/fastx/admin.sock" {
		t.Errorf("with nothing there: %s", got)
	}
	if err := os.MkdirAll(filepath.Dir(own), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := a.socket(); missing("/run/fastx/admin.sock") && got != own {
		t.Errorf("with a daemon of one's own: %s, want %s", got, own)
	}
	a.Env = map[string]string{"FX_TEMP_DIR": temp, "FX_RUN_DIR": "/srv/fx"}
	if got := a.socket(); got != "/srv/fx/admin.sock" {
		t.Errorf("with FX_RUN_DIR: %s", got)
	}
	a.runDir = "/srv/other"
	if got := a.socket(); got != "/srv/other/admin.sock" {
		t.Errorf("with --run-dir: %s", got)
	}
	a.runDir = "/" + strings.Repeat("x", 84) // and 23 more make 108
	if got := a.socket(); got != own {
		t.Errorf("with a name too long for a socket's: %s, want %s", got, own)
	}
	if got := (&app{}).tempDir(); got != "/tmp" {
		t.Errorf("without FX_TEMP_DIR: %s", got)
	}
}

func TestInitNamesTheUserAfterTheLogin(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "config")
	code, out, errs := run(t, System{}, "init", dir)
	if code != 0 || !strings.HasPrefix(out, "user: ada\npassword: ") {
		t.Fatalf("exit %d, %q, %q", code, out, errs)
	}
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o750 {
		t.Errorf("the directory: %v, %v", fi, err)
	}
	if fi, err := os.Stat(filepath.Join(dir, "htpasswd")); err != nil || fi.Mode().Perm()&0o027 != 0 {
		t.Errorf("htpasswd: %v, %v", fi, err)
	}
	nobody := System{Login: func() (string, error) { return "", errors.New("uid 7 is nobody") }}
	if code, _, errs := run(t, nobody, "init", dir+"2"); code != 2 || !strings.Contains(errs, "give one with --user") {
		t.Errorf("without a login name: exit %d, %q", code, errs)
	}
}

func TestInitLeavesNothingBehindWhenItFails(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "config")
	bad := fileset.New(
		fileset.File{Name: "apps/a.ini", Data: []byte("x"), Mode: 0o644},
		fileset.File{Name: "b", Data: []byte("x"), Mode: 0o644},
		fileset.File{Name: "b/c", Data: []byte("x"), Mode: 0o644}, // cannot be: b is a file
	)
	if err := writeNew(dir, bad); err == nil {
		t.Fatal("an impossible set was written")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestInitPassesOverWhatIsNobodysConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"lost+found", ".git"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := refuseUsed(dir); err != nil {
		t.Error(err)
	}
}

func TestThePasswordComesFromTheFirstLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"secret": "secret", "secret\n": "secret", "secret\r\nmore": "secret", " two words ": " two words ",
	} {
		a := &app{System: System{Stdin: strings.NewReader(in)}}
		if got, err := a.starterPassword(true); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	a := &app{System: System{Stdin: broken{}}}
	if _, err := a.starterPassword(true); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a broken standard input: %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, fs.ErrClosed }

func TestGeneratedPasswordsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		p, err := (&app{}).starterPassword(false)
		if err != nil || len(p) != passwordLength || seen[p] {
			t.Fatalf("%q, %v, seen before: %v", p, err, seen[p])
		}
		seen[p] = true
	}
}

func TestPathsOfProblemsCanBeOpenedFromHere(t *testing.T) {
	t.Parallel()
	in := diag.List{{File: "apps/x.ini"}, {File: "/etc/default/fastx4"}, {}}
	got := openable("run/config", in)
	for i, want := range []string{"run/config/apps/x.ini", "/etc/default/fastx4", ""} {
		if got[i].File != want {
			t.Errorf("%q became %q, want %q", in[i].File, got[i].File, want)
		}
	}
	if in[0].File != "apps/x.ini" {
		t.Error("the list handed in was changed")
	}
}

func TestTheDaemonsAccountIsTheOwnerOfTheDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if os.Getuid() == 0 {
		if err := os.Chown(dir, 1234, 5678); err != nil {
			t.Fatal(err)
		}
		if uid, gid, err := daemonAccount(dir, ""); uid != 1234 || gid != 5678 || err != nil {
			t.Errorf("another's directory: %d, %d, %v", uid, gid, err)
		}
	} else if uid, _, err := daemonAccount(dir, ""); uid != os.Getuid() || err != nil {
		t.Errorf("one's own directory: %d, %v", uid, err)
	}
	if uid, gid, err := daemonAccount(dir, "root"); uid != 0 || gid != 0 || err != nil {
		t.Errorf("named: %d, %d, %v", uid, gid, err)
	}
	if _, _, err := daemonAccount(dir, "no such account"); err == nil || !strings.Contains(err.Error(), "--daemon-user") {
		t.Errorf("unknown: %v", err)
	}
	if _, _, err := daemonAccount(dir+"/nowhere", ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if number("x") != -1 {
		t.Error("an id that is no number")
	}
}

func TestSecondsAreToldAsTheLargestUnitThatFits(t *testing.T) {
	t.Parallel()
	for in, want := range map[float64]string{0: "0s ago", 1.4: "1s ago", 59: "59s ago", 60: "1m ago", 3599: "60m ago", 7300: "2h ago", 200000: "56h ago"} {
		if got := ago(in); got != want {
			t.Errorf("%v s: %q, want %q", in, got, want)
		}
	}
}

func TestMomentsAreLocalTimes(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 10, 0, 0, 0, time.Local)
	if got := moment(at.UTC()); got != "2026-11-01 10:00:00" {
		t.Error(got)
	}
	if got := moment(time.Time{}); got != "-" {
		t.Error(got)
	}
}

// FuzzPrintable: whatever users wrote, one line comes out and no control character.
func FuzzPrintable(f *testing.F) {
	f.Add("\x1b]0;title\x07", "plain")
	f.Fuzz(func(t *testing.T, a, b string) {
		var out bytes.Buffer
		app := &app{System: System{Stdout: &out}}
		if err := app.table([]string{"x", a, b}); err != nil {
			t.Fatal(err)
		}
		line, ended := strings.CutSuffix(out.String(), "\n")
		if !ended || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
			t.Errorf("%q, %q printed as %q", a, b, out.String())
		}
	})
}

// FuzzParams: a parameter that is accepted comes out as it went in.
func FuzzParams(f *testing.F) {
	f.Add("a=1", "b=x=y")
	f.Add("a=1", "a=2")
	f.Fuzz(func(t *testing.T, a, b string) {
		m, err := parseParams([]string{a, b})
		if err != nil {
			return
		}
		for _, p := range []string{a, b} {
			if k, v, ok := strings.Cut(p, "="); !ok || m[k] != v {
				t.Errorf("%q became %q", p, m)
			}
		}
	})
}
