package user

import (
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// TestMessagesAreLimitedPerSender lets somebody talk without end. Refusals cost nothing, and
// nobody else has to wait.
func TestMessagesAreLimitedPerSender(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	otto, lea := r.token("otto"), r.token("lea")
	everyone := transporter.AuthorizeRequest{Action: "broadcast"}
	own := transporter.AuthorizeRequest{Action: "message", Session: sid, Owner: "otto"}
	for i := range messagesPerMinute {
		req := everyone
		if i%2 == 0 {
			req = own
		}
		if _, err := r.ask(otto, req); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	for range 3 {
		_, err := r.ask(otto, everyone)
		wantError(t, err, transporter.TooMany, "you have sent many messages; try again in")
		if e := transporter.AsError(err); e.Retry != 6 {
			t.Errorf("come again in %d s, want 6", e.Retry)
		}
	}
	if _, err := r.ask(lea, transporter.AuthorizeRequest{Action: "message", Session: sid, Owner: "lea"}); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	r.clock.move(6 * time.Second)
	if _, err := r.ask(otto, everyone); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}
