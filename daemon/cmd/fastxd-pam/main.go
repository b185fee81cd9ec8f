// Command fastxd-pam has one login judged by PAM. systemd starts it, as root, for each connection that fastxd-launchd makes to
// fastxd-pam.socket, and passes the connection as standard input. See the package pam.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"

	"github.com/fastx-kit/fastx-kit/daemon/internal/pam/libpam"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "fastxd-pam:", err)
		os.Exit(1)
	}
}

func run() error {
	dir := flag.String("conf-dir", "", "the directory that has PAM's services, in the place of /etc/pam.d")
	flag.Parse()
	if flag.NArg() > 0 {
		return errors.New("there are no arguments beside the flags; see -help")
	}
	conn, err := net.FileConn(os.Stdin)
	if err != nil {
		return errors.New("standard input is no connection; systemctl start fastxd-pam.socket instead")
	}
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.New("standard input is no connection over a Unix socket")
	}
	defer unix.Close()
	uid, _, pid, err := session.PeerCred(unix)
	if err == nil && uid != os.Geteuid() {
		err = fmt.Errorf("process %d of uid %d may not ask; only uid %d may", pid, uid, os.Geteuid())
	}
	if err != nil {
		return err
	}
	return libpam.Converse(session.NewLink(unix), *dir)
}
