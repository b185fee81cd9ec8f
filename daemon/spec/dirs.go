package spec

import (
	"fmt"
	"path"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// Where the dotenv files of a node lie that do not belong to the tree.
const (
	DefaultsFile = "/usr/lib/fastxd/defaults.env" // the package's
	NodeFile     = "/etc/default/fastx4"          // the node's own, unless FX_NODE_FILE names another
)

// maxSocket is the longest name of a Unix socket that every program accepts.
const maxSocket = 107

// longestSocket is what FX_RUN_DIR gets at most: a session's display.
const longestSocket = "/s/0123456789abcdef/rfb"

// ParseEnv reads a dotenv file as a plain map, for what has to be known before Load can be called:
// which directories there are.
func ParseEnv(name string, data []byte) (map[string]string, diag.List) {
	doc, problems := syntax.ParseEnv(name, data)
	out := map[string]string{}
	for _, line := range doc.Entries() {
		if _, twice := out[line.Key]; !twice {
			out[line.Key] = line.Value
		}
	}
	return out, problems
}

// DirsFrom finds the directories in layers of environment variables, the strongest
// first: flags, process environment, node file, defaults. Run stays empty when
// none names it, because its default depends on who runs.
func DirsFrom(layers ...map[string]string) Dirs {
	var d Dirs
	for _, s := range SettingsOf(envFile) {
		if s.Scope != ScopeBefore || s.into == nil {
			continue
		}
		value := s.Default
		for _, layer := range layers {
			if v := layer[s.Key]; v != "" {
				value = v
				break
			}
		}
		s.into(&d, "", value)
	}
	return d
}

// named returns the directory that a key sets.
func (d Dirs) named(key string) string {
	return map[string]string{"FX_CONFIG_DIR": d.Config, "FX_VAR_DIR": d.Var, "FX_LOCAL_DIR": d.Local,
		"FX_TEMP_DIR": d.Temp, "FX_RUN_DIR": d.Run}[key]
}

// CheckDirs says what is wrong with the directories of a node on a machine. The guide's own default
// puts FX_LOCAL_DIR inside FX_VAR_DIR: an error where VAR is shared between nodes, else a warning, and
// neither where LOCAL is a mount of its own.
func CheckDirs(d Dirs, m *Machine) diag.List {
	var out diag.List
	add := func(s diag.Severity, code, key, summary, remedy string) {
		out = append(out, diag.Diagnostic{Key: key, Severity: s, Code: code, Summary: summary, Remedy: remedy})
	}
	for _, key := range []string{"FX_CONFIG_DIR", "FX_VAR_DIR", "FX_LOCAL_DIR", "FX_TEMP_DIR", "FX_RUN_DIR"} {
		if dir := d.named(key); !path.IsAbs(dir) && dir != "" {
			add(diag.Error, "bad-value", key, fmt.Sprintf("%s is not an absolute path", show(dir)), "write the whole path from / on")
		}
	}
	severity := diag.Warning
	if m.Shared(d.Var) {
		severity = diag.Error
	}
	if m.inside(d.Local, d.Var) {
		add(severity, "local-in-var", "FX_LOCAL_DIR", fmt.Sprintf("%s lies inside FX_VAR_DIR, which nodes share", d.Local),
			"move it to a directory of this node, such as /var/lib/fastx-local")
	}
	network := func(code, key, dir, remedy string) {
		add(diag.Warning, code, key, fmt.Sprintf("%s lies on a network mount (%s), and nodes that share it get into each other's way", dir, m.On(dir).Type),
			"name a directory of this machine, such as "+remedy)
	}
	if m.Shared(d.Temp) {
		network("temp-on-network", "FX_TEMP_DIR", d.Temp, "/tmp")
	}
	if m.Shared(d.Run) && !within(d.Run, d.Temp) { // where it is unless somebody says otherwise
		network("run-on-network", "FX_RUN_DIR", d.Run, "/run/fastx")
	}
	if len(d.Run)+len(longestSocket) > maxSocket {
		add(diag.Error, "long-path", "FX_RUN_DIR", fmt.Sprintf("is too long: sockets in it would pass %d bytes", maxSocket), "choose a shorter directory")
	}
	return out
}

func within(dir, parent string) bool {
	if parent == "/" {
		return true
	}
	return strings.HasPrefix(path.Clean(dir)+"/", path.Clean(parent)+"/")
}
