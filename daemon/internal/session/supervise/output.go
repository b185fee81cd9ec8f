package supervise

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// output is the pipe that all children write to, and the goroutine that copies it to the
// log. One pipe for all keeps their short writes whole and in order.
type output struct {
	write int
	read  *os.File
	done  chan struct{}
}

func newOutput(log *session.Ring) (*output, error) {
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("output pipe: %w", err)
	}
	// Only our own end: a program may not be able to handle a standard output that does not block.
	if err := syscall.SetNonblock(p[0], true); err != nil {
		return nil, fmt.Errorf("output pipe: %w", err)
	}
	o := &output{write: p[1], read: os.NewFile(uintptr(p[0]), "output"), done: make(chan struct{})}
	go func() {
		defer close(o.done)
		var buf [8 << 10]byte
		io.CopyBuffer(struct{ io.Writer }{log}, struct{ io.Reader }{o.read}, buf[:])
	}()
	return o, nil
}

// close copies what the children have written and stops; whoever still holds the pipe is not waited for.
func (o *output) close() {
	syscall.Close(o.write)
	o.read.SetReadDeadline(time.Now().Add(time.Second))
	<-o.done
	o.read.Close()
}
