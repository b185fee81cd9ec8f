package spec

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	hashing "golang.org/x/crypto/bcrypt"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
)

// TestAMemoChangesNothingInWhatIsSaid loads set after set with one memo and without any.
func TestAMemoChangesNothingInWhatIsSaid(t *testing.T) {
	t.Parallel()
	memo := NewMemo()
	texts := map[string][]string{
		"apps/a.ini":              {"command = a\n", "comand = a\n", "command = a\n", ""},
		"apps/still.ini":          {"command = a\nnonsense = 1\n"}, // what it means changes with the defaults, what is wrong with it with the format
		"apps/default.ini":        {"geometry = 800x600\n", "", "geometry = 1x\n", "startDbus = true\ngroups = staff\n", "geometry = 800x600\n"},
		"performance/p.ini":       {"idle_timeout = 1h\n", "idle_timeout = 1h\n", "idle_timeout = x\n"},
		"performance/default.ini": {"", "tasks_max = 10\n"},
		"transporter-secret.ini":  {"[transporter]\ntokn = hunter2\n", "[hunter2]\nx = 1\n", "token = hunter2-hunter2\n"},
		"htpasswd":                {"a:b\n", "a:" + "$2y$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234\n"},
		"nats-server.conf":        {"authorization { token: x }\n", "cluster {\n", "", "tls { cert_file: a.pem }\n"},
		"fastx.env":               {"FX_MAX_SESSIONS=3\n", "FX_MAX_SESSIONS=x\n", "FX_FORMAT=9\n"},
	}
	for round := range 120 {
		files := map[string]string{}
		for name, versions := range texts {
			if text := versions[round%len(versions)]; text != "" {
				files[name] = text
			}
		}
		in := probeInput(files)
		want, wantProblems := Load(in)
		in.Memo = memo
		got, problems := Load(in)
		if !reflect.DeepEqual(got, want) || fmt.Sprint(problems) != fmt.Sprint(wantProblems) {
			t.Fatalf("round %d: with a memo %+v\n%s\nwithout %+v\n%s", round, got, problems.Text(), want, wantProblems.Text())
		}
		if len(memo.docs) > in.Set.Len() || len(memo.objects) > in.Set.Len() {
			t.Errorf("round %d: %d files and %d objects are remembered of %d", round, len(memo.docs), len(memo.objects), in.Set.Len())
		}
	}
}

// TestAMemoComparesATokenOnce makes what was remembered wrong, which shows that the next load believes it.
func TestAMemoComparesATokenOnce(t *testing.T) {
	t.Parallel()
	hash, err := hashing.GenerateFromPassword([]byte("cleartext"), hashing.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	memo := NewMemo()
	mismatch := func(token string) bool {
		in := probeInput(map[string]string{"transporter-secret.ini": "token = " + token + "\n",
			"nats-server.conf": "authorization { token: \"" + string(hash) + "\" }\ncluster { name: x, host: localhost }\n"})
		in.Memo = memo
		_, problems := Load(in)
		return slices.ContainsFunc(problems, func(d diag.Diagnostic) bool { return d.Code == "token-mismatch" })
	}
	for range 5 { // more than are remembered
		for token, want := range map[string]bool{"cleartext": false, "cleartext2": true, "another": true, "one-more": true} {
			if mismatch(token) != want {
				t.Errorf("%q: a mismatch is %t, want %t", token, !want, want)
			}
		}
	}
	if mismatch("cleartext") || len(memo.opened) > mostOpened {
		t.Errorf("%d comparisons are remembered, want %d at most", len(memo.opened), mostOpened)
	}
	for id := range memo.opened {
		memo.opened[id] = false
	}
	if !mismatch("cleartext") {
		t.Error("the token was compared again")
	}
}
