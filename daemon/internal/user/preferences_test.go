package user

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// like changes what the holder of a token prefers.
func (r *rig) like(token string, ids ...string) (transporter.Preferences, error) {
	return r.preferences(r.t.Context(), transporter.PreferencesRequest{Token: token, Set: &transporter.Preferences{Favourites: ids}})
}

func (r *rig) likes(token string) []string {
	r.t.Helper()
	p, err := r.preferences(r.t.Context(), transporter.PreferencesRequest{Token: token})
	if err != nil {
		r.t.Fatal(err)
	}
	return p.Favourites
}

// TestPreferencesFollowTheirUser changes them on one node and reads them on another, over a share. They
// are each user's own, and stand in a file that people can read and write.
func TestPreferencesFollowTheirUser(t *testing.T) {
	t.Parallel()
	one := newRig(t, on(newHub(t)))
	two := newRig(t, on(newHub(t)), shares(one.dirs.Var))
	one.run()
	two.run()
	fred := one.token("fred")
	if got := one.likes(fred); got == nil || len(got) != 0 {
		t.Errorf("at first there are %v", got)
	}
	if _, err := one.like(fred, "xterm", "lab #1", "xterm"); err != nil {
		t.Fatal(err)
	}
	if got := two.likes(two.token("fred")); !slices.Equal(got, []string{"xterm", "lab #1"}) {
		t.Errorf("the other node knows %v", got)
	}
	if got := two.likes(two.token("lea")); len(got) != 0 {
		t.Errorf("another user likes %v", got)
	}
	file := filepath.Join(one.dirs.Var, "users", "fred", "preferences.ini")
	data, err := os.ReadFile(file)
	want := "# What \"fred\" likes on the page. The page writes this file; it may be edited, too.\nfavourites[] = xterm\nfavourites[] = \"lab #1\"\n"
	if err != nil || string(data) != want {
		t.Errorf("the file holds %q (%v)", data, err)
	}
	edited := "favourites = editor\n[other]\nfavourites[] = no\nfavourites[] = ../x\nnonsense\n"
	if err := os.WriteFile(file, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := one.likes(fred); !slices.Equal(got, []string{"editor"}) {
		t.Errorf("an edited file means %v", got)
	}
	left, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the file there is %v (%v)", left, err)
	}
}

// TestWhatOthersWroteIntoAFileOfPreferencesStays changes favourites in files that people and a newer version have written to.
func TestWhatOthersWroteIntoAFileOfPreferencesStays(t *testing.T) {
	t.Parallel()
	r := newRig(t, on(newHub(t)))
	r.run()
	token, file := r.token("fred"), filepath.Join(r.dirs.Var, "users", "fred", "preferences.ini")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	const above, below = "# mine\nsort = newest\n", "; more\n\n[view]\nfavourites = of the view\nzoom = 2\nwhatever\n"
	for _, was := range []string{above + "favourites[] = old\n" + below + "\n", above + below, above + "favourites = a\nfavourites = b\n" + below} {
		if err := os.WriteFile(file, []byte(was), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, ids := range [][]string{{"xterm", "lab #1"}, {}, {"editor"}} {
			if _, err := r.like(token, ids...); err != nil {
				t.Fatal(err)
			}
			if got := r.likes(token); !slices.Equal(got, ids) {
				t.Errorf("fred likes %v, want %v", got, ids)
			}
			data, err := os.ReadFile(file)
			rest := slices.DeleteFunc(strings.SplitAfter(string(data), "\n"), func(l string) bool { return strings.HasPrefix(l, "favourites[]") })
			if got := strings.TrimSpace(strings.Join(rest, "")); err != nil || got != strings.TrimSpace(above+below) {
				t.Errorf("of\n%s\nthis is left (%v):\n%s", was, err, data)
			}
		}
	}
	if err := os.WriteFile(file, []byte(strings.Repeat("#\n", maxPreferences)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := r.like(token, "xterm")
	wantError(t, err, transporter.Unavailable, "")
	if info, err := os.Stat(file); err != nil || info.Size() != 2*maxPreferences {
		t.Errorf("a file that is too long is not left alone: %v, %v", info, err)
	}
}

func TestPreferencesAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, on(newHub(t)))
	r.run()
	token := r.token("fred")
	many := make([]string, maxFavourites+1)
	for i := range many {
		many[i] = "app" + strings.Repeat("x", i)
	}
	for name, ids := range map[string][]string{
		"empty": {""}, "a path": {"../xterm"}, "a line break": {"a\nb"}, "too long": {strings.Repeat("x", maxFavourite+1)}, "too many": many, "bad bytes": {"\xff"},
	} {
		_, err := r.like(token, ids...)
		wantError(t, err, transporter.Invalid, "")
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	_, err := r.like("no token", "xterm")
	wantError(t, err, transporter.Unauthorized, "")
	if got := r.likes(token); len(got) != 0 {
		t.Errorf("what was refused is kept: %v", got)
	}
}

// TestAShareThatHangsKeepsNobodyWaiting has a share that does not answer: what was known is told, nothing can be
// changed, and after the first nobody waits.
func TestAShareThatHangsKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.prefers.wait = 20 * time.Millisecond
	r.prefers.known["fred"] = transporter.Preferences{Favourites: []string{"xterm"}}
	fred := r.token("fred")
	if got := r.likes(fred); !slices.Equal(got, []string{"xterm"}) { // nobody runs: like a goroutine that hangs
		t.Errorf("fred likes %v", got)
	}
	_, err := r.like(fred, "lab")
	wantError(t, err, transporter.Unavailable, "try again later")
	_, err = r.preferences(t.Context(), transporter.PreferencesRequest{Token: r.token("lea")})
	wantError(t, err, transporter.Unavailable, "")
	r.prefers.wait = 10 * time.Minute // whoever waited now would wait too long for this test
	r.prefers.since = time.Now().Add(-time.Hour)
	if got := r.likes(fred); !slices.Equal(got, []string{"xterm"}) {
		t.Errorf("fred likes %v", got)
	}
	r.prefers.since = time.Time{}
	for len(r.prefers.jobs) < cap(r.prefers.jobs) {
		r.prefers.jobs <- &preferJob{}
	}
	_, err = r.like(fred, "lab")
	wantError(t, err, transporter.Unavailable, "")
}

// TestNoNameLeadsOutOfTheFolder has names and links that try to.
func TestNoNameLeadsOutOfTheFolder(t *testing.T) {
	t.Parallel()
	for user, want := range map[string]string{
		"ann": "ann", "a.b@c-d_e+1": "a.b@c-d_e+1", "..": "%2E.", "../ann": "%2E.%2Fann", ".hidden": "%2Ehidden", "a/b": "a%2Fb", "ä b": "%C3%A4%20b", "a%2Fb": "a%252Fb", "\x00": "%00",
	} {
		if got, err := folderOf(user); got != want || err != nil {
			t.Errorf("%q: %q, %v", user, got, err)
		}
	}
	for _, user := range []string{"", strings.Repeat("a", maxFolder+1), strings.Repeat("/", 100)} {
		if got, err := folderOf(user); err == nil {
			t.Errorf("%q becomes %q", user, got)
		}
	}
	r := newRig(t, on(newHub(t)))
	r.run()
	elsewhere, users := t.TempDir(), filepath.Join(r.dirs.Var, "users")
	if err := os.Mkdir(users, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(users, "fred")); err != nil {
		t.Fatal(err)
	}
	_, err := r.like(r.token("fred"), "xterm")
	wantError(t, err, transporter.Unavailable, "")
	if left, _ := os.ReadDir(elsewhere); len(left) != 0 {
		t.Errorf("a link led to %v", left)
	}
	if err := os.WriteFile(filepath.Join(elsewhere, "preferences.ini"), []byte("favourites = stolen\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := r.preferences(t.Context(), transporter.PreferencesRequest{Token: r.token("fred")}); err == nil {
		t.Errorf("a link was followed: %v", p)
	}
}
