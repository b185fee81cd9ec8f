package spec

import "time"

const (
	appFile     = "apps/*.ini"
	profileFile = "performance/*.ini"
)

// appSettings are the keys of apps/*.ini.
func appSettings() []Setting {
	f := appFile
	return []Setting{
		{File: f, Key: "name", Type: TypeText,
			Doc:  "The name that users see; the file's base name when absent.",
			into: to(func(a *App) *string { return &a.Name })},
		{File: f, Key: "command", Type: TypeCommand,
			Doc:  "What the user's shell runs; the session ends when it ends.",
			into: to(func(a *App) *string { return &a.Command })},
		{File: f, Key: "geometry", Type: TypeGeometry,
			Doc:  "The display's size, such as 1280x800, or rootless for windows without a desktop.",
			into: to(func(a *App) *string { return &a.Geometry })},
		{File: f, Key: "icon", Type: TypeText,
			Doc:  "The icon: a .png or .svg file of icons/, or a built-in one such as terminal, desktop or browser.",
			into: to(func(a *App) *string { return &a.Icon })},
		{File: f, Key: "category", Type: TypeText,
			Doc:  "The heading that it stands under on the page, such as Simulation.",
			into: to(func(a *App) *string { return &a.Category })},
		{File: f, Key: "groups", Type: TypeList,
			Doc:  "Who may start it; everyone when absent.",
			into: to(func(a *App) *[]string { return &a.Groups })},
		{File: f, Key: "profile", Type: TypeText,
			Doc:  "The session profile, a file of performance/ without .ini; default when absent.",
			into: to(func(a *App) *string { return &a.Profile })},
		{File: f, Key: "startDbus", Type: TypeBool, Default: "false",
			Doc:  "Give the session a D-Bus session bus of its own.",
			into: to(func(a *App) *bool { return &a.StartDBus })},
		{File: f, Key: "schedule", Type: TypeText, Doc: "The scheduler, a directory of schedule/."},
		{File: f, Key: "scheduleDir", Type: TypePath, Doc: "The scheduler's directory."},
		{File: f, Key: "strict", Type: TypeBool, Doc: "Known from the published product, which does not document it."},
		{File: f, Key: "forms", Type: TypeList, Doc: "Forms that users fill in before the start."},
		{File: f, Key: "overrideDefaultForms", Type: TypeBool, Doc: "Show only the application's own forms."},
		{File: f, Key: "image", Type: TypeText, Doc: "The container image of the session."},
		{File: f, Key: "imageTag", Type: TypeText, Doc: "The container image's tag."},
		{File: f, Key: "imagePullPolicy", Type: TypeText, Doc: "When the container image is fetched."},
		{File: f, Section: "nodeMetadataFilter", Key: "*", Type: TypeList, Doc: "Metadata that a node must have."},
		{File: f, Section: "schedule", Key: "dir", Type: TypeText, Doc: "The scheduler, a directory of schedule/."},
		{File: f, Section: "schedule.data", Key: "*", Type: TypeText, Doc: "What the scheduler is given."},
	}
}

// profileSettings are the keys of performance/*.ini.
func profileSettings() []Setting {
	f := profileFile
	return []Setting{
		{File: f, Key: "max_geometry", Type: TypeSize,
			Doc:  "The largest screen of a session: at its start, and as far as its viewers can resize it; 7680x4320 at its start when absent.",
			into: to(func(p *Profile) *Size { return &p.MaxGeometry })},
		{File: f, Key: "sessions_per_user", Type: TypeCount, Default: "0",
			Doc:  "The most sessions of one user in the cluster; 0 is no limit.",
			into: to(func(p *Profile) *int { return &p.SessionsPerUser })},
		{File: f, Key: "sessions_total", Type: TypeCount, Default: "0",
			Doc:  "The most sessions of all users in the cluster; 0 is no limit.",
			into: to(func(p *Profile) *int { return &p.SessionsTotal })},
		{File: f, Key: "idle_timeout", Type: TypeDuration, Default: "0s",
			Doc:  "After how long without keyboard and mouse input all viewers of a session are disconnected; 0s is no limit.",
			into: to(func(p *Profile) *time.Duration { return &p.IdleTimeout })},
		{File: f, Key: "disconnect_timeout", Type: TypeDuration, Default: "0s",
			Doc:  "After how long a session that nobody is connected to is ended; 0s is no limit.",
			into: to(func(p *Profile) *time.Duration { return &p.DisconnectTimeout })},
		{File: f, Key: "clipboard", Type: TypeText, Default: Bidirectional,
			Allowed: []string{Bidirectional, "local-to-remote", "remote-to-local", "disabled"},
			Doc:     "Which way the clipboard may go; remote is the session.",
			into:    to(func(p *Profile) *string { return &p.Clipboard })},
		{File: f, Key: "memory_max", Type: TypeMemory,
			Doc:  "The most memory of a session, such as 8G; no limit when absent. What needs more ends the session.",
			into: to(func(p *Profile) *Memory { return &p.MemoryMax })},
		{File: f, Key: "cpu_quota", Type: TypePercent,
			Doc:  "The most CPU time of a session, such as 200% for two cores; no limit when absent.",
			into: to(func(p *Profile) *int { return &p.CPUQuota })},
		{File: f, Key: "tasks_max", Type: TypeCount, Default: "0", least: 32,
			Doc:  "The most processes and threads of a session, 32 or more; 0 is no limit.",
			into: to(func(p *Profile) *int { return &p.TasksMax })},
		{File: f, Key: "io_weight", Type: TypeCount, least: 1, most: 10000,
			Doc:  "A session's share of the disks, 1 to 10000, where others have 100.",
			into: to(func(p *Profile) *int { return &p.IOWeight })},
	}
}
