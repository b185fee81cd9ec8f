package spec

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// DefaultProfile is the profile of applications that name none.
const DefaultProfile = "default"

// Bidirectional is the clipboard of profiles that say nothing of it.
const Bidirectional = "bidirectional"

// ProfileOf returns an application's session profile; without limits when there is no such file.
func (c *Config) ProfileOf(a App) Profile {
	id := a.Profile
	if id == "" {
		id = DefaultProfile
	}
	if i := slices.IndexFunc(c.Profiles, func(p Profile) bool { return p.ID == id }); i >= 0 {
		return c.Profiles[i]
	}
	return Profile{ID: id}
}

// App finds an application by its id.
func (c *Config) App(id string) (App, bool) {
	i := slices.IndexFunc(c.Apps, func(a App) bool { return a.ID == id })
	if i < 0 {
		return App{}, false
	}
	return c.Apps[i], true
}

// profiles reads performance/*.ini; default.ini holds what the others do not set.
func (l *loader) profiles() {
	var base Profile
	const defaults = "performance/default.ini"
	l.decode(defaults, profileFile, &base)
	for _, name := range l.filesOf(profileFile) {
		p := base
		p.ID = idOf(name)
		if Object(name) {
			p = object(l, name, defaults, func() Profile {
				l.overlay(name, profileFile, &p)
				return p
			})
		}
		l.cfg.Profiles = append(l.cfg.Profiles, p)
	}
}

// apps reads apps/*.ini; default.ini holds what the others do not set.
func (l *loader) apps() {
	var base App
	const defaults = "apps/default.ini"
	l.decode(defaults, appFile, &base)
	for _, name := range l.filesOf(appFile) {
		if !Object(name) {
			continue
		}
		l.cfg.Apps = append(l.cfg.Apps, object(l, name, defaults, func() App {
			a := base
			a.ID, a.Name = idOf(name), idOf(name)
			l.overlay(name, appFile, &a)
			return a
		}))
	}
}

// filesOf lists the names of a kind's files, sorted.
func (l *loader) filesOf(pattern string) []string {
	var out []string
	literal, _, _ := strings.Cut(pattern, "*")
	for _, f := range l.in.Set.Sub(literal) {
		if ok, _ := path.Match(pattern, f.Name); ok {
			out = append(out, f.Name)
		}
	}
	return out
}

func idOf(name string) string { return strings.TrimSuffix(path.Base(name), ".ini") }

// checkApps holds each application against its profile.
func (l *loader) checkApps() {
	for _, a := range l.cfg.Apps {
		name := "apps/" + a.ID + ".ini"
		if f, _ := l.in.Set.Lookup(name); f.Err != nil {
			continue
		}
		if a.Command == "" && !l.hasErrors(name) {
			l.at(name, syntax.Line{}, diag.Error, "missing", "command", "is missing", "write the command that the application runs")
		}
		if l.in.Alone {
			continue
		}
		l.checkProfile(name, a)
		l.checkFits(name, a)
	}
}

// hasErrors reports whether a file has errors so far: what seems missing may stand in a broken line.
func (l *loader) hasErrors(file string) bool {
	return slices.ContainsFunc(l.problems, func(d diag.Diagnostic) bool { return d.File == file && d.Severity == diag.Error })
}

// own returns the line that sets a key in the application's own file. What the defaults
// set is reported for the file as a whole: it is this application that does not fit.
func (l *loader) own(name, key string) syntax.Line {
	if doc := l.docs[name]; doc != nil {
		return find(doc, "", key)
	}
	return syntax.Line{}
}

func (l *loader) checkProfile(name string, a App) {
	if a.Profile == "" || a.Profile == DefaultProfile {
		return
	}
	var ids []string
	for _, p := range l.cfg.Profiles {
		ids = append(ids, p.ID)
	}
	if !slices.Contains(ids, a.Profile) {
		l.at(name, l.own(name, "profile"), diag.Error, "unknown-profile", "profile", fmt.Sprintf("there is no profile %s", show(a.Profile)),
			didYouMean(a.Profile, ids, "write performance/"+a.Profile+".ini"))
	}
}

func (l *loader) checkFits(name string, a App) {
	p := l.cfg.ProfileOf(a)
	if p.MaxGeometry == (Size{}) {
		return
	}
	size, err := ParseSize(a.Geometry)
	if err != nil || !size.Exceeds(p.MaxGeometry) {
		return
	}
	l.at(name, l.own(name, "geometry"), diag.Error, "over-limit", "geometry",
		fmt.Sprintf("%s is larger than the %s of profile %s", size, p.MaxGeometry, p.ID),
		"make it smaller, or raise max_geometry in performance/"+p.ID+".ini")
}
