package user

import (
	"fmt"
	"testing"
	"time"
)

var noon = time.Unix(1_700_000_000, 0)

// fails makes a wrong guess and reports whether it was looked at.
func (t *throttle) fails(name, address string, now time.Time) bool {
	_, wait := t.enter(name, address, now)
	return wait == 0
}

func TestOneAddressIsLimitedOverAllUsers(t *testing.T) {
	t.Parallel()
	th := newThrottle()
	for i := range addressPerMinute {
		if !th.fails(fmt.Sprint("user", i), "192.0.2.1", noon) {
			t.Fatalf("guess %d was refused", i)
		}
	}
	if _, wait := th.enter("another", "192.0.2.1", noon); wait != 3*time.Second {
		t.Errorf("wait %s, want 3 s", wait)
	}
	if !th.fails("another", "192.0.2.2", noon) {
		t.Error("another address is refused")
	}
	if !th.fails("another", "192.0.2.1", noon.Add(3*time.Second)) || th.fails("another", "192.0.2.1", noon.Add(3*time.Second)) {
		t.Error("after 3 s there should be exactly one more")
	}
}

func TestManyAddressesDoNotLockAPersonOut(t *testing.T) {
	t.Parallel()
	th := newThrottle()
	g, _ := th.enter("ada", "198.51.100.7", noon)
	g.forgive(noon)
	g.remember() // ada has been here before
	looked := 0
	for i := range 1000 {
		if th.fails("ada", fmt.Sprintf("192.0.2.%d", i%250), noon) {
			looked++
		}
	}
	if looked != namePerMinute {
		t.Errorf("%d guesses were looked at, want %d", looked, namePerMinute)
	}
	if th.fails("ada", "203.0.113.1", noon) {
		t.Error("yet another address was let guess")
	}
	for i := range addressPerMinute { // somebody else at ada's own address
		th.fails(fmt.Sprint("user", i), "198.51.100.7", noon)
	}
	if !th.fails("ada", "198.51.100.7", noon) {
		t.Error("ada is locked out of where she always logs in")
	}
	for range pairPerMinute {
		th.fails("ada", "198.51.100.7", noon)
	}
	if th.fails("ada", "198.51.100.7", noon) {
		t.Error("there is no limit where ada always logs in")
	}
	if !th.fails("bob", "203.0.113.1", noon) {
		t.Error("bob suffers with ada")
	}
}

func TestRefusedAttemptsAreNotCharged(t *testing.T) {
	t.Parallel()
	th := newThrottle()
	for range 1000 { // only the first few are looked at
		th.fails("ada", "192.0.2.1", noon)
	}
	if !th.fails("ada", "192.0.2.1", noon.Add(12*time.Second)) {
		t.Error("whoever keeps trying is never let in again")
	}
	for i := range addressPerMinute - pairPerMinute - 1 {
		if !th.fails(fmt.Sprint(i), "192.0.2.1", noon) {
			t.Errorf("refused attempts for ada count against %d", i)
		}
	}
}

func TestBlockOfAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.1":               "192.0.2.1",
		"192.0.2.1:443":           "192.0.2.1",
		"::ffff:192.0.2.1":        "192.0.2.1",
		"2001:db8:1:2:3:4:5:6":    "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::1":    "2001:db8:1:2::/64",
		"[2001:db8:1:2::9]:443":   "2001:db8:1:2::/64",
		"fe80::1%eth0":            "fe80::/64",
		"2001:db8:1:3::1":         "2001:db8:1:3::/64",
		"":                        "?",
		"somewhere":               "?",
		"@":                       "?",
		"192.0.2.1, 198.51.100.1": "?",
	} {
		if got := block(address); got != want {
			t.Errorf("%q counts as %q, want %q", address, got, want)
		}
	}
}

func TestMemoryOfTheThrottleIsBounded(t *testing.T) {
	t.Parallel()
	th := newThrottle()
	for i := range maxBuckets + 500 {
		address := fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff)
		g, wait := th.enter(fmt.Sprint(i), address, noon)
		if wait > 0 {
			t.Fatalf("a fresh address was refused after %d", i)
		}
		g.remember()
		th.worthNoting(address, noon)
		th.login(fmt.Sprint(i), noon)
	}
	for name, b := range map[string]*buckets{"pair": th.pair, "address": th.address, "name": th.name, "logins": th.logins, "notes": th.notes} {
		if n := len(b.by); n > maxBuckets {
			t.Errorf("%s: %d buckets, want at most %d", name, n, maxBuckets)
		}
	}
	if n := len(th.known); n != maxKnown {
		t.Errorf("%d known pairs, want %d", n, maxKnown)
	}
}

func TestFullBucketsMakeRoomFirst(t *testing.T) {
	t.Parallel()
	b := newBuckets(1)
	for i := range maxBuckets - 1 {
		b.take(fmt.Sprint(i), noon)
	}
	later := noon.Add(time.Minute)
	b.take("recent", later.Add(-time.Second))
	b.take("new", later)
	if _, ok := b.by["recent"]; !ok || len(b.by) != 2 {
		t.Errorf("%d buckets, recent one kept: %t; want 2 and true", len(b.by), ok)
	}
}

func TestClockThatGoesBackGivesNothing(t *testing.T) {
	t.Parallel()
	b := newBuckets(1)
	b.take("x", noon)
	if w := b.wait("x", noon.Add(-time.Hour)); w != time.Minute {
		t.Errorf("wait %s, want a minute", w)
	}
	if b.give("x", noon); b.wait("x", noon) != 0 {
		t.Error("what was given back is gone")
	}
	if b.give("x", noon); b.left("x", noon) != 1 {
		t.Errorf("a bucket holds %v, more than its size", b.left("x", noon))
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{1: "1 second", time.Second: "1 second", time.Second + 1: "2 seconds", time.Minute: "60 seconds"} {
		if got := seconds(d); got != want {
			t.Errorf("%d ns is %q, want %q", d, got, want)
		}
	}
}

func FuzzBlock(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "[::1]:1", "fe80::1%eth0", "::ffff:1.2.3.4%x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if b := block(s); b == "" || len(b) > 64 {
			t.Fatalf("%q counts as %q", s, b)
		}
	})
}
