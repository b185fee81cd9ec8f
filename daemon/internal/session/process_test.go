package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"testing"
)

func TestProcessOfThisTestIsAlive(t *testing.T) {
	t.Parallel()
	p, err := ProcessOf(os.Getpid())
	if err != nil || !p.Alive() || p.Start == 0 || p.Name == "" {
		t.Fatalf("%+v, error %v", p, err)
	}
	p.Start++
	if p.Alive() {
		t.Error("a process with the same number but another start was taken for it")
	}
	if (Process{}).Alive() {
		t.Error("no process is alive")
	}
	if _, err := ProcessOf(1 << 30); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such process: error %v", err)
	}
}

func TestDeadProcessIsNotAliveEvenBeforeItIsReaped(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := ProcessOf(cmd.Process.Pid)
	if err != nil || !p.Alive() {
		t.Fatalf("%+v, error %v", p, err)
	}
	in.Close()
	out.Read(make([]byte, 1)) // the end: it is on its way out
	for p.Alive() {
	}
	if st, err := StatOf(p.PID); err != nil || st.State != 'Z' || st.Parent != os.Getpid() {
		t.Errorf("stat of a zombie: %+v, error %v", st, err)
	}
	cmd.Wait()
	if p.Alive() {
		t.Error("alive after it was reaped")
	}
}

func TestBootIDIsOne(t *testing.T) {
	t.Parallel()
	a, err := BootID()
	if b, _ := BootID(); err != nil || len(a) != 36 || a != b {
		t.Errorf("boot id %q, error %v", a, err)
	}
}

const statTail = " S 12 34 34 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 98765 1000 50 18446744073709551615 1 1 0"

func TestStatOfAnyNameIsParsed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Xvnc", "", ") S 1 (", "a b\nc", "((", "))"} {
		st, err := parseStat(fmt.Appendf(nil, "77 (%s)%s", name, statTail))
		if err != nil || st != (Stat{Name: name, State: 'S', Parent: 12, Start: 98765}) {
			t.Errorf("%q: %+v, error %v", name, st, err)
		}
	}
	for _, bad := range []string{"", "77", "77 (x", "77 )x(", "77 (x) S 1", "77 (x) SS" + statTail[2:], "77 (x) S y" + statTail[5:]} {
		if st, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was parsed: %+v", bad, st)
		}
	}
}

func FuzzStat(f *testing.F) {
	f.Add([]byte("77 (x)" + statTail))
	f.Add([]byte("1 ()) Z 0 0 0 0 0 4 0 0 0 0 0 0 0 0 0 0 0 0 1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		st, err := parseStat(data)
		if err != nil {
			return
		}
		line := fmt.Appendf(nil, "1 (%s) %s %d 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 %d", st.Name, []byte{st.State}, st.Parent, st.Start)
		again, err := parseStat(line)
		if err != nil || again != st {
			t.Fatalf("%q: %+v, then %+v, error %v", data, st, again, err)
		}
	})
}
