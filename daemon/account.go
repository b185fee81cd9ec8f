package daemon

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// accountOf looks an account up by its number. It asks getent, because a static
// binary by itself sees only /etc/passwd and not SSSD or LDAP; where there is no
// getent, /etc/passwd has to do.
func accountOf(ctx context.Context, uid int) (session.Account, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	getent := exec.CommandContext(ctx, "/usr/bin/getent", "passwd", strconv.Itoa(uid))
	getent.Env = []string{"PATH=/usr/bin:/bin"}
	lines, err := getent.Output()
	if err != nil {
		lines, err = os.ReadFile("/etc/passwd")
	}
	if err != nil {
		return session.Account{}, fmt.Errorf("look up uid %d: %w", uid, err)
	}
	for line := range bytes.Lines(lines) {
		if a, ok := parsePasswd(string(bytes.TrimSpace(line))); ok && a.UID == uid {
			return a, nil
		}
	}
	return session.Account{}, fmt.Errorf("there is no account with uid %d; sessions need one to run as", uid)
}

// parsePasswd reads one line of passwd(5): name:x:uid:gid:comment:home:shell.
func parsePasswd(line string) (session.Account, bool) {
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
