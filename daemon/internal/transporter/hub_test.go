package transporter

import (
	"strings"
	"testing"
)

func TestHubListensNowhere(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	if a := h.srv.Addr(); a != nil {
		t.Errorf("it listens on %s", a)
	}
	if a := h.srv.MonitorAddr(); a != nil {
		t.Errorf("it is monitored on %s", a)
	}
	if h.srv.JetStreamEnabled() {
		t.Error("it keeps streams")
	}
}

func TestHubLogsWarningsAndWorse(t *testing.T) {
	t.Parallel()
	var log logBuffer
	h, err := NewHub(log.logger())
	if err != nil {
		t.Fatal(err)
	}
	h.srv.Noticef("quiet")
	h.srv.Warnf("loud %d", 1)
	h.srv.Errorf("louder %d", 2)
	h.Close()
	if s := log.String(); strings.Contains(s, "quiet") || !strings.Contains(s, `level=WARN msg="loud 1"`) || !strings.Contains(s, `level=ERROR msg="louder 2"`) {
		t.Errorf("logged %q", s)
	}
}
