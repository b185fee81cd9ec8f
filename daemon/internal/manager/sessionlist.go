package manager

import "github.com/fastx-kit/fastx-kit/daemon/internal/transporter"

// sessionList is what one node's launcher has told of its sessions.
//
// Whole lists and single news carry numbers of one count, and may overtake each other:
// each says how things are as of its number, so the higher number wins, session by session.
type sessionList struct {
	whole   bool   // this instance has told its whole list
	seq     uint64 // the number of that list
	entries map[string]entry
	parts   parts
}

// entry is one session as of a number. One that is gone is remembered until a whole
// list confirms it, so that an older message does not bring it back.
type entry struct {
	session transporter.Session
	seq     uint64
	gone    bool
	stale   bool // told by an instance that is no more
}

// parts collects the parts of one list, which may come in any order.
type parts struct {
	seq  uint64
	got  map[int][]transporter.Session
	want int // how many there are, 0 as long as it is unknown
}

// renew makes ready for another instance's count. What the one before told stays, as stale.
func (l *sessionList) renew() {
	l.whole, l.seq, l.parts = false, 0, parts{}
	for id, e := range l.entries {
		if e.gone {
			delete(l.entries, id)
			continue
		}
		l.entries[id] = entry{session: e.session, stale: true}
	}
}

// part takes in one part of a whole list, and reports whether that completed it.
func (l *sessionList) part(p transporter.SessionsOf) bool {
	if p.Seq < l.parts.seq || l.whole && p.Seq <= l.seq {
		return false
	}
	if l.parts.got == nil || p.Seq > l.parts.seq {
		l.parts = parts{seq: p.Seq, got: map[int][]transporter.Session{}}
	}
	l.parts.got[p.Part] = p.Sessions
	if p.Last {
		l.parts.want = p.Part + 1
	}
	if len(l.parts.got) != l.parts.want {
		return false
	}
	l.replace(p.Seq, l.parts.got)
	return true
}

// replace puts a whole list in the place of everything that is not newer.
func (l *sessionList) replace(seq uint64, got map[int][]transporter.Session) {
	l.whole, l.seq, l.parts = true, seq, parts{}
	next := map[string]entry{}
	for _, sessions := range got {
		for _, s := range sessions {
			next[s.ID] = entry{session: s, seq: seq}
		}
	}
	for id, e := range l.entries {
		if e.seq > seq {
			next[id] = e
		}
	}
	l.entries = next
}

// news takes in one session's change, and reports whether it was one.
func (l *sessionList) news(n transporter.SessionNews) bool {
	if l.whole && n.Seq <= l.seq || n.Seq <= l.entries[n.Session.ID].seq {
		return false
	}
	if l.entries == nil {
		l.entries = map[string]entry{}
	}
	l.entries[n.Session.ID] = entry{session: n.Session, seq: n.Seq, gone: n.Gone}
	return true
}

// yield forgets of a node that is over what another lists as its own: that is the same machine, by the name it has now.
func (l *sessionList) yield(to sessionList) {
	for id := range to.entries {
		delete(l.entries, id)
	}
}

// amend takes in what the launcher answered about a session, ahead of its news, under the
// number that is known: whatever is told later counts more.
func (l *sessionList) amend(s transporter.Session, gone bool) {
	if e, ok := l.entries[s.ID]; ok {
		l.entries[s.ID] = entry{session: s, seq: e.seq, gone: gone}
	}
}

// get returns a session that is not gone.
func (l *sessionList) get(id string) (entry, bool) {
	e, ok := l.entries[id]
	return e, ok && !e.gone
}
