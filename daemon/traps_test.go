package daemon_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
)

// judged is what check says of the node's configuration, with files as the daemon names them.
func (n *node) judged() diag.List {
	n.t.Helper()
	out, errs, code := n.Ctl("check", "--json", n.path("config"))
	var said struct{ Problems diag.List }
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		n.t.Fatalf("check: exit %d, %v\n%s%s", code, err, out, errs)
	}
	for i, d := range said.Problems {
		said.Problems[i].File = strings.TrimPrefix(d.File, n.path("config")+"/")
	}
	return said.Problems
}

// running is what the daemon says of it once it has looked.
func (n *node) running() diag.List {
	n.t.Helper()
	_, _, _ = n.Ctl("reload", "--wait") // what came of it stands in the status
	out, errs, code := n.Ctl("status", "--json")
	var said struct{ Config struct{ Problems diag.List } }
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		n.t.Fatalf("status: exit %d, %v\n%s%s", code, err, out, errs)
	}
	return said.Config.Problems
}

// TestTheDaemonSaysWhatCheckSays lets one tree fall into traps and holds the two against each other.
func TestTheDaemonSaysWhatCheckSays(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.Env["FX_LOCAL_DIR"] = n.path("var", "local") // which a check of files alone cannot know
	n.Start()
	compare := func(codes ...string) {
		t.Helper()
		checked, told := n.judged(), n.running()
		var found []string
		for _, d := range told {
			found = append(found, d.Code)
		}
		if want := append(slices.Clone(codes), "local-in-var"); !sameWords(found, want) {
			t.Errorf("the daemon found %q, want %q\n%s", found, want, told.Text())
		}
		told = slices.DeleteFunc(told, func(d diag.Diagnostic) bool { return d.Code == "local-in-var" })
		if !slices.Equal(checked, told) {
			t.Errorf("check says\n%s\nfastxd says\n%s", checked.Text(), told.Text())
		}
		if text := told.Text(); strings.Contains(text, "long-random") {
			t.Errorf("a secret was told:\n%s", text)
		}
	}
	compare()

	n.Write("fastx.env", "METADATA_rack=7\n", 0o644)
	n.Write("transporter-secret.ini", "token = one-long-random-token\n", 0o600)
	n.Write("nats-server.conf", "tls { cert_file: /c, key_file: /k }\nauthorization { token: another-long-random-token }\n"+
		"cluster { port: 6222, authorization { user: r, password: long-random }, routes: [nats://b:6222] }\n", 0o600)
	compare("wrong-place", "no-cluster-name", "routes-without-tls", "route-credentials", "token-mismatch")

	script := n.path("balance.sh") // below /tmp, which everyone can change
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	n.Write("fastx.env", "LOAD_BALANCER_SCRIPT="+script+"\n", 0o644)
	compare("not-acted-on", "script-not-roots", "no-cluster-name", "routes-without-tls", "route-credentials", "token-mismatch")

	if err := os.Chmod(n.path("config", "nats-server.conf"), 0o644); err != nil {
		t.Fatal(err)
	}
	n.Write("fastx.env", "SERVICES=user\n", 0o644)
	compare("wrong-place", "secret-exposed", "no-cluster-name", "routes-without-tls", "route-credentials", "token-mismatch")
}

func sameWords(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
