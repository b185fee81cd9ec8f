package user

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

const (
	maxFavourites  = 100
	maxFavourite   = 255 // bytes: the most a file's name has
	maxFolder      = 200
	maxPreferences = 256 << 10 // bytes of a file
	maxRemembered  = 4096      // users whose preferences are kept in memory

	preferencesFile = "preferences.ini"
	// preferWait is how long a request waits for the share.
	preferWait = time.Second
	// preferQueue is how many requests wait for it.
	preferQueue = 64
)

// preferences keep what users like on the page in VAR/users/NAME/preferences.ini, so that it
// follows them across nodes. One goroutine does all reading and writing. A request waits for it for a moment
// only; when the share hangs, what was last known is the answer, and nothing can be changed.
//
// People and newer versions may write more into the file than is known here. It stays.
type preferences struct {
	dir  string
	log  *slog.Logger
	wait time.Duration
	jobs chan *preferJob

	mu    sync.Mutex
	known map[string]transporter.Preferences
	since time.Time // when the job at work began; zero when there is none
}

// preferJob is one reading, or with set one writing.
type preferJob struct {
	user string
	set  *transporter.Preferences
	done chan struct{}
	have transporter.Preferences
	err  error
}

func newPreferences(dir string, log *slog.Logger) *preferences {
	return &preferences{
		dir: dir, log: log, wait: preferWait, jobs: make(chan *preferJob, preferQueue), known: make(map[string]transporter.Preferences),
	}
}

// errShare is the answer while the share hangs.
var errShare = transporter.Errorf(transporter.Unavailable, "preferences cannot be reached at the moment; try again later")

// preferences tells the holder of a token what they prefer, or changes it. Nobody is told of anybody else's.
func (u *User) preferences(ctx context.Context, req transporter.PreferencesRequest) (transporter.Preferences, error) {
	c, err := u.identify(req.Token)
	if err != nil {
		return transporter.Preferences{}, err
	}
	if req.Set == nil {
		return u.prefers.get(ctx, c.user)
	}
	set, err := tidyPreferences(*req.Set)
	if err != nil {
		return transporter.Preferences{}, err
	}
	return u.prefers.ask(ctx, &preferJob{user: c.user, set: &set})
}

// tidyPreferences refuses what cannot be meant, and drops what is said twice.
func tidyPreferences(p transporter.Preferences) (transporter.Preferences, error) {
	out := transporter.Preferences{Favourites: []string{}}
	for _, id := range p.Favourites {
		if id == "" || len(id) > maxFavourite || strings.Contains(id, "/") || !printable(id) {
			return out, transporter.Errorf(transporter.Invalid, "%.80q is not the id of an application", id)
		}
		if !slices.Contains(out.Favourites, id) {
			out.Favourites = append(out.Favourites, id)
		}
	}
	if len(out.Favourites) > maxFavourites {
		return out, transporter.Errorf(transporter.Invalid, "there are %d favourites; at most %d are kept", len(out.Favourites), maxFavourites)
	}
	return out, nil
}

// get asks the file, or memory when that does not answer.
func (p *preferences) get(ctx context.Context, user string) (transporter.Preferences, error) {
	have, err := p.ask(ctx, &preferJob{user: user})
	if err == nil {
		return have, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.known[user]; ok {
		return known, nil
	}
	return transporter.Preferences{}, err
}

// ask has a job done, unless that would take too long.
func (p *preferences) ask(ctx context.Context, job *preferJob) (transporter.Preferences, error) {
	if p.hangs() {
		return transporter.Preferences{}, errShare
	}
	job.done = make(chan struct{})
	select {
	case p.jobs <- job:
	default:
		return transporter.Preferences{}, errShare
	}
	late := time.NewTimer(p.wait)
	defer late.Stop()
	select {
	case <-job.done:
		return job.have, job.err
	case <-late.C:
	case <-ctx.Done():
	}
	return transporter.Preferences{}, errShare
}

// hangs reports whether the job at work has taken too long already.
func (p *preferences) hangs() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.since.IsZero() && time.Since(p.since) > p.wait
}

// run is the one goroutine that touches the share, until ctx ends.
func (p *preferences) run(ctx context.Context) {
	for {
		select {
		case job := <-p.jobs:
			p.work(job)
		case <-ctx.Done():
			return
		}
	}
}

func (p *preferences) work(job *preferJob) {
	defer close(job.done)
	p.begin()
	have, err := p.carryOut(job)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = time.Time{}
	if err != nil {
		p.log.Warn("a user's preferences cannot be read or written", "user", job.user, "error", err)
		job.err = errShare
		return
	}
	if len(p.known) >= maxRemembered {
		clear(p.known)
	}
	job.have, p.known[job.user] = have, have
}

func (p *preferences) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = time.Now()
}

func (p *preferences) carryOut(job *preferJob) (transporter.Preferences, error) {
	name, err := folderOf(job.user)
	if err != nil {
		return transporter.Preferences{}, err
	}
	if job.set == nil {
		return p.read(name)
	}
	return *job.set, p.write(name, job.user, *job.set)
}

// read returns what the user's file holds. A broken line counts as absent.
func (p *preferences) read(name string) (transporter.Preferences, error) {
	none := transporter.Preferences{Favourites: []string{}}
	root, err := os.OpenRoot(p.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	defer root.Close()
	data, err := readPreferences(root, name)
	return parsePreferences(data), err
}

// readPreferences returns the text of a user's file, nothing where there is none.
func readPreferences(root *os.Root, name string) ([]byte, error) {
	path := filepath.Join(name, preferencesFile)
	switch info, err := root.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", path)
	}
	f, err := root.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxPreferences))
}

func parsePreferences(data []byte) transporter.Preferences {
	doc, _ := syntax.ParseINI(preferencesFile, data)
	p := transporter.Preferences{Favourites: []string{}}
	for _, line := range doc.Entries() {
		if !isFavourite(line) || len(p.Favourites) == maxFavourites {
			continue
		}
		one, err := tidyPreferences(transporter.Preferences{Favourites: []string{line.Value}})
		if err == nil && !slices.Contains(p.Favourites, line.Value) {
			p.Favourites = append(p.Favourites, one.Favourites...)
		}
	}
	return p
}

// isFavourite reports whether a line names a favourite, or did.
func isFavourite(l syntax.Line) bool {
	return l.Kind == syntax.Entry && l.Section == "" && l.Key == "favourites"
}

// write replaces the user's file by a rename. No symbolic link leads it out of the directory.
func (p *preferences) write(name, user string, v transporter.Preferences) error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(name, 0o700); err != nil {
		return err
	}
	before, err := readPreferences(root, name)
	if err != nil {
		return err
	}
	if len(before) == maxPreferences { // the rest was not read, and would be lost
		return fmt.Errorf("%s of %q is longer than %d bytes", preferencesFile, user, maxPreferences-1)
	}
	text, err := formatPreferences(user, before, v)
	if err != nil {
		return err
	}
	staged := filepath.Join(name, ".preferences."+ticket.NewID()) // other nodes may write too
	f, err := root.OpenFile(staged, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer root.Remove(staged) // gone already after the rename
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return root.Rename(staged, filepath.Join(name, preferencesFile))
}

// formatPreferences puts the favourites in the place of those that the file had, and else at the end of what stands
// before the first section. Every other line stays.
func formatPreferences(user string, before []byte, p transporter.Preferences) (string, error) {
	if len(before) == 0 {
		before = fmt.Appendf(nil, "# What %q likes on the page. The page writes this file; it may be edited, too.\n", user)
	}
	doc, _ := syntax.ParseINI(preferencesFile, before)
	lines := make([]string, 0, len(doc.Lines)+len(p.Favourites))
	at := -1
	for _, l := range doc.Lines {
		switch {
		case isFavourite(l):
			if at < 0 {
				at = len(lines)
			}
			continue
		case l.Kind == syntax.Section && at < 0:
			at = len(lines)
		}
		lines = append(lines, strings.TrimRight(l.Text, "\r\n")+"\n")
	}
	if at < 0 {
		at = len(lines)
	}
	var set []string
	for _, id := range p.Favourites {
		value, err := syntax.Quote(syntax.StyleINI, id)
		if err != nil {
			return "", err
		}
		set = append(set, "favourites[] = "+value+"\n")
	}
	return strings.Join(slices.Insert(lines, at, set...), ""), nil
}

// folderOf names a user's folder: the name itself where it is plain, else with %XX for
// each byte that is not. No two users share one, and none leads elsewhere.
func folderOf(user string) (string, error) {
	var b strings.Builder
	for i := range len(user) {
		c := user[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-@+", c) >= 0 || c == '.' && i > 0
		if plain {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if b.Len() == 0 || b.Len() > maxFolder {
		return "", fmt.Errorf("the user name %.80q makes no name of a folder", user)
	}
	return b.String(), nil
}
