package user

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

const (
	// syncEvery is how soon a node learns of a logout whose news did not reach it.
	syncEvery = time.Minute
	// maxRevokedFile is far more than all logins of a token's lifetime take.
	maxRevokedFile = 64 << 20
)

// revocations are the tokens that are no longer good though not expired. Memory is
// what counts; the file VAR/tokens/revoked.json makes it outlive the process and reach
// nodes that were away. All nodes write the same file: each adds what it lacks and takes
// over what it holds, so whatever order they write in, all end with all of it. Nodes of another
// version may write there, too: what they say beyond what is known here stays as it stands.
type revocations struct {
	path string
	now  func() time.Time
	log  *slog.Logger

	mu    sync.Mutex
	until map[string]time.Time

	dirty  chan struct{} // holds one when there is something to write
	loaded chan struct{} // closed after the first look at the file
	ended  chan struct{} // closed when run has written what was left
	said   string        // the last complaint, so that it is made once
}

func newRevocations(path string, now func() time.Time, log *slog.Logger) *revocations {
	return &revocations{
		path: path, now: now, log: log, until: make(map[string]time.Time), dirty: make(chan struct{}, 1), loaded: make(chan struct{}), ended: make(chan struct{}),
	}
}

// has reports whether a token was revoked.
func (r *revocations) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.until[id]
	return ok
}

// add revokes a token; it gets to the file soon.
func (r *revocations) add(v transporter.Revocation) {
	if !r.merge(v) {
		return
	}
	select {
	case r.dirty <- struct{}{}:
	default:
	}
}

// heard is what another node says.
func (r *revocations) heard(v transporter.Revocation) { r.add(v) }

// merge takes over what is well-formed and still of use, and reports whether any was new.
func (r *revocations) merge(vs ...transporter.Revocation) bool {
	added := false
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range vs {
		if _, have := r.until[v.TokenID]; have || !ticket.IsID(v.TokenID) || !r.matters(v.Expires) {
			continue
		}
		r.until[v.TokenID] = v.Expires
		added = true
	}
	return added
}

// matters reports whether what expires then is still of use, and can be true.
func (r *revocations) matters(expires time.Time) bool {
	now := r.now()
	return now.Before(expires) && !expires.After(now.Add(spec.TokenLifetime+time.Hour)) // the other node's clock may differ
}

// run is the one goroutine that touches the file, until ctx ends and what is left is written.
func (r *revocations) run(ctx context.Context) {
	defer close(r.ended)
	t := time.NewTicker(syncEvery)
	defer t.Stop()
	r.sync()
	close(r.loaded)
	for {
		select {
		case <-r.dirty:
		case <-t.C:
		case <-ctx.Done():
			r.sync() // dirty may be set as well
			return
		}
		r.sync()
	}
}

func (r *revocations) sync() {
	err := r.exchange()
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if problem != "" && problem != r.said {
		r.log.Error("the list of revoked tokens is kept in memory only", "error", err)
	}
	r.said = problem
}

// exchange takes over what the file holds, and writes it when it lacks something.
func (r *revocations) exchange() error {
	inFile, err := r.read()
	if err != nil {
		return err
	}
	have := make(map[string]bool, len(inFile))
	for _, v := range inFile {
		r.merge(v.Revocation)
		have[v.TokenID] = true
	}
	next := slices.DeleteFunc(inFile, func(v revoked) bool { return !r.matters(v.Expires) })
	kept := len(next)
	for _, v := range r.live() {
		if !have[v.TokenID] {
			next = append(next, revoked{Revocation: v})
		}
	}
	if len(next) == kept {
		return nil
	}
	slices.SortStableFunc(next, func(a, b revoked) int { return strings.Compare(a.TokenID, b.TokenID) })
	return r.write(next)
}

// revoked is an entry of the file. One that was read is written again as it stood.
type revoked struct {
	transporter.Revocation
	text json.RawMessage // nil = it was not read
}

// UnmarshalJSON keeps the text.
func (v *revoked) UnmarshalJSON(text []byte) error {
	v.text = bytes.Clone(text)
	return json.Unmarshal(text, &v.Revocation)
}

// MarshalJSON gives the text back.
func (v revoked) MarshalJSON() ([]byte, error) {
	if v.text != nil {
		return v.text, nil
	}
	return json.Marshal(v.Revocation)
}

// live drops what has expired and returns the rest.
func (r *revocations) live() []transporter.Revocation {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.until, func(_ string, exp time.Time) bool { return !now.Before(exp) })
	all := make([]transporter.Revocation, 0, len(r.until))
	for id, exp := range r.until {
		all = append(all, transporter.Revocation{TokenID: id, Expires: exp})
	}
	return all
}

// read returns what the file holds. A broken one counts as empty: it is about to be
// replaced by what this and the other nodes remember.
func (r *revocations) read() ([]revoked, error) {
	f, err := os.Open(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRevokedFile))
	if err != nil {
		return nil, err
	}
	list, err := parseRevoked(data)
	if err != nil {
		r.log.Warn("the list of revoked tokens is broken and will be written again", "file", r.path, "error", err)
	}
	return list, nil
}

func parseRevoked(data []byte) ([]revoked, error) {
	var list []revoked
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("reading it: %w", err)
	}
	return list, nil
}

// write replaces the file by a rename.
func (r *revocations) write(all []revoked) error {
	data, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(r.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".revoked.*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already after the rename
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), r.path)
}
