package supervise

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

func TestEnvironmentComesFromTheMachinesFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  map[string]string // "-" = not set
	}{
		"none": {nil, map[string]string{"LANG": "C.UTF-8", "TZ": "-", "PATH": userPath}},
		"debian": {map[string]string{
			"etc/environment":    "PATH=\"/opt/bin:/bin\"\nhttp_proxy=http://proxy # ours\n",
			"etc/default/locale": "#  File generated\nLANG=\"de_DE.UTF-8\"\nexport LC_TIME='C'\n",
			"etc/timezone":       "Europe/Berlin\n",
			"etc/localtime":      "TZif",
		}, map[string]string{"LANG": "de_DE.UTF-8", "LC_TIME": "C", "PATH": "/opt/bin:/bin", "http_proxy": "http://proxy", "TZ": "-"}},
		"rhel":          {map[string]string{"etc/locale.conf": "LANG=fr_FR.UTF-8"}, map[string]string{"LANG": "fr_FR.UTF-8"}},
		"no local time": {map[string]string{"etc/timezone": "Asia/Tokyo\n"}, map[string]string{"TZ": "Asia/Tokyo"}},
		"nonsense": {map[string]string{"etc/environment": "=x\nA B=c\n#C=d\n\x00\nQ=\"open\nE=\n"},
			map[string]string{"": "-", "A B": "-", "#C": "-", "Q": `"open`, "E": ""}},
		"not to be overruled": {map[string]string{"etc/environment": "HOME=/evil\nDISPLAY=:0\nXAUTHORITY=/evil\n"},
			map[string]string{"HOME": "/home/ann", "DISPLAY": ":7", "XAUTHORITY": "/d/xauth"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir() + "/"
			for file, content := range c.files {
				if err := os.MkdirAll(filepath.Dir(root+file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(root+file, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			rec := &session.Record{Dir: "/d", Account: session.Account{Name: "ann", UID: 1000, Home: "/home/ann"}}
			env := environment(rec, ":7", root)
			if !slices.Contains(env, "SHELL=/bin/sh") {
				t.Error("an account without a shell gets none")
			}
			for key, want := range c.want {
				i := slices.IndexFunc(env, func(v string) bool { return strings.HasPrefix(v, key+"=") })
				got := "-"
				if i >= 0 {
					got = strings.TrimPrefix(env[i], key+"=")
				}
				if got != want {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
		})
	}
}

func TestParametersBecomeVariables(t *testing.T) {
	t.Parallel()
	rec := &session.Record{Params: map[string]string{"a b": "first", "a_b": "second", "ä=": "x", "zero": "a\x00b", "HOME": "h"}}
	env := environment(rec, ":7", "/no/such/root/")
	var got []string
	for _, v := range env {
		if strings.HasPrefix(v, "FX_PARAM_") {
			got = append(got, v)
		}
	}
	if want := []string{"FX_PARAM_A_B=second", "FX_PARAM_HOME=h", "FX_PARAM___=x"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzReadAssignments(f *testing.F) {
	f.Add("export A=\"b c\" # d\nE='f'\n=\n")
	f.Fuzz(func(t *testing.T, text string) {
		env := make(map[string]string)
		readAssignments(env, text)
		for key, value := range env {
			if key == "" || strings.ContainsAny(key, "= \t\n#\"'") || strings.ContainsRune(value, '\n') {
				t.Fatalf("%q=%q from %q", key, value, text)
			}
		}
	})
}

func TestCookieFileIsWhatXauthReads(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "xauth")
	cookie := newCookie()
	if len(cookie) != 16 || slices.Equal(cookie, newCookie()) {
		t.Fatalf("cookie %x", cookie)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for number, want := range map[int]string{-1: "#ffff#", 7: host + "/unix:7", 59535: "#ffff##:59535"} {
		if err := writeXauth(path, cookie, number); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("xauth", "-f", path, "list").CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) || !strings.Contains(string(out), "MIT-MAGIC-COOKIE-1") {
			t.Errorf("xauth list of display %d: %v\n%s", number, err, out)
		}
		if mode := fileMode(t, path); mode.Perm() != 0o600 {
			t.Errorf("mode %v", mode)
		}
	}
}

func TestCommandRunsInALoginShell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shell string
		bus   bool
		want  string
	}{
		{"/bin/bash", false, "/bin/bash|-l|-c|run it"},
		{"/usr/bin/fish", true, "/bin/dbus|--|/usr/bin/fish|-l|-c|run it"},
		{"", false, "/bin/sh|-l|-c|run it"},
		{"/bin/tcsh", false, "/bin/tcsh|-c|run it"},
		{"/bin/csh", false, "/bin/csh|-c|run it"},
	} {
		rec := &session.Record{Command: "run it", StartDBus: c.bus, Account: session.Account{Shell: c.shell}}
		if got := strings.Join(commandArgs(rec, "/bin/dbus"), "|"); got != c.want {
			t.Errorf("%q: %s, want %s", c.shell, got, c.want)
		}
	}
	rec := &session.Record{Command: "x", StartDBus: true}
	if got := commandArgs(rec, ""); got[0] != "/bin/sh" {
		t.Errorf("without dbus-run-session: %q", got)
	}
}

func TestTheDisplaysNameIsOneLine(t *testing.T) {
	t.Parallel()
	args := xArgs("/bin/Xvnc", &session.Record{ID: "a", Name: "two\nlines\x00"}, ":7", "800x600")
	if !slices.Contains(args, "two lines ") {
		t.Errorf("the arguments are %q", args)
	}
}

func TestScreenSize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ geometry, limit, want string }{
		{"800x600", "", "800x600"}, {"800x600", "1000x1000", "800x600"},
		{"rootless", "", "1920x1080"}, {"rootless", "1000x700", "1000x700"},
		{"rootless", "3840x2160", "1920x1080"}, {"rootless", "2560x700", "1920x700"},
	} {
		if got, err := screenSize(&session.Record{Geometry: c.geometry, MaxGeometry: c.limit}); got != c.want || err != nil {
			t.Errorf("%s within %q: %s, error %v", c.geometry, c.limit, got, err)
		}
	}
	for _, bad := range []string{"", "x", "800", "800x", "x600", "0x600", "800x-1", "800x600x2", "99999x1", "8e2x600", "800 x600"} {
		if got, err := screenSize(&session.Record{Geometry: bad}); err == nil {
			t.Errorf("%q is taken as %s", bad, got)
		}
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	for status, want := range map[syscall.WaitStatus]string{
		0: "ended", 3 << 8: "ended with status 3", 255 << 8: "ended with status 255",
		137 << 8: "ended with status 137, as after SIGKILL", 128 << 8: "ended with status 128",
		9: "was killed by signal 9 (SIGKILL)", 11 | 0x80: "was killed by signal 11 (SIGSEGV)", 40: "was killed by signal 40",
	} {
		if got := describe(status); got != want {
			t.Errorf("status %#x: %q, want %q", int(status), got, want)
		}
	}
}

// TestXClientDoesNotTrustTheServer feeds the handshake torn and foreign answers.
func TestXClientDoesNotTrustTheServer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"nothing": "", "a refusal": "\x00\x04\x0b\x00\x00\x00\x01\x00nope", "a torn head": "\x01\x00\x0b",
		"no screen":         "\x01\x00\x0b\x00\x00\x00\x08\x00" + strings.Repeat("\x00", 32),
		"a boastful vendor": "\x01\x00\x0b\x00\x00\x00\x08\x00" + strings.Repeat("\xff", 32),
	} {
		ours, theirs := net.Pipe()
		go func() {
			io.CopyN(io.Discard, theirs, 48)
			io.WriteString(theirs, answer)
			theirs.Close()
		}()
		c := &xclient{Conn: ours}
		if err := c.setUp(make([]byte, 16)); err == nil {
			t.Errorf("%s: taken for an X server with root window %d", name, c.root)
		}
		ours.Close()
	}
}

func TestSystemdIsToldWhenItWaits(t *testing.T) {
	t.Parallel()
	if err := SayReady(""); err != nil {
		t.Errorf("without systemd: %v", err)
	}
	path := filepath.Join(t.TempDir(), "notify")
	if err := SayReady(path); err == nil {
		t.Error("that nobody is there is no error")
	}
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	if err := SayReady(path); err != nil {
		t.Fatal(err)
	}
	var word [64]byte
	if n, err := systemd.Read(word[:]); err != nil || string(word[:n]) != "READY=1" {
		t.Errorf("it hears %q, %v", word[:n], err)
	}
}
