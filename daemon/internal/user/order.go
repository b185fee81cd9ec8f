package user

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// What a user may ask for at most.
const (
	maxTitle      = 128 // characters of a session's name
	maxParams     = 32
	maxParamValue = 1024
	maxCommand    = 4096
)

// defaultSize is a desktop's where nobody says another.
var defaultSize = spec.Size{Width: 1280, Height: 800}

// largest is the most that a display may have at the start without an administrator's word: one of
// 16384x16384 takes more than a GiB of memory before anything is drawn.
var largest = spec.Size{Width: 7680, Height: 4320}

var paramKey = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// order makes the complete order for what a user asks to start.
func (c caller) order(req *transporter.StartRequest) (*ticket.Order, error) {
	if err := checkStart(req); err != nil {
		return nil, err
	}
	app := spec.App{Name: title(req.Command), Command: req.Command, StartDBus: true}
	if req.App != "" {
		var err error
		if app, err = c.app(req.App); err != nil {
			return nil, err
		}
	}
	profile, err := c.profile(app)
	if err != nil {
		return nil, err
	}
	geometry, err := fit(cmp.Or(req.Geometry, app.Geometry), profile)
	if err != nil {
		return nil, err
	}
	return &ticket.Order{
		Session: req.ID, User: c.user, Account: c.account, Name: cmp.Or(req.Name, app.Name, app.ID), App: app.ID, Command: app.Command,
		Geometry: geometry, Params: req.Params, StartDBus: app.StartDBus, Clean: req.Clean,
		Profile: profile.ID, MaxGeometry: profile.MaxGeometry.String(), PerUser: profile.SessionsPerUser, Total: profile.SessionsTotal,
		Limits: limitsOf(profile),
	}, nil
}

// limitsOf are the limits that go with the session to where it runs.
func limitsOf(p spec.Profile) ticket.Limits {
	return ticket.Limits{
		Idle: p.IdleTimeout, Disconnect: p.DisconnectTimeout, Clipboard: cmp.Or(p.Clipboard, spec.Bidirectional),
		Memory: uint64(p.MemoryMax), CPU: p.CPUQuota, Tasks: p.TasksMax, IOWeight: p.IOWeight,
	}
}

// checkStart says what is wrong with a request, whoever makes it.
func checkStart(req *transporter.StartRequest) error {
	invalid := func(format string, args ...any) error {
		return transporter.Errorf(transporter.Invalid, format, args...)
	}
	switch {
	case !ticket.IsID(req.ID):
		return invalid("the session's id must have 16 digits of 0-9 and a-f")
	case req.App == "" && req.Command == "":
		return invalid("say which application or command to start")
	case req.App != "" && req.Command != "":
		return invalid("say either an application or a command, not both")
	case len(req.Command) > maxCommand || strings.ContainsAny(req.Command, "\x00\r\n") || !utf8.ValidString(req.Command):
		return invalid("a command is one line of at most %d bytes", maxCommand)
	case utf8.RuneCountInString(req.Name) > maxTitle || !printable(req.Name):
		return invalid("a name has at most %d printable characters", maxTitle)
	case len(req.Params) > maxParams:
		return invalid("there are %d parameters; at most %d are allowed", len(req.Params), maxParams)
	}
	for key, value := range req.Params {
		if !paramKey.MatchString(key) {
			return invalid("a parameter's name has 1 to 64 letters, digits, dots, hyphens and underscores; %.80q has not", key)
		}
		if len(value) > maxParamValue || strings.ContainsRune(value, 0) || !utf8.ValidString(value) {
			return invalid("the value of the parameter %q must be text of at most %d bytes", key, maxParamValue)
		}
	}
	return nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// title names a session after its command's program.
func title(command string) string {
	words := strings.Fields(command)
	if len(words) == 0 {
		return ""
	}
	name := []rune(filepath.Base(words[0]))
	name = slices.DeleteFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
	return string(name[:min(len(name), maxTitle)])
}

// app finds an application that the caller may start. Only those are suggested.
func (c caller) app(id string) (spec.App, error) {
	var ids []string
	for _, a := range c.config.Apps {
		switch {
		case !c.maySee(a) && a.ID == id:
			return spec.App{}, transporter.Errorf(transporter.Forbidden, "the application %q is for certain groups only; ask an administrator", id)
		case a.ID == id:
			return a, nil
		case c.maySee(a):
			ids = append(ids, a.ID)
		}
	}
	hint := "; see the list of applications"
	if near := spec.Suggest(id, ids); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return spec.App{}, transporter.Errorf(transporter.NotFound, "there is no application %.80q%s", id, hint)
}

// profile is the one the application names, else the default one, which need not exist.
func (c caller) profile(app spec.App) (spec.Profile, error) {
	id := cmp.Or(app.Profile, "default")
	for _, p := range c.config.Profiles {
		if p.ID == id {
			return p, nil
		}
	}
	if app.Profile != "" {
		return spec.Profile{}, transporter.Errorf(transporter.Internal,
			"the application %q names the profile %q, which does not exist; an administrator has to correct apps/%s.ini", app.ID, id, app.ID)
	}
	return spec.Profile{ID: id}, nil
}

// fit checks a geometry and holds it against the profile's limit. Only where
// nobody asked for a size does the limit choose one.
func fit(geometry string, p spec.Profile) (string, error) {
	switch geometry {
	case spec.Rootless:
		return geometry, nil
	case "":
		if defaultSize.Exceeds(p.MaxGeometry) {
			return p.MaxGeometry.String(), nil
		}
		return defaultSize.String(), nil
	}
	size, err := spec.ParseSize(geometry)
	if err != nil {
		return "", transporter.Errorf(transporter.Invalid, "%.80q is not a geometry; write WIDTHxHEIGHT such as 1280x800 with sides of 16 pixels or more, or rootless", geometry)
	}
	if size.Exceeds(largest) && p.MaxGeometry == (spec.Size{}) {
		return "", transporter.Errorf(transporter.Limit,
			"the geometry %s is over %s, the most where no profile says otherwise; ask for a smaller one, or an administrator to set max_geometry in performance/%s.ini", size, largest, p.ID)
	}
	if size.Exceeds(p.MaxGeometry) {
		return "", transporter.Errorf(transporter.Limit,
			"the geometry %s is over the limit %s; ask for a smaller one, or an administrator to raise max_geometry in performance/%s.ini", size, p.MaxGeometry, p.ID)
	}
	return size.String(), nil
}
