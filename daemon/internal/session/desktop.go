package session

import (
	"path"
	"slices"
	"strings"
)

// desktops are the commands that bring a window manager or are one.
var desktops = []string{
	"startxfce4", "xfce4-session", "mate-session", "gnome-session", "gnome-session-classic", "gnome-flashback",
	"cinnamon-session", "cinnamon", "startplasma-x11", "startkde", "startlxde", "lxsession", "startlxqt",
	"lxqt-session", "budgie-desktop", "budgie-session", "enlightenment_start", "starttde", "startdde",
	"ukui-session", "lumina-desktop", "Xsession", ".xsession", ".xinitrc", "x-session-manager",
	"x-window-manager", "sugar", "openbox", "openbox-session", "openbox-lxde-session", "openbox-gnome-session",
	"openbox-kde-session", "icewm", "icewm-session", "fluxbox", "startfluxbox", "blackbox", "i3",
	"i3-with-shmlog", "twm", "ctwm", "vtwm", "mwm", "dwm", "jwm", "awesome", "bspwm", "herbstluftwm", "fvwm",
	"fvwm2", "fvwm3", "fvwm-crystal", "wmaker", "pekwm", "sawfish", "spectrwm", "qtile", "xmonad", "e16",
	"afterstep", "windowlab", "evilwm", "ratpoison", "xfwm4", "metacity", "mutter", "marco", "muffin", "kwin",
	"kwin_x11", "matchbox-session", "matchbox-window-manager",
}

// runners are the words that may stand before the name of the command that is run in the end.
var runners = []string{
	"exec", "env", "nice", "ionice", "nohup", "setsid", "time", "command", "builtin", "taskset", "numactl",
	"systemd-run", "stdbuf", "vglrun", "optirun", "primusrun", "dbus-run-session", "dbus-launch",
	"ck-launch-session", "ssh-agent", "sh", "bash", "dash", "zsh", "ksh", "csh", "tcsh", "fish", "su", "sudo",
	"runuser",
}

// keywords are the words of the shell's grammar that a command may follow.
var keywords = []string{"if", "then", "elif", "else", "while", "until", "do", "!", "{", "}"}

// NeedsWindowManager reports whether a session gets a minimal window manager beside its
// command: always when it is rootless, and else unless the command starts a desktop or a
// window manager itself. It looks at what each simple command of the shell line runs:
// its first word behind keywords, assignments and runners such as exec and vglrun. The
// options of a runner may take arguments of their own, so behind one every word counts, and
// one with blanks in it (sh -c '…') is a shell line again.
func NeedsWindowManager(command, geometry string) bool {
	return geometry == "rootless" || !slices.ContainsFunc(simpleCommands(command), startsDesktop)
}

// startsDesktop judges one simple command.
func startsDesktop(simple []string) bool {
	runner := false
	for _, word := range simple {
		name := path.Base(word)
		switch {
		case slices.Contains(desktops, name):
			return true
		case slices.Contains(runners, name):
			runner = true
		case runner && strings.ContainsAny(word, " \t\n"):
			if !NeedsWindowManager(word, "") {
				return true
			}
		case !runner && !slices.Contains(keywords, word) && !isAssignment(word):
			return false
		}
	}
	return false
}

// isAssignment reports whether word sets a variable, as in FOO=1 startxfce4.
func isAssignment(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	return ok && name != "" && !strings.ContainsAny(name, "/-.+")
}

// simpleCommands splits a shell line at the shell's operators outside quotes, and each
// part into its words, quotes taken off. Expansions are left as they are.
func simpleCommands(line string) [][]string {
	var commands [][]string
	var words []string
	var word strings.Builder
	var quote rune
	escaped := false
	endWord := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
			word.Reset()
		}
	}
	for _, r := range line + ";" {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped = true
		case r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote = r
		case r == ' ' || r == '\t':
			endWord()
		case strings.ContainsRune("&|;()`\n", r):
			endWord()
			commands, words = append(commands, words), nil
		default:
			word.WriteRune(r)
		}
	}
	endWord()
	return append(commands, words)
}
