package daemon

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
)

// Health asks the fastxd that was started with this environment whether it does its whole job, and returns what is in the
// way. With bus it is the fastxd transporter that is asked. One that hangs is given up after a while.
func Health(ctx context.Context, environ map[string]string, bus bool, patience time.Duration) error {
	p, err := placeOf(environ)
	if err != nil {
		return err
	}
	name := admin.SocketName
	if bus {
		name = admin.TransporterSocket
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client := admin.NewClient(filepath.Join(p.Run, name))
	defer client.Close()
	s, err := client.Status(ctx)
	if ctx.Err() != nil {
		return fmt.Errorf("it does not answer within %s", patience)
	}
	if err != nil {
		return err
	}
	if !s.Ready {
		return fmt.Errorf("it is not ready and waits for %s", strings.Join(s.Waiting, ", "))
	}
	return nil
}
