package spec

import (
	"fmt"
	"reflect"
	"testing"
)

// TestAMemoChangesNothingInWhatIsSaid loads set after set with one memo and without any.
func TestAMemoChangesNothingInWhatIsSaid(t *testing.T) {
	t.Parallel()
	memo := NewMemo()
	texts := map[string][]string{
		"apps/a.ini":             {"command = a\n", "comand = a\n", "command = a\n", ""},
		"transporter-secret.ini": {"[transporter]\ntokn = hunter2\n", "[hunter2]\nx = 1\n", "token = hunter2-hunter2\n"},
		"htpasswd":               {"a:b\n", "a:" + "$2y$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234\n"},
		"fastx.env":              {"FX_MAX_SESSIONS=3\n", "FX_MAX_SESSIONS=x\n"},
	}
	for round := range 24 {
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
		if len(memo.docs) > in.Set.Len() {
			t.Errorf("round %d: %d files are remembered of %d", round, len(memo.docs), in.Set.Len())
		}
	}
}
