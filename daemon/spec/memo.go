package spec

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strconv"
	"sync"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// Memo remembers how files were parsed and which token opens the transporter, so that a set in which one file of hundreds
// has changed is loaded in the time of one, and not in that of a bcrypt comparison. It changes nothing in what Load says. It holds
// the files of the newest set alone and may be used by several goroutines.
type Memo struct {
	mu     sync.Mutex
	docs   map[string]parsed          // by file name
	opened map[[sha256.Size]byte]bool // by both sides of a comparison
}

// mostOpened is how many comparisons are remembered: the token and the one before it, of two sets.
const mostOpened = 4

// parsed is how a file of this name and content was parsed.
type parsed struct {
	data     []byte
	doc      *syntax.Doc // nobody changes it
	problems diag.List
}

// parse is parse, or what it said of the same file before. A nil Memo remembers nothing.
func (m *Memo) parse(name string, data []byte, parse func(string, []byte) (*syntax.Doc, diag.List)) (*syntax.Doc, diag.List) {
	if m == nil {
		return parse(name, data)
	}
	m.mu.Lock()
	p, ok := m.docs[name]
	m.mu.Unlock()
	if !ok || !bytes.Equal(p.data, data) {
		p = parsed{data: data}
		p.doc, p.problems = parse(name, data)
		m.mu.Lock()
		m.docs[name] = p
		m.mu.Unlock()
	}
	return p.doc, slices.Clone(p.problems)
}

// opens is conf.Opens, or what it said of the same token before.
func (m *Memo) opens(conf *natsconf.Config, token string) bool {
	if m == nil {
		return conf.Opens(token)
	}
	asked := string(conf.Authorization.Token)
	id := sha256.Sum256([]byte(strconv.Itoa(len(asked)) + asked + token))
	m.mu.Lock()
	opens, known := m.opened[id]
	m.mu.Unlock()
	if known {
		return opens
	}
	opens = conf.Opens(token)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.opened) >= mostOpened {
		clear(m.opened)
	}
	m.opened[id] = opens
	return opens
}

// keep forgets the files that are not in a set.
func (m *Memo) keep(names []string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.docs) <= len(names) {
		return
	}
	for name := range m.docs {
		if _, there := slices.BinarySearch(names, name); !there {
			delete(m.docs, name)
		}
	}
}

// NewMemo returns a Memo that remembers nothing yet.
func NewMemo() *Memo {
	return &Memo{docs: map[string]parsed{}, opened: map[[sha256.Size]byte]bool{}}
}
