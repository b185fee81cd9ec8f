package webserver

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

type homePage struct {
	frame
	List                sessionList
	Apps                appList
	MayStart, MayFreely bool
}

// sessionList is the list of sessions: those that live, and those that have ended.
type sessionList struct {
	*words
	Base        string
	Live, Ended []sessionCard
	All, MayAll bool
	Me          string
	MayConnect  bool // to somebody else's session
}

// Opens reports whether the viewer may open a session that lives.
func (l sessionList) Opens(c sessionCard) bool { return l.MayConnect || c.User == l.Me }

// sessionCard is a session as the list shows it.
type sessionCard struct {
	transporter.Session
	Tile    tile
	Picture bool // it may have a thumbnail
	Failed  bool
}

// JSON is the session for the page's script.
func (c sessionCard) JSON() (string, error) {
	data, err := json.Marshal(c.Session)
	return string(data), err
}

// appList are the applications that somebody may start: their favourites, then the others by category.
type appList struct {
	*words
	Base   string
	Groups []appGroup
}

type appGroup struct {
	Key   string // "" is the only one, and needs no heading
	Title string
	Apps  []appCard
}

type appCard struct {
	transporter.App
	Tile      tile
	Favourite bool
}

func (w *Webserver) home(rw http.ResponseWriter, r *http.Request) error {
	who, err := w.caller(r)
	if err != nil {
		return err
	}
	list, err := w.listFor(r, who)
	if err != nil {
		return err
	}
	apps, err := w.appListFor(r, who)
	if err != nil {
		return err
	}
	return w.render(rw, http.StatusOK, "home.html", homePage{
		frame: w.frame(r, list.T("sessions"), "home.js", who), List: list,
		Apps: apps, MayStart: who.may(transporter.ActStart), MayFreely: who.may(transporter.ActCommand),
	})
}

// fragment is the changing part of a page: what its script puts in place of the old one when
// something has changed, so that there is one way to draw it.
func fragment[T any](w *Webserver, name string, of func(*http.Request, *caller) (T, error)) func(http.ResponseWriter, *http.Request) error {
	return func(rw http.ResponseWriter, r *http.Request) error {
		who, err := w.caller(r)
		if err == nil {
			var part T
			if part, err = of(r, who); err == nil {
				return w.render(rw, http.StatusOK, name, part)
			}
		}
		w.fail(rw, r, err) // it is a script that asks
		return nil
	}
}

// listFor sorts new sessions before old.
func (w *Webserver) listFor(r *http.Request, who *caller) (sessionList, error) {
	all, err := wantsAll(r, who)
	if err != nil {
		return sessionList{}, err
	}
	sessions, err := w.sessions(r.Context(), who, all)
	slices.SortStableFunc(sessions, func(a, b transporter.Session) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(a.ID, b.ID))
	})
	list := sessionList{words: w.page.wordsFor(r), Base: w.base(), All: all, MayAll: who.may(transporter.ActAll), Me: who.User, MayConnect: who.mayConnect()}
	for _, s := range sessions {
		// Whoever sees everyone's sessions need not see what everyone is doing.
		card := sessionCard{Session: s, Tile: w.tileOfSession(s), Picture: !all && s.State == transporter.Running, Failed: failed(s)}
		if live(s) {
			list.Live = append(list.Live, card)
		} else {
			list.Ended = append(list.Ended, card)
		}
	}
	return list, err
}

// appListFor groups what the caller may start. Without their preferences there are no favourites, and
// the page is as good as ever otherwise.
func (w *Webserver) appListFor(r *http.Request, who *caller) (appList, error) {
	list := appList{words: w.page.wordsFor(r), Base: w.base()}
	apps, err := w.appsOf(r, who)
	if err != nil {
		return list, err
	}
	liked, err := w.preferencesOf(r.Context(), who, nil)
	if err != nil {
		w.o.Log.Info("a page shows no favourites", "error", err)
	}
	cards := make([]appCard, len(apps))
	for i, a := range apps {
		cards[i] = appCard{App: a, Tile: w.tileOfApp(a), Favourite: slices.Contains(liked.Favourites, a.ID)}
	}
	list.Groups = groupApps(cards, liked.Favourites, list.T("start.favourites"), list.T("start.others"))
	return list, nil
}

// groupApps puts favourites first, in their user's order, and the others under their categories.
func groupApps(cards []appCard, liked []string, favourites, others string) []appGroup {
	var first, rest []appCard
	for _, c := range cards {
		if c.Favourite {
			first = append(first, c)
		} else {
			rest = append(rest, c)
		}
	}
	slices.SortStableFunc(first, func(a, b appCard) int {
		return cmp.Compare(slices.Index(liked, a.ID), slices.Index(liked, b.ID))
	})
	slices.SortStableFunc(rest, func(a, b appCard) int { // those without a category come last
		return cmp.Or(cmp.Compare(boolToInt(a.Category == ""), boolToInt(b.Category == "")), strings.Compare(a.Category, b.Category))
	})
	var groups []appGroup
	if len(first) > 0 {
		groups = append(groups, appGroup{"favourites", favourites, first})
	}
	for _, c := range rest {
		if n := len(groups); n == 0 || groups[n-1].Key != "category:"+c.Category {
			groups = append(groups, appGroup{"category:" + c.Category, cmp.Or(c.Category, others), nil})
		}
		last := &groups[len(groups)-1]
		last.Apps = append(last.Apps, c)
	}
	if len(groups) == 1 && groups[0].Key == "category:" {
		groups[0].Key, groups[0].Title = "", ""
	}
	return groups
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
