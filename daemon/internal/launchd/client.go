package launchd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastx-kit/fastx-kit/daemon/internal/account"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/spawn"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
)

// replyLimit is how long a launcher waits for an answer: longer than systemd takes to start a unit.
const replyLimit = time.Minute

// Client starts sessions by asking fastxd-launchd.
type Client struct {
	Path   string         // of its socket
	Lookup account.Lookup // nil is account.Getent
}

var _ spawn.Lodger = Client{}

// Here reports whether there is a fastxd-launchd at path that this process may ask. That its socket is there is
// enough: a node on which it fails starts no session, rather than one as another user than was meant. The daemon
// that somebody starts by hand may not ask, and runs sessions by itself.
func Here(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&os.ModeSocket != 0 && unix.Access(path, unix.W_OK) == nil
}

// Lodge is spawn.Lodger's. It is for the launcher's record: launchd itself looks up whom it starts a session as.
func (c Client) Lodge(o *ticket.Order) (spawn.Place, error) {
	if o.Account == "" {
		return spawn.Place{}, errNoAccount(o.User)
	}
	lookup := c.Lookup
	if lookup == nil {
		lookup = account.Getent
	}
	a, err := lookup.ByName(context.Background(), o.Account)
	if errors.Is(err, account.ErrUnknown) {
		return spawn.Place{}, errUnknown(o.Account)
	}
	return spawn.Place{Account: a, Dir: session.UserDir(o.Session)}, err
}

// Start is spawn.Starter's.
func (c Client) Start(o spawn.Order) (session.Process, bool, error) {
	reply, err := c.ask(func(l *session.Link) error {
		return errors.Join(
			l.Send(Request{Version: Version, Type: "lock"}, o.Lock),
			l.Send(Request{Version: Version, Type: "log"}, o.Log),
			l.Send(Request{Version: Version, Type: "start", Ticket: o.Ticket, Socket: o.Socket, TempDir: o.TempDir}, nil))
	})
	return reply.Process, false, err
}

// Kill is spawn.Lodger's.
func (c Client) Kill(id string) error {
	_, err := c.ask(func(l *session.Link) error {
		return l.Send(Request{Version: Version, Type: "kill", Session: id}, nil)
	})
	return err
}

// errMissing is said where fastxd is not to start sessions by itself (fastxd --launchd).
var errMissing = errors.New("fastxd-launchd, which starts sessions as their users, does not listen at " + Socket +
	"; install the package fastxd, or run: systemctl enable --now fastxd-launchd.socket")

// ask sends a request and waits for its answer. launchd may answer and hang up before it has read all.
func (c Client) ask(send func(*session.Link) error) (Reply, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: c.Path, Net: "unix"})
	if errors.Is(err, fs.ErrNotExist) {
		return Reply{}, errMissing
	}
	if err != nil {
		return Reply{}, fmt.Errorf("ask fastxd-launchd: %w; systemctl status fastxd-launchd.socket says more", err)
	}
	defer conn.Close()
	link := session.NewLink(conn)
	link.SetReadDeadline(time.Now().Add(replyLimit))
	sent := send(link)
	var reply Reply
	file, err := link.Receive(&reply)
	if file != nil {
		file.Close()
	}
	switch {
	case err != nil:
		return Reply{}, fmt.Errorf("fastxd-launchd does not answer: %w; journalctl -u fastxd-launchd says more", errors.Join(sent, err))
	case reply.Refused != "":
		return Reply{}, spawn.Refusal(reply.Refused)
	case reply.Failed != "":
		return Reply{}, errors.New(reply.Failed)
	}
	return reply, nil
}
