package spec

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// Memo remembers how files were parsed, what those of them meant that are one of many, and which token opens the
// transporter, so that a set in which one file of hundreds has changed is loaded in the time of few, and not in that of a
// bcrypt comparison. It changes nothing in what Load says. It holds the files of the newest set alone and may be used by
// several goroutines.
type Memo struct {
	mu      sync.Mutex
	docs    map[string]parsed          // by file name
	objects map[string]meant           // by file name
	conf    parsedNATS                 // the newest nats-server.conf
	opened  map[[sha256.Size]byte]bool // by both sides of a comparison
}

// mostOpened is how many comparisons are remembered: the token and the one before it, of two sets.
const mostOpened = 4

// parsed is how a file of this name and content was parsed.
type parsed struct {
	data     []byte
	doc      *syntax.Doc // nobody changes it
	problems diag.List
}

// parsedNATS is how nats-server.conf was read.
type parsedNATS struct {
	name     string
	data     []byte
	clients  int
	config   *natsconf.Config // nobody changes it
	problems diag.List
	files    []natsconf.Named
}

// nats reads nats-server.conf for a cluster of so many clients, unless it has just been read. A nil Memo remembers nothing.
func (m *Memo) nats(name string, data []byte, clients int) parsedNATS {
	if m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if c := m.conf; c.name == name && c.clients == clients && bytes.Equal(c.data, data) {
			return c
		}
	}
	c := parsedNATS{name: name, data: data, clients: clients, files: natsconf.Files(data)}
	c.config, c.problems = natsconf.ParseFor(name, data, clients)
	if m != nil {
		m.conf = c
	}
	return c
}

// meant is what a file meant, and what was wrong with it beside its syntax.
type meant struct {
	meaningOf
	value    any // nobody changes it
	problems diag.List
}

// meaningOf is all that it depends on.
type meaningOf struct {
	doc, defaults *syntax.Doc // nil = there are no defaults
	lenient       bool
}

// object is build for a file of many that takes from a file of defaults what it does not set, or what build made of
// the same before.
func object[T any](l *loader, name, defaults string, build func() T) T {
	doc, _ := l.read(name, syntax.ParseINI)
	of := meaningOf{doc, l.docs[defaults], l.lenient}
	if m, ok := l.in.Memo.object(name); ok && m.meaningOf == of {
		l.add(m.problems...)
		return m.value.(T)
	}
	begin := len(l.problems)
	value := build()
	l.in.Memo.remember(name, meant{of, value, slices.Clone(l.problems[begin:])})
	return value
}

func (m *Memo) object(name string) (meant, bool) {
	if m == nil {
		return meant{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[name]
	return o, ok
}

func (m *Memo) remember(name string, o meant) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects[name] = o
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
	gone := func(name string) bool {
		_, there := slices.BinarySearch(names, name)
		return !there
	}
	if len(m.docs) > len(names) {
		maps.DeleteFunc(m.docs, func(name string, _ parsed) bool { return gone(name) })
	}
	if len(m.objects) > len(names) {
		maps.DeleteFunc(m.objects, func(name string, _ meant) bool { return gone(name) })
	}
}

// NewMemo returns a Memo that remembers nothing yet.
func NewMemo() *Memo {
	return &Memo{docs: map[string]parsed{}, objects: map[string]meant{}, opened: map[[sha256.Size]byte]bool{}}
}
