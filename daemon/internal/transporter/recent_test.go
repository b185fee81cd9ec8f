package transporter

import (
	"fmt"
	"testing"
	"time"
)

func TestRecentAnswersARepeatedRequestOnce(t *testing.T) {
	t.Parallel()
	var got []string
	reply := func(who string) answer {
		return func(frame []byte) { got = append(got, who+"="+string(frame)) }
	}
	r := newRecent(time.Now)
	for i, tt := range []struct {
		who   string
		fresh bool
	}{{"first", true}, {"second", false}} {
		if r.begin("a", reply(tt.who)) != tt.fresh {
			t.Errorf("%d: fresh = %v", i, !tt.fresh)
		}
	}
	r.finish("a", []byte("x"))
	if r.begin("a", reply("third")) {
		t.Error("an answered request counts as new")
	}
	if want := "[first=x second=x third=x]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestRecentForgets(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	none := func([]byte) {}
	tests := []struct {
		name   string
		after  func(*recent)
		forgot bool
	}{
		{"nothing has happened", func(*recent) {}, false},
		{"just below the age", func(*recent) { now = now.Add(recentAge - 1) }, false},
		{"at the age", func(*recent) { now = now.Add(recentAge) }, true},
		{"as many as it keeps", func(r *recent) { fill(r, recentCount-1, 1) }, false},
		{"more than it keeps", func(r *recent) { fill(r, recentCount+1, 1) }, true},
		{"more bytes than it keeps", func(r *recent) { fill(r, 9, MessageLimit) }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRecent(func() time.Time { return now })
			r.begin("a", none)
			r.finish("a", []byte("x"))
			tt.after(r)
			if fresh := r.begin("a", none); fresh != tt.forgot {
				t.Errorf("forgotten = %v", fresh)
			}
		})
	}
}

// fill answers so many other requests.
func fill(r *recent, n, size int) {
	for i := range n {
		id := fmt.Sprint("other", i)
		r.begin(id, func([]byte) {})
		r.finish(id, make([]byte, size))
	}
}

func TestRecentNeverForgetsWhatRuns(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	r := newRecent(func() time.Time { return now })
	r.begin("a", func([]byte) {})
	now = now.Add(time.Hour)
	fill(r, 2*recentCount, 1)
	if r.begin("a", func([]byte) {}) {
		t.Error("a running request was forgotten")
	}
	if len(r.byID) > recentCount+2 {
		t.Errorf("%d are remembered", len(r.byID))
	}
}
