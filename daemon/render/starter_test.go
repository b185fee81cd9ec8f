package render

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

const hash = "$2a$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"

// TestStarterLoadsWithoutAWord holds that a newcomer's first configuration has nothing to complain about.
func TestStarterLoadsWithoutAWord(t *testing.T) {
	t.Parallel()
	set := Starter(StarterOptions{User: "ada", PasswordHash: hash})
	cfg, problems := spec.Load(spec.Input{Set: set})
	if len(problems) > 0 {
		t.Errorf("Load says:\n%s", problems.Text())
	}
	if cfg.Htpasswd["ada"] != hash || cfg.Permissions.LevelOf("ada", nil) != spec.Admin || cfg.Permissions.LevelOf("eve", nil) != spec.Limited {
		t.Errorf("logins %v, permissions %+v", cfg.Htpasswd, cfg.Permissions)
	}
	desktop, _ := cfg.App("desktop")
	xterm, _ := cfg.App("xterm")
	window, _ := cfg.App("xterm-rootless")
	if !desktop.StartDBus || desktop.Geometry != "1280x800" || xterm.Geometry != "1024x768" || window.Geometry != spec.Rootless {
		t.Errorf("applications %+v", cfg.Apps)
	}
	if f, _ := set.Lookup("htpasswd"); f.Mode != 0o600 {
		t.Errorf("htpasswd has mode %04o", f.Mode)
	}
}

// TestStarterExamplesAreKeys holds that what fastx.env shows in comments can be set by taking the # away.
func TestStarterExamplesAreKeys(t *testing.T) {
	t.Parallel()
	set := Starter(StarterOptions{User: "ada", PasswordHash: hash})
	f, _ := set.Lookup("fastx.env")
	found := 0
	for line := range strings.Lines(string(f.Data)) {
		example := strings.TrimPrefix(line, "# ")
		if key, _, ok := strings.Cut(example, "="); ok && key == strings.ToUpper(key) && !strings.Contains(key, " ") {
			f.Data = []byte(strings.Replace(string(f.Data), line, example, 1))
			found++
		}
	}
	if _, problems := spec.Load(spec.Input{Set: set.With(f)}); len(problems) > 0 || found < 5 {
		t.Errorf("%d examples:\n%s", found, problems.Text())
	}
}

func TestStarterDesktopIsAShellCommand(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"sh", "bash"} {
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("%s is not installed", shell)
			continue
		}
		if out, err := exec.Command(path, "-n", "-c", desktop).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
}

func TestStarterPanicsOnBadOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []StarterOptions{{"", hash}, {"a b", hash}, {"ada", "plain"}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was accepted", o)
				}
			}()
			Starter(o)
		}()
	}
}
