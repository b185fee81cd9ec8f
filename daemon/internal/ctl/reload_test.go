package ctl

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
)

func at(s string) *string { return &s }

func TestAReloadIsToldKeyByKey(t *testing.T) {
	t.Parallel()
	accepted := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	tests := map[string]struct {
		report admin.ReloadReport
		code   int
		want   string
	}{
		"applied": {admin.ReloadReport{Outcome: admin.Applied, Generation: 2, Keys: []admin.Key{
			{File: "fastx.env", Line: 3, Key: "FX_KEEP_ENDED", Result: admin.KeyApplied, Old: at("1h"), New: at("2h")},
			{File: "htpasswd", Line: 1, Key: "ann", Result: admin.KeyApplied, New: at("(secret)")},
		}}, 0, "applied  fastx.env:3: FX_KEEP_ENDED  1h → 2h\napplied  htpasswd:1: ann             (not set) → (secret)\napplied; generation 2 runs\n"},
		"nothing new": {admin.ReloadReport{Outcome: admin.Applied, Generation: 2, Unchanged: true, Origin: "watch", Accepted: accepted, Keys: []admin.Key{
			{File: "apps/x.ini", Key: "groups", Result: admin.KeyApplied, Old: at("")},
		}}, 0, "generation 2 was accepted 2026-01-02 03:04:05, asked for by watch:\napplied  apps/x.ini: groups  \"\" → (not set)\nnothing new; generation 2 runs\n"},
		"refused": {admin.ReloadReport{Outcome: admin.Rejected, Generation: 2, Keys: []admin.Key{
			{File: "motd.html", Result: admin.KeyRefused, Old: at(strings.Repeat("ä", 61)), New: at("\x1b[2J")},
		}}, 2, "refused  motd.html  " + strings.Repeat("ä", 60) + "… → \uFFFD[2J\nrejected; generation 2 still runs\n"},
		"waits": {admin.ReloadReport{Outcome: admin.Restart, Generation: 2}, 4, "accepted as generation 2, but some keys wait for a restart of fastxd\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			a := &app{System: System{Stdout: &out}}
			code, _ := explain(a.printReload(test.report))
			if code != test.code || out.String() != test.want {
				t.Errorf("exit %d, want %d\ngot\n%swant\n%s", code, test.code, out.String(), test.want)
			}
			out.Reset()
			a.json = true
			code, _ = explain(a.printReload(test.report))
			var back admin.ReloadReport
			if err := json.Unmarshal(out.Bytes(), &back); err != nil || code != test.code || len(back.Keys) != len(test.report.Keys) {
				t.Errorf("as JSON: exit %d, %v\n%s", code, err, out.String())
			}
		})
	}
}

func TestATerminalIsNotFloodedWithKeys(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{System: System{Stdout: &out}}
	err := a.printReload(admin.ReloadReport{Outcome: admin.Applied, Keys: make([]admin.Key, mostKeys+7)})
	if lines := strings.Count(out.String(), "\n"); err != nil || lines != mostKeys+2 || !strings.Contains(out.String(), "and 7 more; --json lists all\n") {
		t.Errorf("%d lines, %v\n%s", lines, err, out.String())
	}
	if err := a.printReload(admin.ReloadReport{Outcome: "unheard-of"}); err == nil || errors.As(err, new(exit)) {
		t.Errorf("an outcome of another version: %v", err)
	}
}

func TestTheOriginComesFromTheFlagAndElseTheEnvironment(t *testing.T) {
	t.Parallel()
	a := &app{System: System{Env: map[string]string{"FX_ORIGIN": "puppet"}}}
	if a.origin("") != "puppet" || a.origin("ansible") != "ansible" || (&app{}).origin("") != "" {
		t.Error("another origin")
	}
}
