package transporter

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// BenchmarkRoundTrip compares a control round trip with a bare NATS request over the same
// kind of connection, with the same work for the payload left out of the bare one.
func BenchmarkRoundTrip(b *testing.B) {
	h := newHub(b)
	b.Run("raw", func(b *testing.B) { benchmarkRaw(b, h) })
	b.Run("ours", func(b *testing.B) { benchmarkOurs(b, h, look) })
	b.Run("once", func(b *testing.B) { benchmarkOurs(b, h, echo) })
}

func benchmarkRaw(b *testing.B, h *Hub) {
	server, client := raw(b, h), raw(b, h)
	_, err := server.QueueSubscribe("raw.echo", "raw", func(m *nats.Msg) { _ = m.Respond(m.Data) })
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Flush(); err != nil {
		b.Fatal(err)
	}
	payload := []byte(`{"n":7,"text":"hello"}`)
	for b.Loop() {
		if _, err := client.Request("raw.echo", payload, time.Second); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkOurs(b *testing.B, h *Hub, e Endpoint[ping, pong]) {
	serve(b, open(b, h, "manager"), e, echoBack)
	client := open(b, h, "webserver")
	for b.Loop() {
		if _, err := Call(b.Context(), client, e, ping{N: 7, Text: "hello"}); err != nil {
			b.Fatal(err)
		}
	}
}
