package display

import (
	"context"
	"errors"
	"fmt"
	"image"
	"net"
	"os"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// Delivery is a display that was brought to a webserver and is being looked at.
type Delivery struct {
	link *session.Link
	done chan struct{}
	once sync.Once
}

// Bring takes the RFB connection to the webserver that waits at meet. Its viewer can make the screen
// no larger than most, which may be zero for no limit. The file is closed in every case; the webserver has its own copy by then.
func Bring(ctx context.Context, meet transporter.Rendezvous, rfb *os.File, most image.Point) (*Delivery, error) {
	defer rfb.Close()
	link, err := dial(ctx, meet)
	if err != nil {
		return nil, fmt.Errorf("bring the display to the webserver: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { link.Close() })
	err = greet(link, hello{Secret: meet.Secret, Most: most}, rfb)
	if !stop() {
		err = errors.Join(context.Cause(ctx), err)
	}
	if err != nil {
		link.Close()
		return nil, fmt.Errorf("bring the display to the webserver: %w", err)
	}
	d := &Delivery{link: link, done: make(chan struct{})}
	go d.listen()
	return d, nil
}

func dial(ctx context.Context, meet transporter.Rendezvous) (*session.Link, error) {
	if meet.Network != "unix" {
		return nil, fmt.Errorf("a rendezvous on network %q is not supported; it has to be \"unix\"", meet.Network)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", meet.Address)
	if err != nil {
		return nil, err
	}
	uc := conn.(*net.UnixConn)
	if err := trusted(uc); err != nil {
		uc.Close()
		return nil, err
	}
	return session.NewLink(uc), nil
}

// greet says the secret, hands the descriptor over and waits until it is taken.
func greet(link *session.Link, h hello, rfb *os.File) error {
	link.SetReadDeadline(time.Now().Add(helloTimeout))
	defer link.SetReadDeadline(time.Time{})
	if err := link.Send(h, rfb); err != nil {
		return err
	}
	var w welcome
	file, err := link.Receive(&w)
	if file != nil {
		file.Close()
	}
	if err == nil && w.Error != "" {
		err = errors.New(w.Error)
	}
	return err
}

// listen waits for the end of the line: a webserver says nothing more.
func (d *Delivery) listen() {
	var any struct{}
	for {
		file, err := d.link.Receive(&any)
		if file != nil {
			file.Close()
		}
		if err != nil {
			d.end()
			return
		}
	}
}

// Done is closed when the viewer is gone, or was thrown out.
func (d *Delivery) Done() <-chan struct{} { return d.done }

// Close ends the visit and tells the viewer why.
func (d *Delivery) Close(reason string) { d.leave(goodbye{Reason: reason}) }

// Refuse is Close for a viewer that is sent away while the session goes on: it is not to come again by itself.
func (d *Delivery) Refuse(reason string) { d.leave(goodbye{Reason: reason, Refused: true}) }

func (d *Delivery) leave(g goodbye) {
	d.link.Send(g, nil)
	d.end()
}

func (d *Delivery) end() {
	d.once.Do(func() {
		d.link.Close()
		close(d.done)
	})
}
