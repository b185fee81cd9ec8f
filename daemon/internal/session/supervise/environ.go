package supervise

import (
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// The search paths that a login starts with; the account's profile usually sets its own.
const (
	userPath = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
	rootPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// fallbackLang is for machines that say nothing: without it a terminal knows ASCII alone.
const fallbackLang = "C.UTF-8"

// machineFiles set variables for every login, in this order: what pam_env(8) reads on
// Debian, and RHEL's locale.
var machineFiles = []string{"etc/environment", "etc/default/locale", "etc/locale.conf"}

func defaultPath(a session.Account) string {
	if a.UID == 0 {
		return rootPath
	}
	return userPath
}

// environment is what the session's programs get: a login's, made from nothing but the
// record and the machine's files below root, so that nothing of the daemon's own gets through.
func environment(rec *session.Record, display, root string) []string {
	env := map[string]string{"PATH": defaultPath(rec.Account), "LANG": fallbackLang}
	for _, file := range machineFiles {
		data, err := os.ReadFile(root + file)
		if err == nil {
			readAssignments(env, string(data))
		}
	}
	if zone := timezone(root); zone != "" {
		env["TZ"] = zone
	}
	for _, key := range slices.Sorted(maps.Keys(rec.Params)) { // in order, should two become one name
		env["FX_PARAM_"+variableName(key)] = rec.Params[key]
	}
	for key, value := range map[string]string{
		"HOME": rec.Account.Home, "USER": rec.Account.Name, "LOGNAME": rec.Account.Name, "SHELL": shell(rec.Account),
		"DISPLAY": display, "XAUTHORITY": session.XauthFile(rec.Dir),
		"XDG_RUNTIME_DIR": session.XDGDir(rec.Dir), "XDG_SESSION_TYPE": "x11",
		session.EnvID: rec.ID, "FX_SESSION_NAME": rec.Name,
	} {
		env[key] = value
	}
	if rec.Clean {
		maps.Copy(env, cleanEnvironment(rec))
	}
	return flatten(env)
}

// plainShell reads no file of its user's when it is not told to by ENV.
const plainShell = "/bin/sh"

// cleanEnvironment keeps what a session runs from the account's own start-up files: terminals
// run a shell that reads none, and desktops find their configuration empty, for as long as the
// session lives. The home is the same, for the files people work on.
func cleanEnvironment(rec *session.Record) map[string]string {
	return map[string]string{"SHELL": plainShell, "XDG_CONFIG_HOME": session.CleanConfigDir(rec.Dir)}
}

// flatten sorts, and leaves out what execve(2) cannot carry.
func flatten(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for key, value := range env {
		if !strings.ContainsRune(value, 0) {
			list = append(list, key+"="+value)
		}
	}
	slices.Sort(list)
	return list
}

// readAssignments reads lines of KEY=value, "export" and quotes allowed, into env.
func readAssignments(env map[string]string, text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
		key, value, ok := strings.Cut(line, "=")
		if !ok || key == "" || variableName(key) != strings.ToUpper(key) {
			continue
		}
		env[key] = unquote(value)
	}
}

// unquote takes off a pair of quotes, or else a comment behind the value.
func unquote(value string) string {
	if len(value) > 1 && (value[0] == '"' || value[0] == '\'') {
		if i := strings.IndexByte(value[1:], value[0]); i >= 0 {
			return value[1 : i+1]
		}
	}
	value, _, _ = strings.Cut(value, " #")
	return strings.TrimSpace(value)
}

// timezone names the zone where only /etc/timezone does; the C library looks at
// /etc/localtime by itself, and follows it when it changes.
func timezone(root string) string {
	if exists(root + "etc/localtime") {
		return ""
	}
	data, err := os.ReadFile(root + "etc/timezone")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// variableName makes a parameter's key fit for the name of a variable.
func variableName(key string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		default:
			return '_'
		}
	}, key)
}

// shell is the account's; an empty field of passwd(5) means /bin/sh.
func shell(a session.Account) string {
	if a.Shell == "" {
		return "/bin/sh"
	}
	return a.Shell
}
