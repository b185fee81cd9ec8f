package spec

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// layer is one source of environment keys, weakest first: the package's defaults, the
// shared fastx.env, the node file.
type layer struct {
	file   string
	shared bool
}

// origin is where an environment key is set; the zero origin is the process environment.
type origin struct {
	file string
	line syntax.Line
}

// environment reads the dotenv files and the process environment into Env.
func (l *loader) environment() {
	e := &l.cfg.Env
	e.Metadata = map[string]string{}
	setDefaults(envFile, e)
	e.NodeName = l.in.Hostname
	l.checkFormat()
	for _, layer := range []layer{{l.in.Defaults, false}, {envFile, true}, {l.in.NodeFile, false}} {
		if layer.file != "" {
			l.envFile(layer)
		}
	}
	l.process()
	l.checkBalancer()
}

// checkFormat finds out whether the tree is newer than this node.
func (l *loader) checkFormat() {
	doc, _ := l.read(envFile, syntax.ParseEnv)
	line := find(doc, "", "FX_FORMAT")
	format, err := strconv.Atoi(line.Value)
	if err != nil || format <= l.in.Format {
		return
	}
	l.lenient = true
	l.at(envFile, line, diag.Warning, "newer-format", "FX_FORMAT",
		fmt.Sprintf("the tree has format %d and this node knows %d", format, l.in.Format),
		"bring fastxd up to date; until then it passes over keys it does not know")
}

// envFile reads one dotenv file. Old names come first, so that new ones win over them.
func (l *loader) envFile(in layer) {
	doc, _ := l.read(in.file, syntax.ParseEnv)
	for _, old := range []bool{true, false} {
		for _, group := range groups(doc) {
			line := group[0]
			s, ok := Lookup(envFile, "", line.Key)
			switch {
			case old != (s.Now != ""):
			case !ok:
				l.unknownKey(doc, envFile, line)
			default:
				l.envKey(in, s, line)
				l.origins[s.id(line.Key)] = origin{in.file, line}
			}
		}
	}
}

// id is the key that a key stands for: itself, or for an old name the new one.
func (s Setting) id(key string) string {
	if s.Now != "" {
		return s.Now
	}
	return key
}

func (l *loader) envKey(in layer, s Setting, line syntax.Line) {
	l.checkScope(in, s, line)
	if s.Now != "" {
		l.at(in.file, line, diag.Warning, "old-name", line.Key, "is the old name of "+s.Now, "rename it to "+s.Now)
	}
	if s.Type == TypeServices {
		l.noteServices(in.file, line, line.Value)
	}
	if s.Key == "FX_FORMAT" && line.Value == "0" {
		l.at(in.file, line, diag.Error, "bad-value", line.Key, "formats count from 1", "write 1")
	}
	l.take(in.file, s, []syntax.Line{line}, &l.cfg.Env)
}

// checkScope refuses what every node needs its own value of in the file that all share, and finds what has no
// effect in any file.
func (l *loader) checkScope(in layer, s Setting, line syntax.Line) {
	if s.Scope == ScopeProcess && line.Value != l.in.NodeFile {
		l.at(in.file, line, diag.Warning, "wrong-place", line.Key, "has no effect in a file: it says which is read first",
			"set it in the unit's environment")
	}
	if !in.shared {
		return
	}
	const remedy = "set it in the node file (/etc/default/fastx4) or the unit's environment"
	switch s.Scope {
	case ScopeNode:
		l.at(in.file, line, diag.Error, "wrong-place", line.Key, "cannot stand in the file that all nodes share", remedy)
	case ScopeNodeHint:
		l.at(in.file, line, diag.Warning, "wrong-place", line.Key, "gives all nodes the same value, because they share this file", remedy)
	case ScopeBefore:
		if line.Value != l.in.Dirs.named(s.Key) {
			l.at(in.file, line, diag.Error, "wrong-place", line.Key,
				"has no effect here: directories are known before this file is read", remedy)
		}
	}
}

// noteServices warns of the names that published examples have and that are no components here.
func (l *loader) noteServices(file string, line syntax.Line, value string) {
	for _, name := range []string{"socket", "forward"} {
		if slices.Contains(Setting{Type: TypeList}.split(value), name) {
			l.at(file, line, diag.Warning, "not-a-component", "SERVICES",
				name+" is accepted and starts nothing: what it did is part of the other components", "it may stay")
		}
	}
}

// process reads the process environment, which wins over every file. An
// empty variable counts as absent, as it does to most programs.
func (l *loader) process() {
	env := maps.Clone(l.in.Environ)
	maps.DeleteFunc(env, func(_, v string) bool { return v == "" })
	for _, key := range slices.Sorted(maps.Keys(env)) {
		s, ok := Lookup(envFile, "", key)
		switch {
		case !ok:
			l.unknownVariable(key)
		case s.Now != "" && env[s.Now] != "":
		default:
			l.variable(s, key, env[key])
			l.override(s.id(key))
		}
	}
}

func (l *loader) variable(s Setting, key, value string) {
	if s.Now != "" {
		l.at("", syntax.Line{}, diag.Warning, "old-name", key, "is the old name of "+s.Now, "rename it in the unit's environment to "+s.Now)
	}
	if s.Type == TypeServices {
		l.noteServices("", syntax.Line{}, value)
	}
	l.take("", s, []syntax.Line{{Key: key, Value: value}}, &l.cfg.Env)
}

// override notes that the process environment fixes a key. What the package's
// defaults say is there to be overridden; whoever wrote it elsewhere is told.
func (l *loader) override(key string) {
	if at, ok := l.origins[key]; ok && at.file != l.in.Defaults {
		l.at(at.file, at.line, diag.Warning, "overridden", at.line.Key,
			"is overridden by the environment of the process", "remove it here or there")
	}
	l.origins[key] = origin{}
}

// checkBalancer wants a program where one is to choose the node. This version
// does not run it yet, and says what it does in its place.
func (l *loader) checkBalancer() {
	e, at := &l.cfg.Env, l.origins["LOAD_BALANCER"]
	if e.LoadBalancer != "custom" {
		return
	}
	e.LoadBalancer = "fewest-sessions"
	if _, ok := l.origins["LOAD_BALANCER_SCRIPT"]; ok || l.in.Alone {
		l.at(at.file, at.line, diag.Warning, "not-acted-on", "LOAD_BALANCER", "custom is not acted on by this version yet",
			"until then a session goes to the node that has the fewest")
		return
	}
	l.at(at.file, at.line, diag.Error, "missing", "LOAD_BALANCER", "is custom, and LOAD_BALANCER_SCRIPT is missing",
		"name the program that chooses the node there")
}

// unknownVariable warns of a variable that looks like one of ours.
func (l *loader) unknownVariable(key string) {
	if !strings.HasPrefix(key, "FX_") {
		return
	}
	var names []string
	for _, s := range SettingsOf(envFile) {
		names = append(names, s.Key)
	}
	l.at("", syntax.Line{}, diag.Warning, "unknown-key", key, "is set in the environment of the process and not known",
		didYouMean(key, names, "remove it there"))
}
