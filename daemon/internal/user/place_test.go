package user

import (
	"path/filepath"
	"reflect"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// TestAnOrderIsSignedForOneNode follows an order from its author to the node that was found for it.
func TestAnOrderIsSignedForOneNode(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	asked, err := r.ask(r.token("lea"), transporter.AuthorizeRequest{Action: "start", Start: &transporter.StartRequest{ID: sid, App: "xterm"}})
	if err != nil {
		t.Fatal(err)
	}
	placed, err := r.place(t.Context(), transporter.PlaceRequest{Ticket: asked.Ticket, Node: "n2"})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ticket.LoadKeys(filepath.Join(r.dirs.Local, ticket.KeysDir))
	if err != nil {
		t.Fatal(err)
	}
	got, err := keys.Verify(placed.Ticket, r.clock.now(), ticket.Start)
	want, _ := ticket.Peek(asked.Ticket)
	want.Kind, want.Node = ticket.Start, "n2"
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}

	stranger, err := ticket.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	forged, err := stranger.Sign(want)
	if err != nil {
		t.Fatal(err)
	}
	connect, err := r.ask(r.token("lea"), transporter.AuthorizeRequest{Action: "connect", Session: sid, Owner: "lea"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		req  transporter.PlaceRequest
		want transporter.Code
	}{
		"no node":                  {transporter.PlaceRequest{Ticket: asked.Ticket}, transporter.Invalid},
		"nothing":                  {transporter.PlaceRequest{Node: "n2"}, transporter.Unauthorized},
		"a stranger's order":       {transporter.PlaceRequest{Ticket: forged, Node: "n2"}, transporter.Unauthorized},
		"an order that has a node": {transporter.PlaceRequest{Ticket: placed.Ticket, Node: "n3"}, transporter.Unauthorized},
		"something else":           {transporter.PlaceRequest{Ticket: connect.Ticket, Node: "n2"}, transporter.Unauthorized},
	} {
		reply, err := r.place(t.Context(), c.req)
		if transporter.AsError(err) == nil || transporter.AsError(err).Code != c.want || reply.Ticket != "" {
			t.Errorf("%s: %+v, %v, want %s", name, reply, err, c.want)
		}
	}
	r.clock.move(ticketTime)
	if _, err := r.place(t.Context(), transporter.PlaceRequest{Ticket: asked.Ticket, Node: "n2"}); err == nil {
		t.Error("an order that has expired is signed anew")
	}
}
