package webserver

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// adminPaths are the pages for administrators that can be signed in to.
var adminPaths = []string{"/admin/sessions", "/admin/nodes", "/admin/config"}

func (w *Webserver) adminPages() map[string]func(http.ResponseWriter, *http.Request) error {
	return map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /admin/sessions":                   w.everyonePage,
		"GET /admin/nodes":                      w.nodesPage,
		"GET /admin/config":                     w.configPage,
		"GET /admin/config/{node}":              w.historyPage,
		"GET /admin/config/{node}/diff":         w.diffPage,
		"GET /admin/config/{node}/{generation}": w.generationPage,
		"GET /fragments/admin/sessions":         fragment(w, "everyone", w.everyone),
		"GET /fragments/admin/nodes":            fragment(w, "nodes", w.nodeList),
		"GET /fragments/admin/config":           fragment(w, "config", w.configState),
	}
}

// navItem is a way to one of the pages.
type navItem struct {
	Path, Key string
	Here      bool
}

// navigation leads to what somebody may see; who sees only the sessions of their own needs none.
func navigation(base, path string, who *caller) []navItem {
	items := []navItem{{Path: "/", Key: "nav.mine"}}
	for _, i := range []struct {
		act  transporter.Action
		item navItem
	}{
		{transporter.ActAll, navItem{Path: "/admin/sessions", Key: "nav.everyone"}},
		{transporter.ActNodes, navItem{Path: "/admin/nodes", Key: "nav.nodes"}},
		{transporter.ActConfig, navItem{Path: "/admin/config", Key: "nav.config"}},
	} {
		if who.may(i.act) {
			items = append(items, i.item)
		}
	}
	if len(items) == 1 {
		return nil
	}
	for i := range items {
		own := base + items[i].Path
		items[i].Here = path == own || items[i].Path != "/" && strings.HasPrefix(path, own+"/")
		items[i].Path = own
	}
	return items
}

// silentAfter is how old a node's last word has to be for it to count as not heard of, as the manager sees it.
const silentAfter = 15 * time.Second

type nodesPage struct {
	frame
	List nodeList
}

type nodeList struct {
	*words
	Base                      string
	Nodes                     []nodeView
	Sessions, Drained, Silent int
	MayDrain, MayConfig       bool
}

// nodeView is a node as the page shows it.
type nodeView struct {
	transporter.Node
	Age      time.Duration
	Silent   bool
	Launches bool // it has a launcher, and so can be drained
}

// State is the key of the state's name.
func (n nodeView) State() string {
	switch {
	case n.Silent:
		return "silent"
	case n.Drain:
		return "drained"
	default:
		return "up"
	}
}

// MemUsed is how many bytes of its memory are in use.
func (n nodeView) MemUsed() uint64 { return n.Load.MemTotal - min(n.Load.MemFree, n.Load.MemTotal) }

// Busy reports whether more wants to run than there are cores.
func (n nodeView) Busy() bool { return n.Load.Load1 >= float64(n.Load.Cores) && n.Load.Load1 > 0 }

// Full reports whether little memory is left.
func (n nodeView) Full() bool { return n.MemUsed() > n.Load.MemTotal/10*9 }

func (w *Webserver) nodesPage(rw http.ResponseWriter, r *http.Request) error {
	who, err := w.caller(r)
	if err != nil {
		return err
	}
	list, err := w.nodeList(r, who)
	if err != nil {
		return err
	}
	return w.render(rw, http.StatusOK, "admin-nodes.html", nodesPage{w.frame(r, list.T("nav.nodes"), "nodes.js", who), list})
}

func (w *Webserver) nodeList(r *http.Request, who *caller) (nodeList, error) {
	known, err := w.as(who).Nodes(r.Context(), transporter.ActNodes)
	l := nodeList{words: w.page.wordsFor(r), Base: w.base(), MayDrain: who.may(transporter.ActDrain), MayConfig: who.may(transporter.ActConfig)}
	for _, n := range known {
		v := nodeView{Node: n, Age: max(w.o.Now().Sub(n.Heard), 0), Launches: slices.Contains(n.Services, "launcher")}
		v.Silent = v.Age > silentAfter
		l.Nodes = append(l.Nodes, v)
		l.Sessions += n.Sessions
		if v.Drain {
			l.Drained++
		}
		if v.Silent {
			l.Silent++
		}
	}
	return l, err
}

// maxShown is how many sessions one page shows; a filter finds the others.
const maxShown = 200

type everyonePage struct {
	frame
	List       everyoneList
	MayMessage bool
}

// everyoneList is everyone's sessions, as far as they pass the filter.
type everyoneList struct {
	*words
	Base                string
	Sessions            []transporter.Session
	User, State, Node   string // what is filtered by; "" is anything
	Users, Nodes        []string
	States              []transporter.State
	Found, All          int
	Me                  string
	MayConnect, MayTell bool
}

func (w *Webserver) everyonePage(rw http.ResponseWriter, r *http.Request) error {
	who, err := w.caller(r)
	if err != nil {
		return err
	}
	list, err := w.everyone(r, who)
	if err != nil {
		return err
	}
	return w.render(rw, http.StatusOK, "admin-sessions.html", everyonePage{
		w.frame(r, list.T("nav.everyone"), "everyone.js", who), list, who.may(transporter.ActBroadcast),
	})
}

func (w *Webserver) everyone(r *http.Request, who *caller) (everyoneList, error) {
	q := r.URL.Query()
	l := everyoneList{
		words: w.page.wordsFor(r), Base: w.base(), User: clip(q.Get("user"), 256), State: clip(q.Get("state"), 16), Node: clip(q.Get("node"), maxNodeName), Me: who.User,
		States:     []transporter.State{transporter.Pending, transporter.Starting, transporter.Running, transporter.Unknown, transporter.Ended},
		MayConnect: who.mayConnect(), MayTell: who.may(transporter.ActBroadcast),
	}
	if !who.may(transporter.ActAll) {
		return l, errNotAllowed
	}
	all, err := w.sessions(r.Context(), who, true)
	l.All = len(all)
	for _, s := range all {
		l.Users, l.Nodes = append(l.Users, s.User), append(l.Nodes, s.Node)
		if l.passes(s) {
			l.Sessions = append(l.Sessions, s)
		}
	}
	l.Users, l.Nodes = distinct(l.Users), distinct(append(l.Nodes, l.Node))
	slices.SortStableFunc(l.Sessions, livelyFirst)
	l.Found = len(l.Sessions)
	l.Sessions = l.Sessions[:min(l.Found, maxShown)]
	return l, err
}

// passes reports whether the filter lets a session pass: part of its user's name, its state, its node.
func (l everyoneList) passes(s transporter.Session) bool {
	return strings.Contains(strings.ToLower(s.User), strings.ToLower(strings.TrimSpace(l.User))) &&
		(l.State == "" || l.State == string(s.State)) && (l.Node == "" || l.Node == s.Node)
}

// distinct are the names, sorted, each once, without the empty one.
func distinct(names []string) []string {
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(s string) bool { return s == "" })
}

// stamp is a time for a <time> element.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// seconds are those of an age, for the script that counts on.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*10) / 10 }

// short is the beginning of a digest that people compare by eye.
func short(digest string) string {
	_, hex, _ := strings.Cut(digest, ":")
	return clip(hex, 10)
}

// gib is a memory size as administrators compare nodes.
func gib(n uint64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<30)) }
