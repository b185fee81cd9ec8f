package display_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fastx-kit/fastx-kit/daemon/internal/display"
)

// copiers are Pump and what it is measured against: the shortest loop over the same library.
var copiers = []struct {
	name string
	run  func(*websocket.Conn, net.Conn)
}{
	{"pump", func(ws *websocket.Conn, rfb net.Conn) { display.Pump(context.Background(), ws, rfb) }},
	{"bare", bareCopy},
}

func bareCopy(ws *websocket.Conn, rfb net.Conn) {
	ctx := context.Background()
	go func() {
		buf := make([]byte, 32<<10)
		for {
			_, r, err := ws.Reader(ctx)
			if err != nil {
				rfb.Close()
				return
			}
			io.CopyBuffer(rfb, r, buf)
		}
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := rfb.Read(buf)
		if err != nil || ws.Write(ctx, websocket.MessageBinary, buf[:n]) != nil {
			ws.CloseNow()
			return
		}
	}
}

func eachCopier(b *testing.B, f func(b *testing.B, server net.Conn, viewer *websocket.Conn)) {
	for _, tls := range []struct {
		name string
		on   bool
	}{{"plain", false}, {"tls", true}} {
		for _, c := range copiers {
			b.Run(tls.name+"/"+c.name, func(b *testing.B) {
				server, file := pair(b)
				rfb, err := net.FileConn(file)
				if err != nil {
					b.Fatal(err)
				}
				file.Close()
				ws, viewer := sockets(b, tls.on, nil)
				done := make(chan struct{})
				go func() { defer close(done); c.run(ws, rfb) }()
				f(b, server, viewer)
				server.Close()
				viewer.CloseNow()
				<-done
			})
		}
	}
}

// BenchmarkThroughput moves a mebibyte from the X server to the viewer.
func BenchmarkThroughput(b *testing.B) {
	eachCopier(b, func(b *testing.B, server net.Conn, viewer *websocket.Conn) {
		const size = 1 << 20
		b.SetBytes(size)
		b.ReportAllocs()
		go func() {
			screen := make([]byte, size)
			for range b.N {
				server.Write(screen)
			}
		}()
		buf := make([]byte, 64<<10)
		for left := b.N * size; left > 0; {
			_, r, err := viewer.Reader(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			for err == nil {
				var n int
				n, err = r.Read(buf)
				left -= n
			}
		}
	})
}

// BenchmarkEcho is a key pressed and the few bytes of screen that change.
func BenchmarkEcho(b *testing.B) {
	eachCopier(b, func(b *testing.B, server net.Conn, viewer *websocket.Conn) {
		go func() {
			key, frame := make([]byte, 8), make([]byte, 200)
			for {
				if _, err := io.ReadFull(server, key); err != nil {
					return
				}
				server.Write(frame)
			}
		}()
		ctx, key := context.Background(), make([]byte, 8)
		start := time.Now()
		for range b.N {
			if err := viewer.Write(ctx, websocket.MessageBinary, key); err != nil {
				b.Fatal(err)
			}
			_, r, err := viewer.Reader(ctx)
			if err != nil {
				b.Fatal(err)
			}
			io.Copy(io.Discard, r)
		}
		b.ReportMetric(float64(time.Since(start).Microseconds())/float64(b.N), "µs/echo")
	})
}
