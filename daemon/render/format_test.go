package render

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

func TestFormatWritesTheGrammarAndKeepsWhatIsRemarked(t *testing.T) {
	t.Parallel()
	const h = Header + "\n"
	for name, tc := range map[string]struct{ path, text, want string }{
		"what a person types": {"apps/xterm.ini",
			"; our terminal\n\n\nname=Terminal\n   command =  xterm -ls  \n# who\ngroups[] = staff\n\n; and\ngroups[] = students\n\n\n",
			h + "# our terminal\n\nname = Terminal\ncommand = xterm -ls\n# who\n\n# and\ngroups = staff, students\n"},
		"a comment right above an entry belongs to it": {"apps/xterm.ini", "# runs xterm\ncommand = xterm\n", h + "\n# runs xterm\ncommand = xterm\n"},
		"a comment above a gap is the file's":          {"apps/xterm.ini", "# runs xterm\n\ncommand = xterm\n", h + "# runs xterm\n\ncommand = xterm\n"},
		"the header is there already":                  {"apps/xterm.ini", "\n#FastX cluster configuration\n#mine\ncommand = xterm\n", h + "# mine\n\ncommand = xterm\n"},
		"order is kept":                                {"apps/xterm.ini", h + "\ncommand = xterm\nname = X\n", h + "\ncommand = xterm\nname = X\n"},
		"sections that are opened twice": {"permissions.ini",
			"[admin]\nusers=ada\n# people\n[limited]\nusers=eve\n#more\n[admin]\ngroups = wheel,staff\n# end\n",
			h + "\n[admin]\nusers = ada\n\n# more\ngroups = wheel, staff\n# end\n\n# people\n[limited]\nusers = eve\n"},
		"quotes where they are needed": {"apps/xterm.ini", "command = 'a # b'\nname = \"plain\"\nicon =\ncategory = x ; y\n",
			h + "\ncommand = \"a # b\"\nname = plain\nicon = \"\"\ncategory = \"x ; y\"\n"},
		"lists": {"permissions.ini", "[admin]\nusers =ada,  bob,,eve\n", h + "\n[admin]\nusers = ada, bob, eve\n"},
		"a list whose items hold commas stays as it is": {"apps/x.ini", "command = x\ngroups[] = \"a,b\"\ngroups[]=c\n", h + "\ncommand = x\ngroups[] = a,b\ngroups[] = c\n"},
		"comments of all sorts": {"apps/xterm.ini", "####\n#\n#   indented\t tab\n;\n\ncommand = x\n##end",
			h + "####\n#\n#   indented  tab\n#\n\ncommand = x\n##end\n"},
		"lines of another system": {"apps/xterm.ini", "\xef\xbb\xbfcommand = x\r\n# y\r\n", h + "\ncommand = x\n# y\n"},
		"dotenv": {"fastx.env", "export FX_LISTEN = :3300\n#why\nLOAD_BALANCER='fewest-sessions'\nLAUNCHER_ARGS=a, b c\n",
			h + "\nFX_LISTEN=:3300\n# why\nLOAD_BALANCER=fewest-sessions\nLAUNCHER_ARGS=\"a,b c\"\n"},
		"htpasswd":         {"htpasswd", "  zoe:$2y$05$x  \n\n\n# guest\nada:$2y$05$y", h + "\nzoe:$2y$05$x\n\n# guest\nada:$2y$05$y\n"},
		"a ruler":          {"htpasswd", "ada:$2y$05$y\n# --\n# --\nzoe:$2y$05$x\n", h + "\nada:$2y$05$y\n# --\n# --\nzoe:$2y$05$x\n"},
		"only a comment":   {"fastx.env", "# nothing yet\n", h + "# nothing yet\n"},
		"nothing":          {"apps/xterm.ini", "\n\n", "\n\n"},
		"an empty section": {"permissions.ini", "[admin]\n\n\n[full]\n", h + "\n[admin]\n\n[full]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problems := Format(File{Path: tc.path}, []byte(tc.text))
			if problems.HasErrors() || string(got) != tc.want {
				t.Fatalf("got\n%s\nwant\n%s\n%s", got, tc.want, problems.Text())
			}
			again, _ := Format(File{Path: tc.path}, got)
			if string(again) != tc.want {
				t.Errorf("the second time it is\n%s", again)
			}
		})
	}
}

func TestFormatLeavesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"command\n":                    "apps/x.ini:1:1: the line is neither a [section] nor key = value; begin a comment with #\n",
		"command = x\ncommand = y\n":   "apps/x.ini:2:1: command: is set twice, here and on line 1, column 1; keep one of the two\n",
		"command = \"open\n":           "apps/x.ini:1:11: the closing quote is missing; add it at the end of the value\n",
		"command = x\n[section\nfoo\n": "apps/x.ini:2:1: the section's closing ] is missing; write [section]\napps/x.ini:3:1: the line is neither a [section] nor key = value; begin a comment with #\n",
	} {
		if got, problems := Format(File{Path: "apps/x.ini"}, []byte(text)); got != nil || problems.Text() != want {
			t.Errorf("%q gives %q\n%s", text, got, problems.Text())
		}
	}
	for _, path := range []string{"nats-server.conf", "motd.html", "surplus.ini", "icons/x.svg"} {
		if got, problems := Format(File{Path: path}, []byte("a")); got != nil || !problems.HasErrors() || Formats(must(spec.KindOf(path))) {
			t.Errorf("%s gives %q", path, got)
		}
	}
	got, problems := Format(File{Path: "/etc/default/fastx4", Kind: "fastx.env"}, []byte("SERVICES = user\n"))
	if string(got) != Header+"\n\nSERVICES=user\n" {
		t.Errorf("the node file gives %q\n%s", got, problems.Text())
	}
}

func must(k spec.Kind, _ bool) spec.Kind { return k }

func TestFormatChangesNothingThatRenderWrote(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	for _, dir := range vectors(t, false) {
		v := readVector(t, dir)
		for name, data := range readWant(t, filepath.Join(dir, "want")) {
			f := File{Path: name, Kind: v.kinds()[name]}
			kind, _ := spec.KindOf(f.kind())
			if !Formats(kind) {
				continue
			}
			tried[kind.Pattern] = true
			if got, problems := Format(f, []byte(data)); string(got) != data {
				t.Errorf("%s of %s becomes\n%s\n%s", name, dir, got, problems.Text())
			}
		}
	}
	for _, k := range spec.Kinds() {
		if Formats(k) && !tried[k.Pattern] {
			t.Errorf("%s was not tried", k.Pattern)
		}
	}
}

// FuzzFormat holds Format to its promises: the text means the same afterwards, to the reader of one file and to
// Load; no comment is lost; what was formatted stays as it is, and is in the grammar.
func FuzzFormat(f *testing.F) {
	var paths []string
	for _, k := range spec.Kinds() {
		if Formats(k) {
			paths = append(paths, strings.ReplaceAll(k.Pattern, "*", "x"))
		}
	}
	for path, text := range map[string]string{
		"apps/x.ini": "; c\ncommand = x # y\ngroups[] = a\n# d\ngroups[]=b\n", "permissions.ini": "[admin]\nusers=a,b\n#x\n[full]\n[admin]\ngroups=c\n",
		"fastx.env": "export FX_LISTEN='x'\n#\nA=\"\\\"\"\n", "htpasswd": "a:b\n# c\n", "loglevel.ini": "** = info\n\n\n[x]\n",
		"transporter-secret.ini": "token = \"a;b\"\n[transporter]\nurls = tls://a:1,tls://b:2\n",
	} {
		f.Add(slices.Index(paths, path), []byte(text))
	}
	for _, dir := range vectors(f, false) {
		for name, data := range readWant(f, filepath.Join(dir, "want")) {
			kind, _ := spec.KindOf(name)
			if i := slices.Index(paths, strings.ReplaceAll(kind.Pattern, "*", "x")); i >= 0 {
				f.Add(i, []byte(data))
			}
		}
	}
	if bad, err := os.ReadFile("../spec/testdata/bad.txt"); err == nil {
		f.Add(0, bad)
	}
	f.Fuzz(func(t *testing.T, which int, text []byte) {
		path := paths[uint(which)%uint(len(paths))]
		got, problems := Format(File{Path: path}, text)
		if got == nil {
			if !problems.HasErrors() {
				t.Fatal("nothing was written, and nobody says why")
			}
			return
		}
		kind, _ := spec.KindOf(path)
		before, _ := parse(kind.Dialect, path, text)
		after, wrong := parse(kind.Dialect, path, got)
		if wrong.HasErrors() || !same(settings(before, kind), settings(after, kind)) {
			t.Fatalf("%q means something else as %q\n%s", text, got, wrong.Text())
		}
		if a, b := words(before), words(after); !slices.Equal(a, b) {
			t.Fatalf("comments %q became %q", a, b)
		}
		if again, problems := Format(File{Path: path}, got); string(again) != string(got) {
			t.Fatalf("%q becomes %q the second time\n%s", got, again, problems.Text())
		}
		sameLoad(t, path, text, got)
	})
}

// words are the words of all comments, sorted, the header's left out.
func words(doc *syntax.Doc) []string {
	var out []string
	for _, l := range doc.Lines {
		if l.Kind == syntax.Comment {
			if text := strings.Fields(strings.TrimLeft(strings.TrimSpace(l.Text), "#; \t")); strings.Join(text, " ") != "FastX cluster configuration" {
				out = append(out, text...)
			}
		}
	}
	slices.Sort(out)
	return out
}

// sameLoad holds what the daemon makes of a file before and after against each other.
func sameLoad(t *testing.T, path string, before, after []byte) {
	t.Helper()
	load := func(data []byte) (*spec.Config, []string) {
		cfg, problems := spec.Load(spec.Input{Set: fileset.New(fileset.File{Name: path, Data: data, Mode: 0o600})})
		var codes []string
		for _, d := range problems {
			if !slices.Contains([]string{"section-twice", "inline-comment", "byte-order-mark", "line-ends"}, d.Code) {
				codes = append(codes, d.Code+" "+d.Key)
			}
		}
		slices.Sort(codes)
		return cfg, slices.Compact(codes)
	}
	a, said := load(before)
	b, saying := load(after)
	if !equalConfig(a, b) || !slices.Equal(said, saying) {
		t.Fatalf("%s: %q loads as %+v %q\nand %q as %+v %q", path, before, a, said, after, b, saying)
	}
}

func equalConfig(a, b *spec.Config) bool { return reflect.DeepEqual(a, b) }
