package spec

import (
	"slices"
	"strings"
	"testing"
)

func TestFindExplains(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"FX_LISTEN":                         {"fastx.env: FX_LISTEN", "takes: HOST:PORT", "default: :3300", "a change: is taken over at once"},
		"FX_VAR_DIR":                        {"waits for a restart of fastxd", "not in the shared fastx.env"},
		"SERVICES":                          {"starts anew by itself", "of webserver, manager, user, launcher"},
		"SERVICEDIR":                        {"write SERVICES"},
		"FX_*":                              {"FX_FORMAT", "FX_LISTEN", "FX_NODE_NAME"},
		"transporter.urls":                  {"transporter-secret.ini: transporter.urls", "list of transporter URLs", "at once"},
		"seed":                              {"transporter.seed", "webserver.seed", "A secret: it is never shown."},
		"METADATA_rack":                     {"METADATA_*", "the same for all nodes"},
		"schedule.data.queue":               {"apps/*.ini: schedule.data.*"},
		"apps/xterm.ini":                    {"One application each", "command line", "scheduleDir", "Not acted on"},
		"apps/*.ini":                        {"apps/*.ini\n", "written as: ini"},
		"/etc/fastx/apps/xterm.ini":         {"apps/*.ini\n"},
		"/etc/default/fastx4":               {"fastx.env\n", "SERVICES"},
		"apps/xterm.ini:command":            {"apps/*.ini: command", "What the user's shell runs"},
		"apps/*.ini:schedule":               {"apps/*.ini: schedule\n", "The scheduler"},
		"/srv/x/apps/top.ini:3:1: geometry": {"apps/*.ini: geometry"},
		"apps/xterm.ini:3:1: geometry:":     {"apps/*.ini: geometry"},
		"permissions.ini:admin.*":           {"admin.users", "admin.groups"},
		"clipboard":                         {"one of bidirectional, local-to-remote"},
		"io_weight":                         {"whole number from 1 to 10000"},
		"tasks_max":                         {"whole number, 0 or at least 32"},
		"htpasswd":                          {"written as: htpasswd", "nobody but root", "removed.ini names it"},
		"headers.ini:X-Robots-Tag":          {"headers.ini: *", "A header of every answer."},
		"loglevel.ini:2:1: webserver":       {"loglevel.ini: *", "one of debug, info"},
		"weblink-secret.ini:portal":         {"weblink-secret.ini: *.*", "never shown"},
		"forward.ini":                       {"Not acted on by this version yet"},
	}
	for query, wants := range tests {
		topic, err := Find(query)
		if err != nil {
			t.Errorf("Find(%q): %v", query, err)
		}
		for _, want := range wants {
			if got := topic.Text(); !strings.Contains(got, want) {
				t.Errorf("Find(%q) lacks %q:\n%s", query, want, got)
			}
		}
	}
}

func TestFindSaysWhatMayHaveBeenMeant(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"geomtry":                 `"geomtry" is not a known key or file; did you mean "geometry"?`,
		"fastx.evn":               `did you mean "fastx.env"?`,
		"apps/xterm.ini:comand":   `"apps/*.ini:comand" is not a known key or file; did you mean "command"?`,
		"apps/xterm.ini:LISTENER": `fastxctl explain apps/*.ini lists what it holds`,
		"permisions.ini:default":  `"permisions.ini" is no file of the configuration; did you mean "permissions.ini"?`,
		"nodeMetadataFilter.":     "is not a known key or file",
		"apps/xterm.ini:":         "is not a known key or file",
		"":                        "name a file, such as apps/xterm.ini",
		":":                       "is no file of the configuration",
		"FX_LISTN*":               "is not a known key or file",
	} {
		topic, err := Find(query)
		if err == nil || !strings.Contains(err.Error(), want) || len(topic.Settings) > 0 {
			t.Errorf("Find(%q) = %v, want %s", query, err, want)
		}
	}
}

// TestFindKnowsEveryRow asks for each row by the name that diagnostics give it, alone and in its file.
func TestFindKnowsEveryRow(t *testing.T) {
	t.Parallel()
	for _, s := range Settings() {
		same := func(other Setting) bool { return other.File == s.File && other.Name() == s.Name() }
		queries := []string{s.File + ":" + s.Name(), s.File}
		if s.Key != "*" {
			queries = append(queries, s.Name(), s.Key)
		}
		for _, query := range queries {
			if topic, err := Find(query); err != nil || !slices.ContainsFunc(topic.Settings, same) {
				t.Errorf("Find(%q) does not find %s %s: %v", query, s.File, s.Name(), err)
			}
		}
	}
	for _, k := range Kinds() {
		if topic, err := Find(k.Pattern); err != nil || topic.Kind == nil || topic.Kind.Pattern != k.Pattern {
			t.Errorf("Find(%q) = %+v, %v", k.Pattern, topic.Kind, err)
		}
	}
}
