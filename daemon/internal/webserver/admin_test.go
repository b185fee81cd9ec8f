package webserver

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// remember gives thisNode a history of two generations.
func (f *fake) remember() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.past = []transporter.Generation{
		{Generation: 2, When: time.Now().Add(-time.Hour), Origin: "ann", Changed: []string{"apps/x.ini"}},
		{Generation: 1, When: time.Now().Add(-48 * time.Hour), Origin: "start", Changed: []string{"apps/x.ini", "fastx.env"}},
	}
	f.files = []transporter.GenerationFile{{Name: "apps/x.ini", Text: "name = X\n"}, {Name: "fastx.env", Text: "A=1\n", Cut: true}}
	f.diffs = []transporter.FileDiff{
		{Name: "apps/x.ini", Change: "changed", Diff: "diff --git a/config/apps/x.ini b/config/apps/x.ini\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n name = X\n-command = x\n+command = y\n"},
		{Name: "apps/y.ini", Change: "added", Diff: "@@ -0,0 +1 @@\n+name = Y\n", Cut: true},
	}
}

// TestWhoMayAdminister goes through every new call and page as everybody there is, with a
// bearer token, and then with the page's cookie and a wrong CSRF token.
func TestWhoMayAdminister(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fake.remember()
	s := w.fake.add(transporter.Session{User: "ann"})
	gone := w.login("lim")
	w.fake.people["dis"] = transporter.Identity{User: "dis", May: full}
	disabled := w.login("dis")
	w.fake.mu.Lock()
	delete(w.fake.people, "dis") // as the user component has it for who was disabled
	w.fake.mu.Unlock()
	w.do("POST", "/api/v1/logout", nil, bearer(gone)).want(t, 200)
	tokens := []string{"", gone, disabled, w.login("lim"), w.login("ann"), w.login("mia"), w.login("boss")}
	node := "/api/v1/nodes/" + thisNode + "/config"
	api := []int{401, 401, 401, 403, 403, 403, 200}
	for _, c := range []struct {
		method, path string
		body         any
		status       []int // anonymous, signed out, disabled, limited, full, manager, admin
	}{
		{"GET", node + "/history", nil, api},
		{"GET", node + "/generations/2", nil, api},
		{"GET", node + "/diff?from=1&to=2", nil, api},
		{"GET", "/api/v1/loglevel", nil, api},
		{"PUT", "/api/v1/loglevel", map[string]any{"levels": map[string]string{"user": "warn"}}, api},
		{"POST", "/api/v1/message", text{"x"}, []int{401, 401, 401, 403, 403, 200, 200}},
		{"POST", "/api/v1/sessions/" + s.ID + "/message", text{"x"}, []int{401, 401, 401, 404, 200, 200, 200}}, // of ann
		{"GET", "/fragments/admin/nodes", nil, api},
		{"GET", "/fragments/admin/config", nil, api},
		{"GET", "/fragments/admin/sessions", nil, []int{401, 401, 401, 403, 403, 200, 200}},
	} {
		for i, token := range tokens {
			a := w.do(c.method, c.path, c.body, bearer(token))
			if a.StatusCode != c.status[i] {
				t.Errorf("%s %s as %d: status %d, want %d: %s", c.method, c.path, i, a.StatusCode, c.status[i], a.body)
			}
			if a.StatusCode >= 400 {
				a.code(t)
			}
		}
		if c.method != "GET" {
			boss := w.login("boss")
			for _, csrf := range []string{"", "0123"} {
				w.do(c.method, c.path, c.body, cookie("__Host-fastx", boss), header("X-CSRF-Token", csrf)).want(t, 403).code(t)
			}
			right := (&caller{token: boss}).csrf()
			w.do(c.method, c.path, c.body, cookie("__Host-fastx", boss), header("X-CSRF-Token", right)).want(t, 200)
		}
	}
}

func TestPagesOfAdministrators(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fake.remember()
	pages := []string{"/admin/sessions", "/admin/nodes", "/admin/config", "/admin/config/" + thisNode, "/admin/config/" + thisNode + "/2", "/admin/config/" + thisNode + "/diff?from=1&to=2"}
	for user, status := range map[string][]int{
		"lim": {403, 403, 403, 403, 403, 403}, "ann": {403, 403, 403, 403, 403, 403},
		"mia": {200, 403, 403, 403, 403, 403}, "boss": {200, 200, 200, 200, 200, 200},
	} {
		c := cookie("__Host-fastx", w.login(user))
		for i, path := range pages {
			w.do("GET", path, nil, c).want(t, status[i])
		}
	}
	for i, path := range pages {
		a := w.do("GET", path, nil).want(t, 200)
		if back := strings.Contains(a.body, `name="next" value="`+path+`"`); back != (i < 3) {
			t.Errorf("%s: after signing in one comes back: %v", path, back)
		}
	}
}

// TestTheNavigationLeadsWhereOneMayGo reads which ways each level is shown.
func TestTheNavigationLeadsWhereOneMayGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for user, want := range map[string]int{"lim": 0, "ann": 0, "mia": 2, "boss": 4} {
		body := w.do("GET", "/", nil, cookie("__Host-fastx", w.login(user))).want(t, 200).body
		ways := 0
		for _, path := range []string{"/", "/admin/sessions", "/admin/nodes", "/admin/config"} {
			if strings.Contains(body, `<a href="`+path+`" aria-current="page">`) || strings.Contains(body, `<a href="`+path+`">`) {
				ways++
			}
		}
		if ways != want {
			t.Errorf("%s is shown %d ways, want %d", user, ways, want)
		}
	}
}

func TestHistoryIsReadInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for n := 120; n > 0; n-- {
		w.fake.past = append(w.fake.past, transporter.Generation{Generation: n, Origin: "watch"})
	}
	boss := bearer(w.login("boss"))
	seen, before, pages := 0, "", 0
	for more := true; more; pages++ {
		a := w.do("GET", "/api/v1/nodes/"+thisNode+"/config/history"+before, nil, boss).want(t, 200)
		page := into[struct {
			Node        string
			Generations []transporter.Generation
			More        bool
		}](t, a)
		seen += len(page.Generations)
		more = page.More
		before = fmt.Sprintf("?before=%d", page.Generations[len(page.Generations)-1].Generation)
	}
	if seen != 120 || pages != 3 {
		t.Errorf("%d generations on %d pages", seen, pages)
	}
	old := w.do("GET", "/admin/config/"+thisNode, nil, cookie("__Host-fastx", w.login("boss"))).want(t, 200).body
	if !strings.Contains(old, `?before=71"`) {
		t.Error("the page does not lead to older generations")
	}
}

func TestAGenerationComesWithAllItsFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fake.remember()
	a := w.do("GET", "/api/v1/nodes/"+thisNode+"/config/generations/2", nil, bearer(w.login("boss"))).want(t, 200)
	g := into[struct {
		Node string
		transporter.Generation
		Files []transporter.GenerationFile
	}](t, a)
	if len(g.Files) != 2 || g.Files[1].Name != "fastx.env" || !g.Files[1].Cut || g.Origin != "ann" {
		t.Errorf("the generation is %+v", g)
	}
	d := into[comparison](t, w.do("GET", "/api/v1/nodes/"+thisNode+"/config/diff?from=1&to=2", nil, bearer(w.login("boss"))).want(t, 200))
	if len(d.Files) != 2 || d.Files[1].Change != "added" {
		t.Errorf("the difference is %+v", d)
	}
	w.fake.past[0].Changed, w.fake.files = nil, nil
	for _, path := range []string{"generations/2", "diff?from=2&to=2", "history"} {
		if a := w.do("GET", "/api/v1/nodes/"+thisNode+"/config/"+path, nil, bearer(w.login("boss"))).want(t, 200); strings.Contains(a.body, `"files":null`) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}

// TestAdministratorsMistakes asks for what there is not and what makes no sense.
func TestAdministratorsMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fake.remember()
	boss := bearer(w.login("boss"))
	s := w.fake.add(transporter.Session{User: "ann"})
	node, long := "/api/v1/nodes/"+thisNode+"/config", strings.Repeat("n", 300)
	for _, c := range []struct {
		method, path string
		body         any
		status       int
		says         string
	}{
		{"GET", node + "/history?before=0", nil, 400, "before"},
		{"GET", node + "/history?before=-3", nil, 400, "before"},
		{"GET", node + "/history?before=99999999999999999999", nil, 400, "before"},
		{"GET", node + "/history?limit=0", nil, 400, "limit"},
		{"GET", node + "/history?limit=201", nil, 400, "from 1 to 200"},
		{"GET", node + "/history?limit=x", nil, 400, "limit"},
		{"GET", node + "/generations/0", nil, 400, "generation"},
		{"GET", node + "/generations/1e3", nil, 400, "generation"},
		{"GET", node + "/generations/99999999999999999999", nil, 400, "generation"},
		{"GET", node + "/generations/9", nil, 404, "generation 9 is not recorded"},
		{"GET", node + "/diff", nil, 400, "from"},
		{"GET", node + "/diff?from=1", nil, 400, `\"to\"`},
		{"GET", node + "/diff?from=1&to=2147483648", nil, 400, `\"to\"`},
		{"GET", "/api/v1/nodes/nowhere/config/history", nil, 404, `there is no node \"nowhere\"`},
		{"GET", "/api/v1/nodes/nowhere/config/generations/1", nil, 404, "there is no node"},
		{"GET", "/api/v1/nodes/nowhere/config/diff?from=1&to=2", nil, 404, "there is no node"},
		{"GET", "/api/v1/nodes/" + long + "/config/history", nil, 404, "there is no node"},
		{"POST", "/api/v1/nodes/" + long + "/drain", nil, 404, "there is no node"},
		{"GET", "/api/v1/nodes/a%2Fb%3E*/config/history", nil, 404, "there is no node"},
		{"GET", "/api/v1/nodes/bare/config/history", nil, 503, "nobody answers on node bare"},
		{"PUT", "/api/v1/loglevel", map[string]any{"node": "bare", "levels": map[string]string{"user": "warn"}}, 503, "node bare"},
		{"PUT", "/api/v1/loglevel", map[string]any{"node": "nowhere", "levels": map[string]string{"user": "warn"}}, 404, "there is no node"},
		{"PUT", "/api/v1/loglevel", map[string]any{"node": long, "levels": map[string]string{"user": "warn"}}, 404, "there is no node"},
		{"PUT", "/api/v1/loglevel", `{"levels":["x"]}`, 400, "levels"},
		{"PUT", "/api/v1/loglevel", `{"level":{}}`, 400, "unknown field"},
		{"POST", "/api/v1/message", text{}, 400, "empty"},
		{"POST", "/api/v1/message", text{"  "}, 400, "empty"},
		{"POST", "/api/v1/message", text{strings.Repeat("é", 501)}, 400, "501 characters"},
		{"POST", "/api/v1/message", text{"two\nlines"}, 400, "one line"},
		{"POST", "/api/v1/message", text{"turn \u202e round"}, 400, "printable"},
		{"POST", "/api/v1/message", text{"\x1b[31m"}, 400, "printable"},
		{"POST", "/api/v1/message", `{"text":7}`, 400, "string"},
		{"POST", "/api/v1/sessions/" + s.ID + "/message", text{strings.Repeat("x", 501)}, 400, "501 characters"},
		{"POST", "/api/v1/sessions/0000000000000000/message", text{"x"}, 404, "no such session"},
		{"POST", "/api/v1/sessions/no-id/message", text{"x"}, 404, "no such session"},
	} {
		a := w.do(c.method, c.path, c.body, boss).want(t, c.status)
		if a.code(t); !strings.Contains(a.body, c.says) {
			t.Errorf("%s %.80s: %s does not say %s", c.method, c.path, a.body, c.says)
		}
	}
	w.do("POST", "/api/v1/message", text{strings.Repeat("é", 500)}, boss).want(t, 200)
	page := cookie("__Host-fastx", w.login("boss"))
	for path, status := range map[string]int{
		"/admin/config/nowhere": 404, "/admin/config/bare": 503, "/admin/config/" + thisNode + "/9": 404, "/admin/config/" + thisNode + "/x": 400,
		"/admin/config/" + thisNode + "/diff": 400, "/admin/config/" + thisNode + "?before=x": 400, "/admin/nowhere": 404,
	} {
		w.do("GET", path, nil, page).want(t, status)
	}
}

func TestALogLevelIsWrittenOrTheTextIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	boss := bearer(w.login("boss"))
	body := map[string]any{"levels": map[string]string{"launcher": "", "user": "warn"}}
	reply := into[struct {
		Node, File, Outcome string
		Generation          int
		Levels              map[string]string
	}](t, w.do("PUT", "/api/v1/loglevel", body, boss).want(t, 200))
	if reply.Node != thisNode || reply.Levels["user"] != "warn" || reply.Generation != 4 {
		t.Errorf("the answer is %+v", reply)
	}
	nodes := into[struct{ Nodes []nodeLevels }](t, w.do("GET", "/api/v1/loglevel", nil, boss).want(t, 200)).Nodes
	if len(nodes[0].Levels) != 0 || nodes[1].Levels["user"] != "warn" || nodes[1].Levels["launcher"] != "" {
		t.Errorf("the nodes log %+v", nodes)
	}
	w.fake.failing("loglevel", &transporter.Error{Code: transporter.Conflict, Message: "fastxd cannot write it", Detail: "user = warn\n"})
	if a := w.do("PUT", "/api/v1/loglevel", body, boss).want(t, 409); !strings.Contains(a.body, `"detail":"user = warn\n"`) {
		t.Errorf("the answer does not say what to write: %s", a.body)
	}
}

// nastyWorld has a name that would be a script wherever an administrator's page shows one.
func nastyWorld(t *testing.T) *world {
	w := newWorld(t, nil)
	w.fake.others = []transporter.Node{{Beat: transporter.Beat{
		Node: nasty, Version: nasty, Services: []string{nasty, "launcher"}, Metadata: map[string]string{nasty: nasty},
		Config: transporter.ConfigState{Generation: 1, Digest: nasty, Shared: "x:" + nasty, Problems: diag.List{
			{File: nasty, Line: 1, Col: 1, Key: nasty, Severity: diag.Error, Code: nasty, Summary: nasty, Remedy: nasty}}},
		Levels: map[string]string{nasty: nasty},
	}, Heard: time.Now()}}
	w.fake.past = []transporter.Generation{{Generation: 1, Origin: nasty, Changed: []string{nasty}}}
	w.fake.files = []transporter.GenerationFile{{Name: nasty, Text: "</pre>" + nasty}}
	w.fake.diffs = []transporter.FileDiff{{Name: nasty, Change: "changed", Diff: "@@ " + nasty + " @@\n+</span></pre>" + nasty + "\n-" + nasty + "\n"}}
	w.fake.add(transporter.Session{User: nasty, Name: nasty, Node: nasty, Geometry: nasty, Reason: nasty})
	return w
}

func TestNothingOnAdministratorsPagesIsMarkup(t *testing.T) {
	t.Parallel()
	w := nastyWorld(t)
	boss := cookie("__Host-fastx", w.login("boss"))
	q := url.QueryEscape(nasty)
	for _, path := range []string{
		"/admin/nodes", "/admin/sessions", "/admin/sessions?user=" + q + "&state=" + q + "&node=" + q, "/admin/config", "/admin/config/" + thisNode,
		"/admin/config/" + thisNode + "/1", "/admin/config/" + thisNode + "/diff?from=1&to=2", "/admin/config/" + url.PathEscape(nasty),
		"/fragments/admin/nodes", "/fragments/admin/sessions", "/fragments/admin/config",
	} {
		a := w.do("GET", path, nil, boss)
		if !strings.Contains(a.Header.Get("Content-Type"), "text/html; charset=utf-8") {
			t.Errorf("%s is %s", path, a.Header.Get("Content-Type"))
		}
		if strings.Contains(a.body, "<img src=x") || strings.Contains(a.body, "<script>") || strings.Contains(a.body, `"'>`) || strings.Contains(a.body, "</pre>"+nasty[:3]) {
			t.Errorf("%s: a name became markup: %s", path, a.body)
		}
		if !strings.Contains(a.body, "&lt;script&gt;") {
			t.Errorf("%s does not show the name", path)
		}
	}
}

func TestNodesAreCountedAndTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fake.others = []transporter.Node{
		{Beat: transporter.Beat{Node: "n2", Services: []string{"launcher"}, Drain: true, Max: 40}, Sessions: 3, Heard: time.Now()},
		{Beat: transporter.Beat{Node: "n3", Services: []string{"webserver"}}, Heard: time.Now().Add(-time.Minute)},
	}
	body := w.do("GET", "/admin/nodes", nil, cookie("__Host-fastx", w.login("boss"))).want(t, 200).body
	for _, part := range []string{"4 nodes", "3 sessions", "1 drained", "1 without word", `class="card node drained" data-key="n2"`,
		`class="card node silent" data-key="n3"`, "3 of at most 40", `data-undrain="n2"`, `data-age="60`, "It has not been heard of"} {
		if !strings.Contains(body, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	if strings.Contains(body, `rain="n3"`) {
		t.Error("a node without a launcher can be drained")
	}
}

func TestNodesThatRunOtherFilesStandOut(t *testing.T) {
	t.Parallel()
	of := func(name, shared string, accepted bool, problems ...diag.Diagnostic) transporter.Node {
		return transporter.Node{Beat: transporter.Beat{Node: name, Config: transporter.ConfigState{Shared: shared, Accepted: accepted, Problems: problems}}}
	}
	warn := diag.Diagnostic{File: "b.ini", Line: 2, Severity: diag.Warning, Summary: "old"}
	bad := diag.Diagnostic{File: "c.ini", Severity: diag.Error, Summary: "broken"}
	s := newConfigState(nil, "", []transporter.Node{of("a", "1", true, warn), of("b", "2", true, warn), of("c", "2", false, bad, warn)})
	if !s.Differ || !s.Nodes[0].Odd || s.Nodes[1].Odd || s.Nodes[2].Odd || s.Rejected != 1 {
		t.Errorf("the state is %+v", s)
	}
	if len(s.Problems) != 2 || s.Problems[0].Summary != "broken" || s.Problems[0].All || !s.Problems[1].All || s.Problems[1].Where() != "b.ini:2" {
		t.Errorf("the problems are %+v", s.Problems)
	}
	if same := newConfigState(nil, "", []transporter.Node{of("a", "1", true), of("b", "1", true)}); same.Differ {
		t.Error("equal nodes differ")
	}
}

func TestEveryonesSessionsAreFiltered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fake.add(transporter.Session{User: "ann", Name: "first"})
	w.fake.add(transporter.Session{User: "Anna", Name: "second", Node: "n2"})
	w.fake.add(transporter.Session{User: "bob", Name: "third", State: transporter.Ended, Reason: "over"})
	mia := cookie("__Host-fastx", w.login("mia"))
	for query, want := range map[string][]string{
		"": {"first", "second", "third"}, "?user=ANN": {"first", "second"}, "?node=n2": {"second"}, "?state=ended": {"third"},
		"?state=running&user=bob": {}, "?node=elsewhere": {},
	} {
		body := w.do("GET", "/fragments/admin/sessions"+query, nil, mia).want(t, 200).body
		for _, name := range []string{"first", "second", "third"} {
			if strings.Contains(body, "<h2>"+name) != slices.Contains(want, name) {
				t.Errorf("%q: shows %s: %v", query, name, !slices.Contains(want, name))
			}
		}
	}
	page := w.do("GET", "/admin/sessions", nil, mia).want(t, 200).body
	if strings.Contains(page, ">Show<") || !strings.Contains(page, "Message to everyone") {
		t.Error("a manager is offered a display, or no message")
	}
}

func TestAVeryLongListIsCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for range maxShown + 5 {
		w.fake.add(transporter.Session{User: "ann"})
	}
	body := w.do("GET", "/fragments/admin/sessions", nil, cookie("__Host-fastx", w.login("boss"))).want(t, 200).body
	if n := strings.Count(body, "<li class=\"card one"); n != maxShown || !strings.Contains(body, "The first 200 of 205 sessions") {
		t.Errorf("%d are shown", n)
	}
}

func TestADiffIsShownLineByLine(t *testing.T) {
	t.Parallel()
	lines := diffLines("diff --git a/x b/x\nindex 1..2\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n same\n-old\n+new\n\\ No newline at end of file\n")
	want := []diffLine{{"place", "@@ -1 +1 @@"}, {"", " same"}, {"removed", "-old"}, {"added", "+new"}, {"", "\\ No newline at end of file"}}
	if !slices.Equal(lines, want) {
		t.Errorf("the lines are %q", lines)
	}
}
