package render

import (
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// StarterOptions say whom the starter configuration is for.
type StarterOptions struct {
	User         string // as spec.CheckUserName accepts it
	PasswordHash string // as spec.CheckHash accepts it
}

// Starter returns a configuration to try the product with on one machine: a login
// who is admin, a desktop and a terminal. It panics when the options are not what spec accepts.
func Starter(o StarterOptions) fileset.Set {
	set, problems := Render(starterFiles(o)...)
	if len(problems) > 0 {
		panic("render: starter: " + problems.Text())
	}
	return set
}

// desktop runs the first desktop or window manager that is installed, whatever the user's shell is.
const desktop = "sh -c 'command -v startxfce4 >/dev/null && exec startxfce4; " +
	"command -v openbox >/dev/null && exec openbox --startup xterm; exec xterm'"

func starterFiles(o StarterOptions) []File {
	return []File{
		{Path: "fastx.env", Comment: envComment(), Settings: Settings{"": {"FX_FORMAT": spec.Format}}},
		{Path: "htpasswd", Comment: "Logins for try-outs. Add one with: htpasswd -B FILE USER",
			Settings: Settings{"": {o.User: o.PasswordHash}}},
		{Path: "permissions.ini", Comment: "Levels: disabled, limited (applications), full (any command), manager, admin, superadmin.\n" +
			"Each has a section with users and groups.",
			Settings: Settings{"permissions": {"default": "limited"}, "admin": {"users": []string{o.User}}}},
		{Path: "performance/default.ini", Comment: "What sessions may use, where an application names no profile of its own.\n" +
			"A line max_geometry = 1920x1200 refuses larger displays.",
			Settings: Settings{"": {"sessions_per_user": 100}}},
		{Path: "apps/desktop.ini", Comment: "A desktop: XFCE where it is installed, else a light window manager.",
			Settings: Settings{"": {"name": "Desktop", "command": desktop, "geometry": "1280x800", "icon": "desktop.png", "startDbus": true}}},
		{Path: "apps/xterm.ini", Comment: "A terminal that fills its display.",
			Settings: Settings{"": {"name": "Terminal", "command": "xterm -ls -geometry 168x58+0+0", "geometry": "1024x768", "icon": "xterm.png"}}},
		{Path: "apps/xterm-rootless.ini", Comment: "The same without a desktop around it. The session ends with its last window.",
			Settings: Settings{"": {"name": "Terminal window", "command": "xterm -ls", "geometry": spec.Rootless, "icon": "xterm.png"}}},
		{Path: "loglevel.ini", Comment: "A level for each component, such as webserver = debug; ** is all others.",
			Settings: Settings{"": {"**": "info"}}},
	}
}

// envComment explains the shared keys, each with its default.
func envComment() string {
	lines := []string{"Settings shared by all nodes. What one node has of its own, such as SERVICES,", "stands in /etc/default/fastx4. Changes are taken over without a restart."}
	for _, s := range spec.SettingsOf("fastx.env") {
		if s.Acted && s.Scope == spec.ScopeAny && s.Key != "FX_FORMAT" {
			lines = append(lines, "", s.Doc, s.Key+"="+s.Default)
		}
	}
	return strings.Join(lines, "\n")
}
