package user

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// nameService knows accounts, all of them of the group people.
type nameService struct {
	mu      sync.Mutex
	lines   map[string]string
	down    error
	hold    chan struct{} // while it is there, look-ups wait until it is closed
	lookups int
}

func newNameService() *nameService {
	return &nameService{lines: map[string]string{"group 100": "people:x:100:\n"}}
}

func (ns *nameService) add(name string, uid int, groups ...string) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.lines["passwd "+name] = fmt.Sprintf("%s:x:%d:100::/home/%[1]s:/bin/sh\n", name, uid)
	ids := name
	for _, g := range groups {
		id := fmt.Sprint(1000 + len(ns.lines))
		ns.lines["group "+id], ids = g+":x:"+id+":\n", ids+" "+id
	}
	ns.lines["initgroups "+name] = ids + "\n"
}

func (ns *nameService) alias(alias, name string) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.lines["passwd "+alias] = ns.lines["passwd "+name]
}

func (ns *nameService) change(f func()) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	f()
}

func (ns *nameService) lookup(ctx context.Context, database, key string) ([]byte, error) {
	ns.mu.Lock()
	hold := ns.hold
	ns.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.lookups++
	return []byte(ns.lines[database+" "+key]), ns.down
}

// annIsIn has the account ann logged in by the machine.
func annIsIn(t *testing.T) (*nameService, *rig, transporter.LoginReply) {
	t.Helper()
	ns := newNameService()
	ns.add("ann", 5001)
	r, _ := withMachine(t, ns)
	reply, err := r.enter("ann")
	if err != nil {
		t.Fatal(err)
	}
	return ns, r, reply
}

func TestWhatIsKnownOfAnAccountIsAnsweredFromMemory(t *testing.T) {
	t.Parallel()
	ns, r, reply := annIsIn(t)
	groups := func() string {
		who, err := r.who(reply.Token)
		if err != nil {
			return err.Error()
		}
		return strings.Join(who.Groups, " ")
	}
	ns.change(func() { ns.hold = make(chan struct{}) })
	r.clock.move(2 * residentAge)
	if got := groups(); got != "people" {
		t.Fatalf("while the name service hangs, ann is in %q", got)
	}
	ns.add("ann", 5001, "wheel")
	ns.change(func() { close(ns.hold); ns.hold = nil })
	until(t, "ann is in wheel", func() bool { return groups() == "people wheel" })

	ns.change(func() { ns.down = errors.New("the directory is down") })
	r.clock.move(2 * residentAge)
	groups()
	until(t, "that the directory is down is logged", func() bool { return strings.Contains(r.said.String(), "the directory is down") })
	if got := groups(); got != "people wheel" {
		t.Errorf("while the directory is down, ann is in %q", got)
	}

	ns.change(func() { ns.down = nil })
	ns.add("ann", 5001, "out")
	r.clock.move(2 * residentAge)
	until(t, "ann, in a group that is kept out, is refused", func() bool { return strings.Contains(groups(), "may no longer log in") })
}

func TestAnAccountThatIsGoneOrAnotherLosesItsLogin(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*nameService){
		"gone":    func(ns *nameService) { ns.change(func() { delete(ns.lines, "passwd ann") }) },
		"another": func(ns *nameService) { ns.add("ann", 6001) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns, r, reply := annIsIn(t)
			change(ns)
			r.clock.move(2 * residentAge)
			until(t, "the login is refused", func() bool {
				_, err := r.who(reply.Token)
				return code(err) == transporter.Unauthorized
			})
		})
	}
}

func TestAfterAStartTheNameServiceIsWaitedForButNotForLong(t *testing.T) {
	t.Parallel()
	ns := newNameService()
	ns.add("ann", 5001)
	ns.hold = make(chan struct{})
	rs := newResidents(ns.lookup, time.Now, newRig(t).log)
	rs.wait = time.Millisecond
	_, err := rs.Lookup("ann")
	wantError(t, err, transporter.Unavailable, "does not answer")
	rs.wait = time.Hour
	close(ns.hold)
	if groups, err := rs.Lookup("ann"); err != nil || !slices.Equal(groups, []string{"people"}) {
		t.Errorf("ann is in %v, %v", groups, err)
	}
	if _, err := rs.Lookup("bob"); !errors.Is(err, ErrGone) {
		t.Errorf("bob, who is not there: %v", err)
	}
}

func TestAccountsThatNoLoginIsOfAreForgotten(t *testing.T) {
	t.Parallel()
	ns := newNameService()
	ns.add("ann", 5001)
	r, _ := withMachine(t, ns)
	if _, err := r.enter("ann"); err != nil {
		t.Fatal(err)
	}
	r.people.forgetOld()
	if len(r.people.known) != 1 {
		t.Error("ann is forgotten at once")
	}
	r.clock.move(13 * time.Hour)
	r.people.forgetOld()
	if len(r.people.known) != 0 {
		t.Error("ann is never forgotten")
	}
}
