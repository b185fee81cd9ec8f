package daemon_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// Name is the node's name, as it stands in the list of nodes.
func (n *node) Name() string {
	n.t.Helper()
	var list struct{ Nodes []struct{ Node string } }
	n.Await("the node is listed", func() error {
		if status := n.Call(n.Token(), "GET", "/api/v1/nodes", nil, &list); status != 200 || len(list.Nodes) != 1 {
			return fmt.Errorf("status %d, %d nodes", status, len(list.Nodes))
		}
		return nil
	})
	return list.Nodes[0].Node
}

// past are the node's newest generations; config is its part of the API.
func (n *node) past(config string) []transporter.Generation {
	n.t.Helper()
	var page struct{ Generations []transporter.Generation }
	if status := n.Call(n.Token(), "GET", config+"/history", nil, &page); status != 200 {
		n.t.Fatalf("history: status %d", status)
	}
	return page.Generations
}

// TestALogLevelIsSetByItsFile sets a level over the API, finds it in the file with the comments kept, in the
// history with who it was, and in the audit log; and is told what to write where the file cannot be written.
func TestALogLevelIsSetByItsFile(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.Write("loglevel.ini", "# ours, do not touch\n\n** = info\n; the noisy one\nmanager = warn\n", 0o640)
	n.Start()
	config := "/api/v1/nodes/" + url.PathEscape(n.Name()) + "/config"
	first := n.past(config)[0].Generation

	var done struct {
		File, Outcome string
		Generation    int
		Levels        map[string]string
	}
	body := map[string]any{"levels": map[string]string{"launcher": "debug", "manager": ""}}
	if status := n.Call(n.Token(), "PUT", "/api/v1/loglevel", body, &done); status != 200 || done.Outcome != "applied" || done.Levels["launcher"] != "debug" {
		t.Fatalf("status %d, %+v", status, done)
	}
	text, err := os.ReadFile(n.path("config", "loglevel.ini"))
	if err != nil || string(text) != "# ours, do not touch\n\n** = info\nlauncher = debug\n; the noisy one\n" && string(text) != "# ours, do not touch\n\n** = info\n; the noisy one\nlauncher = debug\n" {
		t.Errorf("the file holds %q, %v", text, err)
	}
	if info, err := os.Stat(n.path("config", "loglevel.ini")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the file's mode: %v, %v", info, err)
	}
	newest := n.past(config)[0]
	if newest.Origin != "loglevel by "+n.User || newest.Generation != done.Generation || strings.Join(newest.Changed, " ") != "loglevel.ini" {
		t.Errorf("the history says %+v", newest)
	}
	n.sameDiff(config, first, newest.Generation)
	var levels struct {
		Nodes []struct{ Levels map[string]string }
	}
	n.Await("the node to tell", func() error {
		n.Call(n.Token(), "GET", "/api/v1/loglevel", nil, &levels)
		if l := levels.Nodes[0].Levels; l["launcher"] != "debug" || l["webserver"] != "" {
			return fmt.Errorf("it says %v", l)
		}
		return nil
	})
	n.Await("the audit log", func() error {
		log, _ := os.ReadFile(n.path("local", "audit.log"))
		if !strings.Contains(string(log), `"detail":"launcher = debug, manager = (none)"`) {
			return fmt.Errorf("it holds %s", log)
		}
		return nil
	})
	n.refusesLevels()
}

// sameDiff finds the same difference over the API and the command line.
func (n *node) sameDiff(config string, from, to int) {
	n.t.Helper()
	var diff struct{ Files []transporter.FileDiff }
	n.Call(n.Token(), "GET", fmt.Sprintf("%s/diff?from=%d&to=%d", config, from, to), nil, &diff)
	if len(diff.Files) != 1 || diff.Files[0].Name != "loglevel.ini" || !strings.Contains(diff.Files[0].Diff, "+launcher = debug\n") {
		n.t.Errorf("the difference is %+v", diff)
	}
	out, errs, code := n.Ctl("config", "diff", fmt.Sprint(from), fmt.Sprint(to))
	if code != 0 || out != diff.Files[0].Diff {
		n.t.Errorf("fastxctl says %q %q (%d)", out, errs, code)
	}
}

// refusesLevels tries what cannot be written.
func (n *node) refusesLevels() {
	n.t.Helper()
	for _, c := range []struct {
		levels map[string]string
		status int
		says   string
	}{
		{nil, 400, "say which component"},
		{map[string]string{"lancher": "debug"}, 400, "there is no component"},
		{map[string]string{"launcher": "loud"}, 400, "loud"},
		{map[string]string{"x = y\nuser": "info"}, 400, "there is no component"},
	} {
		var failure struct {
			Error struct{ Message, Detail string }
		}
		status := n.Call(n.Token(), "PUT", "/api/v1/loglevel", map[string]any{"levels": c.levels}, &failure)
		if status != c.status || !strings.Contains(failure.Error.Message+failure.Error.Detail, c.says) {
			n.t.Errorf("%v: %d %+v", c.levels, status, failure)
		}
	}
	path := n.path("config", "loglevel.ini")
	if err := os.Rename(path, n.path("elsewhere.ini")); err != nil {
		n.t.Fatal(err)
	}
	if err := os.Symlink(n.path("elsewhere.ini"), path); err != nil { // as a ConfigMap has it
		n.t.Fatal(err)
	}
	var failure struct {
		Error struct{ Code, Message, Detail string }
	}
	status := n.Call(n.Token(), "PUT", "/api/v1/loglevel", map[string]any{"levels": map[string]string{"user": "error"}}, &failure)
	if e := failure.Error; status != 409 || !strings.Contains(e.Message, "put this text there yourself") ||
		!strings.Contains(e.Detail, "# ours, do not touch\n") || !strings.Contains(e.Detail, "user = error\n") {
		n.t.Errorf("a file that cannot be written: %d %+v", status, failure)
	}
}

// TestTheHistoryTellsNoSecret reads a generation over the API and the command line.
func TestTheHistoryTellsNoSecret(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	config := "/api/v1/nodes/" + url.PathEscape(n.Name()) + "/config"
	newest := n.past(config)[0].Generation
	var g struct{ Files []transporter.GenerationFile }
	if status := n.Call(n.Token(), "GET", fmt.Sprintf("%s/generations/%d", config, newest), nil, &g); status != 200 {
		t.Fatalf("status %d", status)
	}
	out, errs, code := n.Ctl("config", "show", fmt.Sprint(newest))
	if code != 0 {
		t.Fatalf("fastxctl: %q (%d)", errs, code)
	}
	seen := false
	for _, f := range g.Files {
		seen = seen || f.Name == "htpasswd"
		if strings.Contains(f.Text, "$2") || !strings.Contains(out, "==> "+f.Name+" <==") {
			t.Errorf("%s: %q, or fastxctl does not show it", f.Name, f.Text)
		}
	}
	if !seen || strings.Contains(out, "$2") {
		t.Errorf("htpasswd is shown: %v; fastxctl says %s", seen, out)
	}
	if out, _, code := n.Ctl("config", "log"); code != 0 || !regexp.MustCompile(fmt.Sprintf(`(?m)^%d .*start .*htpasswd`, newest)).MatchString(out) {
		t.Errorf("fastxctl config log says %q (%d)", out, code)
	}
	if _, errs, code := n.Ctl("config", "diff", "1", "777"); code != 1 || !strings.Contains(errs, "generation 777 is not recorded") {
		t.Errorf("a generation that is not there: %q (%d)", errs, code)
	}
}

// TestAMessageReachesTheViewers sends one over the API and one from the command line, to a session and to
// all, and drains the node by its name.
func TestAMessageReachesTheViewers(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	s := n.StartSession(map[string]any{"app": "xterm"})
	n.AwaitState(s.ID, transporter.Running)
	said := n.hear("message")
	if status := n.Call(n.Token(), "POST", "/api/v1/sessions/"+s.ID+"/message", map[string]string{"text": "noon is near"}, nil); status != 200 {
		t.Fatalf("status %d", status)
	}
	if got := <-said; !strings.HasPrefix(got, `{"session":"`+s.ID+`","text":"noon is near","from":"ann","at":"`) {
		t.Errorf("viewers hear %s", got)
	}
	if out, errs, code := n.Ctl("sessions", "message", "--all", "--user", "ops", "it", "is", "noon"); code != 0 {
		t.Fatalf("fastxctl: %q %q (%d)", out, errs, code)
	}
	if got := <-said; !strings.HasPrefix(got, `{"session":"","text":"it is noon","from":"ops"`) {
		t.Errorf("viewers hear %s", got)
	}
	name := n.Name()
	for _, step := range []struct {
		verb  string
		drain bool
	}{{"drain", true}, {"undrain", false}} {
		if out, errs, code := n.Ctl("nodes", step.verb, name); code != 0 {
			t.Fatalf("%s: %q %q (%d)", step.verb, out, errs, code)
		}
		var list struct{ Nodes []struct{ Drain bool } }
		n.Call(n.Token(), "GET", "/api/v1/nodes", nil, &list)
		if list.Nodes[0].Drain != step.drain {
			t.Errorf("after %s the node is drained: %v", step.verb, !step.drain)
		}
	}
	if _, errs, code := n.Ctl("nodes", "drain", "nowhere"); code != 1 || !strings.Contains(errs, `there is no node "nowhere"`) {
		t.Errorf("a node that there is not: %q (%d)", errs, code)
	}
}

// hear listens to events of a kind until the test ends.
func (n *node) hear(kind string) <-chan string {
	n.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	n.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", n.URL+"/api/v1/events", nil)
	if err != nil {
		n.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+n.Token())
	resp, err := n.Client.Do(req)
	if err != nil || resp.StatusCode != 200 {
		n.t.Fatalf("events: %v, %v", resp, err)
	}
	said := make(chan string, 16)
	go func() {
		defer resp.Body.Close()
		for lines, name := bufio.NewScanner(resp.Body), ""; lines.Scan(); {
			if v, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = v
			}
			if v, ok := strings.CutPrefix(lines.Text(), "data: "); ok && name == kind {
				said <- v
			}
		}
	}()
	return said
}
