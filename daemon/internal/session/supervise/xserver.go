package supervise

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// xAttempts is how many display numbers are tried when the X server ends before it is ready.
const xAttempts = 5

// findProgram returns the first of the named programs that is installed in dirs, or "".
func findProgram(dirs []string, names ...string) string {
	for _, name := range names {
		for _, dir := range dirs {
			path := dir + "/" + name
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return path
			}
		}
	}
	return ""
}

// defaultSize is the screen of a rootless session without a limit.
const defaultSize = "1920x1080"

// startX starts the X server on the first free display from number on. What s.ready
// delivers is nil as soon as the display and the RFB socket accept connections.
func (s *supervisor) startX(number int) error {
	server := findProgram(s.Limits.Programs, "Xvnc", "Xtigervnc")
	if server == "" {
		return ended("Xvnc is not installed; install tigervnc-standalone-server (Debian) or tigervnc-server (RHEL)")
	}
	size, err := screenSize(s.rec)
	if err != nil {
		return ended(err.Error())
	}
	if s.display, err = reserveDisplay(number); err != nil {
		return ended(err.Error())
	}
	r, w, err := os.Pipe()
	if err != nil {
		return ended("the X server cannot be started: " + err.Error())
	}
	defer w.Close()
	s.xserver, err = s.children.start(program{
		argv:  xArgs(server, s.rec, s.display.name(), size),
		env:   []string{"HOME=" + s.rec.Account.Home, "USER=" + s.rec.Account.Name, "PATH=" + defaultPath(s.rec.Account)},
		dir:   s.rec.Dir,
		out:   uintptr(s.output.write),
		extra: w.Fd(),
		umask: ourUmask,
		bad:   serverBadness,
	})
	if err != nil {
		r.Close()
		return ended("the X server cannot be started: " + err.Error())
	}
	s.ready = awaitNumber(r)
	return nil
}

// xArgs are the X server's: a socket of our own instead of TCP, no security type because
// nobody else reaches that socket, a cookie for the display, several viewers at a time, and no
// blacklist, which would lock out the launcher when viewers leave early. It must not end with
// its last client, nor blank the screen. Viewers may resize it; who brings them keeps them to the record's limit.
func xArgs(server string, rec *session.Record, display, size string) []string {
	return append([]string{
		server, display, "-displayfd", "3",
		"-geometry", size, "-depth", "24", "-dpi", "96",
		"-rfbunixpath", session.RFBSocket(rec.Dir), "-rfbunixmode", "0600", "-rfbport", "-1", "-nolisten", "tcp",
		"-SecurityTypes", "None", "-auth", session.XauthFile(rec.Dir),
		"-desktop", desktopName(rec), "-AlwaysShared", "-AcceptSetDesktopSize=1", "-UseBlacklist=0",
		"-noreset", "-s", "0",
		"-Log", "*:stderr:10", // or what the command said last would drown in statistics of each viewer
	}, clipboardArgs(rec.Limits.Clipboard)...)
}

// clipboardArgs let the clipboard go only where it may, the selection of the middle mouse button
// included, and take from the session's own programs (vncconfig) the power to change that. A
// word that is not known allows nothing.
func clipboardArgs(way string) []string {
	if way == "" || way == session.Bidirectional {
		return nil
	}
	args := []string{"-AllowOverride=desktop,AcceptPointerEvents"}
	if way != session.RemoteToLocal {
		args = append(args, "-SendCutText=0", "-SendPrimary=0")
	}
	if way != session.LocalToRemote {
		args = append(args, "-AcceptCutText=0", "-SetPrimary=0")
	}
	return args
}

// desktopName is what viewers show as the title.
func desktopName(rec *session.Record) string {
	name := strings.ToValidUTF8(oneLine(rec.Name), "?")
	if name == "" {
		name = rec.ID
	}
	return name[:min(len(name), 200)]
}

// screenSize is the session's geometry. A rootless one gets a common screen, or all it may have
// where that is less.
func screenSize(rec *session.Record) (string, error) {
	if rec.Geometry != "rootless" {
		_, _, err := parseSize(rec.Geometry)
		return rec.Geometry, err
	}
	if rec.MaxGeometry == "" {
		return defaultSize, nil
	}
	w, h, err := parseSize(rec.MaxGeometry)
	if err != nil {
		return "", err
	}
	most, high, _ := parseSize(defaultSize)
	return fmt.Sprintf("%dx%d", min(w, most), min(h, high)), nil
}

// awaitNumber delivers nil when the X server has written its display number to r, which it
// does once it listens everywhere. When r ends without it the X server is about to end,
// and that will be heard of.
func awaitNumber(r *os.File) <-chan error {
	ready := make(chan error, 1)
	go func() {
		defer r.Close()
		if _, err := bufio.NewReaderSize(r, 16).ReadString('\n'); err == nil {
			ready <- nil
		}
	}()
	return ready
}

// awaitX waits for the X server, and starts another one when it ends early, as it does
// when somebody took the number in the last moment. Then it makes the cookie good for
// this display alone.
func (s *supervisor) awaitX(ctx context.Context, limit <-chan time.Time) error {
	late := ended(fmt.Sprintf("the X server did not start within %g s", s.Limits.Start.Seconds()))
	for try := 1; ; try++ {
		err := s.await(ctx, s.ready, limit, late)
		if err == nil {
			break
		}
		if try == xAttempts || !s.children.ended(s.xserver) {
			return err
		}
		s.Log.Printf("the X server for %s %s; trying another display", s.display.name(), describe(s.children.status(s.xserver)))
		next := s.display.number + 1
		s.display.release()
		if err := s.startX(next); err != nil {
			return err
		}
	}
	if err := writeXauth(session.XauthFile(s.rec.Dir), s.cookie, s.display.number); err != nil {
		return ended("the session's cookie cannot be written: " + err.Error())
	}
	return nil
}
