package user

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fastx-kit/fastx-kit/daemon/internal/generation"
	"github.com/fastx-kit/fastx-kit/daemon/internal/ticket"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

func profiles(c *spec.Config) {
	c.Profiles = []spec.Profile{
		{ID: "default", MaxGeometry: spec.Size{Width: 1920, Height: 1080}, SessionsPerUser: 3, SessionsTotal: 50},
		{ID: "free"},
		{ID: "tiny", MaxGeometry: spec.Size{Width: 640, Height: 480}, SessionsPerUser: 1, IdleTimeout: time.Minute, DisconnectTimeout: time.Hour,
			Clipboard: "disabled", MemoryMax: 1 << 28, CPUQuota: 50, TasksMax: 100, IOWeight: 10},
	}
	c.Apps = append(c.Apps,
		spec.App{ID: "small", Command: "s", Profile: "tiny"},
		spec.App{ID: "toolarge", Command: "t", Profile: "tiny", Geometry: "800x600"},
		spec.App{ID: "wall", Command: "w", Profile: "free", Geometry: "7680x4320"},
		spec.App{ID: "zombie", Command: "z", Profile: "missing"},
	)
}

func TestOrderIsComplete(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.reconfigure(profiles)
	token := r.token("fred")
	params := map[string]string{"lang": "de", "A.b-c_9": ""}
	for name, c := range map[string]struct {
		req  transporter.StartRequest
		want ticket.Order
	}{
		"an app as it is": {
			transporter.StartRequest{App: "xterm"},
			ticket.Order{Name: "Terminal", App: "xterm", Command: "xterm", Geometry: "800x600", StartDBus: true, Profile: "default", MaxGeometry: "1920x1080", PerUser: 3, Total: 50},
		},
		"an app with wishes": {
			transporter.StartRequest{App: "xterm", Geometry: "1920x1080", Name: "my ☕ shell", Params: params},
			ticket.Order{Name: "my ☕ shell", App: "xterm", Command: "xterm", Geometry: "1920x1080", Params: params, StartDBus: true, Profile: "default", MaxGeometry: "1920x1080", PerUser: 3, Total: 50},
		},
		"a rootless app": {
			transporter.StartRequest{App: "editor"},
			ticket.Order{Name: "Editor", App: "editor", Command: "gedit", Geometry: "rootless", Profile: "default", MaxGeometry: "1920x1080", PerUser: 3, Total: 50},
		},
		"a desktop app made rootless": {
			transporter.StartRequest{App: "xterm", Geometry: "rootless"},
			ticket.Order{Name: "Terminal", App: "xterm", Command: "xterm", Geometry: "rootless", StartDBus: true, Profile: "default", MaxGeometry: "1920x1080", PerUser: 3, Total: 50},
		},
		"a command": {
			transporter.StartRequest{Command: "/usr/bin/xclock -digital"},
			ticket.Order{Name: "xclock", Command: "/usr/bin/xclock -digital", Geometry: "1280x800", StartDBus: true, Profile: "default", MaxGeometry: "1920x1080", PerUser: 3, Total: 50},
		},
		"a profile smaller than the usual desktop, and no name": {
			transporter.StartRequest{App: "small"},
			ticket.Order{Name: "small", App: "small", Command: "s", Geometry: "640x480", Profile: "tiny", MaxGeometry: "640x480", PerUser: 1,
				Limits: ticket.Limits{Idle: time.Minute, Disconnect: time.Hour, Clipboard: "disabled", Memory: 1 << 28, CPU: 50, Tasks: 100, IOWeight: 10}},
		},
		"without the user's own start-up files": {
			transporter.StartRequest{App: "wall", Clean: true},
			ticket.Order{Name: "wall", App: "wall", Command: "w", Geometry: "7680x4320", Profile: "free", Clean: true},
		},
		"a profile without limits": {
			transporter.StartRequest{App: "wall"},
			ticket.Order{Name: "wall", App: "wall", Command: "w", Geometry: "7680x4320", Profile: "free"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.req.ID = sid
			c.want.Session, c.want.User = sid, "fred"
			c.want.Limits.Clipboard = cmp.Or(c.want.Limits.Clipboard, "bidirectional")
			reply, err := r.ask(token, transporter.AuthorizeRequest{Action: "start", Start: &c.req})
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*reply.Order, c.want) {
				t.Errorf("got  %+v\nwant %+v", *reply.Order, c.want)
			}
			if claims, err := ticket.Peek(reply.Ticket); err != nil || !reflect.DeepEqual(claims.Order, &c.want) {
				t.Errorf("signed was %+v, %v", claims.Order, err)
			}
		})
	}
}

func TestWithoutProfilesThereAreNoLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	reply, err := r.ask(r.token("lea"), transporter.AuthorizeRequest{Action: "start", Start: &transporter.StartRequest{ID: sid, App: "xterm", Geometry: "7680x4320"}})
	if err != nil || reply.Order.MaxGeometry != "" || reply.Order.PerUser != 0 || reply.Order.Profile != "default" {
		t.Errorf("%+v, %v", reply.Order, err)
	}
}

func TestBadStartRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.reconfigure(profiles)
	token := r.token("fred")
	param := func(k, v string) map[string]string { return map[string]string{k: v} }
	many := make(map[string]string)
	for i := range maxParams + 1 {
		many[fmt.Sprint("k", i)] = ""
	}
	large := make(map[string]string)
	for i := range maxParams {
		large[fmt.Sprint("k", i)] = strings.Repeat("v", maxParamValue)
	}
	for name, c := range map[string]struct {
		req  transporter.StartRequest
		code transporter.Code
		want string
	}{
		"no id":                    {transporter.StartRequest{ID: "-", App: "xterm"}, "invalid", "16 digits"},
		"id in capitals":           {transporter.StartRequest{ID: "0123456789ABCDEF", App: "xterm"}, "invalid", "16 digits"},
		"id as a path":             {transporter.StartRequest{ID: "../3456789abcdef", App: "xterm"}, "invalid", "16 digits"},
		"neither app nor command":  {transporter.StartRequest{}, "invalid", "which application or command"},
		"both app and command":     {transporter.StartRequest{App: "xterm", Command: "top"}, "invalid", "not both"},
		"unknown app":              {transporter.StartRequest{App: "xtrem"}, "not_found", `no application "xtrem"; did you mean "xterm"?`},
		"unlike any app":           {transporter.StartRequest{App: "quake-arena"}, "not_found", "see the list of applications"},
		"hidden app is no hint":    {transporter.StartRequest{App: "labb"}, "not_found", "see the list of applications"},
		"app as a path":            {transporter.StartRequest{App: "../xterm"}, "not_found", ""},
		"app of another's group":   {transporter.StartRequest{App: "lab"}, "forbidden", "certain groups only"},
		"app without its profile":  {transporter.StartRequest{App: "zombie"}, "internal", "apps/zombie.ini"},
		"geometry over the limit":  {transporter.StartRequest{App: "xterm", Geometry: "1921x1080"}, "limit", "the geometry 1921x1080 is over the limit 1920x1080; ask for a smaller one, or an administrator to raise max_geometry in performance/default.ini"},
		"height over the limit":    {transporter.StartRequest{Command: "top", Geometry: "1920x1081"}, "limit", "1920x1080"},
		"app's own over the limit": {transporter.StartRequest{App: "toolarge"}, "limit", "performance/tiny.ini"},
		"geometry in words":        {transporter.StartRequest{App: "xterm", Geometry: "large"}, "invalid", `"large" is not a geometry`},
		"geometry of zero":         {transporter.StartRequest{App: "xterm", Geometry: "0x0"}, "invalid", "not a geometry"},
		"geometry of one side":     {transporter.StartRequest{App: "xterm", Geometry: "800"}, "invalid", "not a geometry"},
		"geometry with an offset":  {transporter.StartRequest{App: "xterm", Geometry: "800x600+1+1"}, "invalid", "not a geometry"},
		"geometry negative":        {transporter.StartRequest{App: "xterm", Geometry: "-800x600"}, "invalid", "not a geometry"},
		"geometry too small":       {transporter.StartRequest{App: "xterm", Geometry: "15x600"}, "invalid", "16 pixels"},
		"geometry as an option":    {transporter.StartRequest{App: "xterm", Geometry: "800x600 -ac"}, "invalid", "not a geometry"},
		"geometry beyond numbers":  {transporter.StartRequest{App: "xterm", Geometry: "99999999999999999999x1"}, "invalid", "not a geometry"},
		"endless name":             {transporter.StartRequest{App: "xterm", Name: strings.Repeat("é", maxTitle+1)}, "invalid", "at most 128"},
		"name with a control":      {transporter.StartRequest{App: "xterm", Name: "a\x1b[2J"}, "invalid", "printable"},
		"name over two lines":      {transporter.StartRequest{App: "xterm", Name: "a\nb"}, "invalid", "printable"},
		"name that turns the text": {transporter.StartRequest{App: "xterm", Name: "a\u202eb"}, "invalid", "printable"},
		"name of bad bytes":        {transporter.StartRequest{App: "xterm", Name: "a\xff"}, "invalid", "printable"},
		"endless command":          {transporter.StartRequest{Command: strings.Repeat("x", maxCommand+1)}, "invalid", "at most 4096"},
		"command with NUL":         {transporter.StartRequest{Command: "a\x00b"}, "invalid", "one line"},
		"command of two lines":     {transporter.StartRequest{Command: "a\nb"}, "invalid", "one line"},
		"command of bad bytes":     {transporter.StartRequest{Command: "a\xff"}, "invalid", "one line"},
		"too many parameters":      {transporter.StartRequest{App: "xterm", Params: many}, "invalid", "at most 32"},
		"parameter without a name": {transporter.StartRequest{App: "xterm", Params: param("", "v")}, "invalid", "a parameter's name"},
		"parameter with a =":       {transporter.StartRequest{App: "xterm", Params: param("LD_PRELOAD=x", "v")}, "invalid", "a parameter's name"},
		"parameter's name endless": {transporter.StartRequest{App: "xterm", Params: param(strings.Repeat("k", 65), "v")}, "invalid", "a parameter's name"},
		"parameter's name broken":  {transporter.StartRequest{App: "xterm", Params: param("a\n", "v")}, "invalid", "a parameter's name"},
		"parameter's value large":  {transporter.StartRequest{App: "xterm", Params: param("k", strings.Repeat("v", maxParamValue+1))}, "invalid", "at most 1024"},
		"parameter's value NUL":    {transporter.StartRequest{App: "xterm", Params: param("k", "\x00")}, "invalid", "must be text"},
		"each well, all too large": {transporter.StartRequest{App: "xterm", Params: large}, "invalid", "too long together"},
	} {
		t.Run(name, func(t *testing.T) {
			switch c.req.ID {
			case "":
				c.req.ID = sid
			case "-":
				c.req.ID = ""
			}
			reply, err := r.ask(token, transporter.AuthorizeRequest{Action: "start", Start: &c.req})
			wantError(t, err, c.code, c.want)
			if reply.Ticket != "" || reply.Order != nil {
				t.Errorf("refused, yet %+v", reply)
			}
		})
	}
}

func TestTheLargestThatIsAllowedIs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := r.ask(r.token("fred"), transporter.AuthorizeRequest{Action: "start", Start: &transporter.StartRequest{
		ID: sid, Command: strings.Repeat("x", maxCommand), Name: strings.Repeat("é", maxTitle), Geometry: "7680x4320",
		Params: map[string]string{strings.Repeat("k", 64): strings.Repeat("v", maxParamValue)},
	}})
	if err != nil {
		t.Error(err)
	}
}

func TestTitleOfACommand(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"xterm": "xterm", "/usr/bin/xterm -e top": "xterm", "  a  ": "a", " ": "", "": "", "a\x1bb": "ab",
		strings.Repeat("é", 300): strings.Repeat("é", maxTitle),
	} {
		if got := title(command); got != want {
			t.Errorf("%q is named %q, want %q", command, got, want)
		}
	}
}

func FuzzOrder(f *testing.F) {
	cfg := baseConfig()
	profiles(&cfg)
	c := caller{config: newPolicy(&generation.Generation{Config: &cfg}), user: "fred", level: spec.Full}
	f.Add(sid, "xterm", "", "800x600", "name", "k", "v")
	f.Add(sid, "", "top -d 1", "rootless", "", "", "")
	f.Add(sid, "", "a\x00", "16384x16384", "\u202e", "=", "\n")
	f.Fuzz(func(t *testing.T, id, app, command, geometry, name, key, value string) {
		params := map[string]string{key: value}
		o, err := c.order(&transporter.StartRequest{ID: id, App: app, Command: command, Geometry: geometry, Name: name, Params: params})
		if err != nil {
			if !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\x00\n\x1b") || len(err.Error()) > 1000 {
				t.Fatalf("the error %q", err)
			}
			return
		}
		if !ticket.IsID(o.Session) || o.Command == "" || strings.ContainsAny(o.Command, "\x00\n") || !printable(o.Name) {
			t.Fatalf("the order %+v", o)
		}
		if size, err := spec.ParseSize(o.Geometry); o.Geometry != spec.Rootless && (err != nil || size.Exceeds(spec.Size{Width: 7680, Height: 4320}) && o.Profile != "free") {
			t.Fatalf("the geometry %q", o.Geometry)
		}
		for k := range maps.Keys(o.Params) {
			if !paramKey.MatchString(k) {
				t.Fatalf("the parameter %q", k)
			}
		}
	})
}
