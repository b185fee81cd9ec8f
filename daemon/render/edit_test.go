package render

import (
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

func TestEditLeavesEverythingElseAsItStands(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path, before string
		set          Settings
		want         string
	}{
		"a value is replaced, its line otherwise kept": {"loglevel.ini", "# ours\n\n** =   info\n; why\nlauncher=warn\n",
			Settings{"": {"launcher": "debug"}}, "# ours\n\n** =   info\n; why\nlauncher=debug\n"},
		"a new key stands after the last": {"loglevel.ini", "# ours\n** = info\n\n# end\n",
			Settings{"": {"user": "warn", "launcher": "debug"}}, "# ours\n** = info\nlauncher = debug\nuser = warn\n\n# end\n"},
		"a line goes": {"loglevel.ini", "** = info\n# about it\nuser = warn\nlauncher = warn\n",
			Settings{"": {"user": nil, "manager": nil}}, "** = info\n# about it\nlauncher = warn\n"},
		"an empty file": {"loglevel.ini", "", Settings{"": {"user": "warn"}}, "user = warn\n"},
		"a file without a last line end": {"loglevel.ini", "** = info",
			Settings{"": {"user": "warn"}}, "** = info\nuser = warn\n"},
		"quotes and a line end of Windows": {"apps/x.ini", "name = \"a # b\"\r\ncommand = x\r\n",
			Settings{"": {"name": "c"}}, "name = c\r\ncommand = x\r\n"},
		"before the first section": {"apps/x.ini", "[nodeMetadataFilter]\nos = a\n",
			Settings{"": {"command": "x"}}, "command = x\n\n[nodeMetadataFilter]\nos = a\n"},
		"in a section that is missing": {"transporter-secret.ini", "[transporter]\nform = token\n",
			Settings{"transporter": {"token": "t"}, "webserver": {"seed": nil}}, "[transporter]\nform = token\ntoken = t\n"},
		"a variable": {"fastx.env", "# all\nFX_MAX_SESSIONS=3\n",
			Settings{"": {"FX_MAX_SESSIONS": 4, "LOAD_BALANCER": "round-robin"}}, "# all\nFX_MAX_SESSIONS=4\nLOAD_BALANCER=round-robin\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problems := Edit(File{Path: c.path, Settings: c.set}, []byte(c.before))
			if problems.HasErrors() || string(got) != c.want {
				t.Errorf("got  %q (%v)\nwant %q", got, problems, c.want)
			}
		})
	}
}

func TestEditRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path, before string
		set          Settings
		says         string
	}{
		"a broken text":           {"loglevel.ini", "** = info\nnonsense\n", Settings{"": {"user": "warn"}}, "neither a [section] nor"},
		"a key that is set twice": {"loglevel.ini", "user = info\nuser = warn\n", Settings{"": {"user": "warn"}}, "is set twice"},
		"no such level":           {"loglevel.ini", "", Settings{"": {"user": "loud"}}, "loud"},
		"a key of no form":        {"loglevel.ini", "", Settings{"": {"a = b\nc": "info"}}, "cannot be written"},
		"an unknown key":          {"https.ini", "", Settings{"": {"cert_fiel": "/x"}}, "cert_file"},
		"a kind of its own":       {"htpasswd", "", Settings{"": {"ann": "x"}}, "write it whole"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problems := Edit(File{Path: c.path, Settings: c.set}, []byte(c.before))
			if got != nil || !problems.HasErrors() || !strings.Contains(problems.Err().Error(), c.says) {
				t.Errorf("%q, %v; want a problem that says %q", got, problems, c.says)
			}
		})
	}
}

// FuzzEdit: whatever the file holds, an edit is refused or says what was wanted and keeps every comment.
func FuzzEdit(f *testing.F) {
	f.Add("# a\n** = info\n[x]\nuser = warn\n", "user", "debug")
	f.Add("\uFEFFuser=\"info\"", "user", "warn")
	f.Fuzz(func(t *testing.T, text, key, level string) {
		got, problems := Edit(File{Path: "loglevel.ini", Settings: Settings{"": {key: level}}}, []byte(text))
		if problems.HasErrors() {
			return
		}
		before, _ := syntax.ParseINI("loglevel.ini", []byte(text))
		after, broken := syntax.ParseINI("loglevel.ini", got)
		if broken.HasErrors() {
			t.Fatalf("%q became %q, which is broken: %v", text, got, broken)
		}
		found := false
		for _, l := range after.Entries() {
			found = found || l.Section == "" && l.Key == key && l.Value == level
		}
		if !found {
			t.Errorf("%q became %q, which does not set %q", text, got, key)
		}
		if a, b := comments(before), comments(after); a != b {
			t.Errorf("the comments %q became %q", a, b)
		}
	})
}

func comments(d *syntax.Doc) string {
	var all []string
	for _, l := range d.Lines {
		if l.Kind == syntax.Comment {
			all = append(all, strings.TrimRight(l.Text, "\r\n"))
		}
	}
	return strings.Join(all, "\n")
}
