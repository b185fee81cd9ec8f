package syntax

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"gopkg.in/ini.v1"
)

// show prints what a reader made of a text: entries and sections with their places, then problems.
func show(doc *Doc, problems diag.List) string {
	var b strings.Builder
	for _, l := range doc.Lines {
		switch l.Kind {
		case Section:
			b.WriteString(place(l.Num, l.Col) + " [" + l.Section + "]\n")
		case Entry:
			b.WriteString(place(l.Num, l.Col) + " " + l.Name() + " " + place(l.Num, l.ValueCol) + " <" + l.Value + ">\n")
		}
	}
	return b.String() + problems.Text()
}

func place(line, col int) string { return fmt.Sprintf("%d:%d", line, col) }

func TestINI(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"nothing":               {"", ""},
		"a key and a section":   {"a = 1\n[s]\n b=2\n", "1:1 a 1:5 <1>\n2:2 [s]\n3:2 s.b 3:4 <2>\n"},
		"comments":              {"# a = 1\n; b = 2\n\t# c\n", ""},
		"no final newline":      {"a = 1", "1:1 a 1:5 <1>\n"},
		"a hash inside":         {"a = abc#def;g\n", "1:1 a 1:5 <abc#def;g>\n"},
		"an equals sign inside": {"a = b = c\n", "1:1 a 1:5 <b = c>\n"},
		"a colon in the key":    {"a:b = c\n", "1:1 a:b 1:7 <c>\n"},
		"a backslash at the end": {
			"a = b\\\nc = d\n", "1:1 a 1:5 <b\\>\n2:1 c 2:5 <d>\n"},
		"double quotes":      {`a = " b \"c\" \\ "` + "\n", `1:1 a 1:5 < b "c" \ >` + "\n"},
		"single quotes":      {`a = ' b\n "c" '` + "\n", `1:1 a 1:5 < b\n "c" >` + "\n"},
		"empty values":       {"a =\nb = \"\"\n", "1:1 a 1:4 <>\n2:1 b 2:5 <>\n"},
		"an array":           {"a[] = 1\na[] = 1\na[] =\na[] = 2\n", "1:1 a 1:7 <1>\n2:1 a 2:7 <1>\n3:1 a 3:6 <>\n4:1 a 4:7 <2>\n"},
		"a dotted section":   {"[a.b]\nc = 1\n[a]\n", "1:2 [a.b]\n2:1 a.b.c 2:5 <1>\n3:2 [a]\n"},
		"not ASCII":          {"a = Größe 画\n", "1:1 a 1:5 <Größe 画>\n"},
		"a replacement sign": {"a = \uFFFD\n", "1:1 a 1:5 <\uFFFD>\n"},
		"set twice": {"a = 1\n\n  a = 2\n", "1:1 a 1:5 <1>\n3:3 a 3:7 <2>\n" +
			"f:3:3: a: is set twice, here and on line 1, column 1; keep one of the two\n"},
		"set as a value and as an array": {"[s]\na = 1\na[] = 2\n", "1:2 [s]\n2:1 s.a 2:5 <1>\n3:1 s.a 3:7 <2>\n" +
			"f:3:1: s.a: is set twice, here and on line 2, column 1; keep one of the two\n"},
		"set twice in a section opened twice": {"[s]\na = 1\n[t]\n[s]\na = 2\n",
			"1:2 [s]\n2:1 s.a 2:5 <1>\n3:2 [t]\n4:2 [s]\n5:1 s.a 5:5 <2>\n" +
				"f:4:2: warning: s: the section was already opened on line 1; join the two\n" +
				"f:5:1: s.a: is set twice, here and on line 2, column 1; keep one of the two\n"},
		"the same key in two sections": {"[s]\na = 1\n[t]\na = 2\n", "1:2 [s]\n2:1 s.a 2:5 <1>\n3:2 [t]\n4:1 t.a 4:5 <2>\n"},
		"no delimiter": {"a: 1\nb = 2\n", "2:1 b 2:5 <2>\n" +
			"f:1:1: the line is neither a [section] nor key = value; begin a comment with #\n"},
		"no key":           {" = 1\n", "f:1:2: the key is missing before =; write key = value\n"},
		"a quoted key":     {"\"a\" = 1\n", "f:1:1: a key cannot be - or begin with a quote; write the key without quotes\n"},
		"a counting key":   {"- = 1\n", "f:1:1: a key cannot be - or begin with a quote; write the key without quotes\n"},
		"an open section":  {"[s\na = 1\n", "2:1 a 2:5 <1>\nf:1:1: the section's closing ] is missing; write [section]\n"},
		"an empty section": {"[]\n", "f:1:1: the section has no name, or one with spaces or brackets; write [section]\n"},
		"a padded section": {"[ s ]\n", "f:1:1: the section has no name, or one with spaces or brackets; write [section]\n"},
		"a comment behind a section": {"[s] # x\n",
			"f:1:4: text follows the section's name; put a comment on a line of its own\n"},
		"the section DEFAULT": {"[DEFAULT]\n", "f:1:1: a section cannot be named DEFAULT; put its keys before the first section\n"},
		"a comment behind a value": {"a = b # c\n", "1:1 a 1:5 <b # c>\n" +
			"f:1:7: warning: a: what follows # is part of the value; put a comment on a line of its own, or the value between double quotes\n"},
		"a hash in quotes":   {"a = \"b # c\"\n", "1:1 a 1:5 <b # c>\n"},
		"an open quote":      {"a = \"b\n", "f:1:5: the closing quote is missing; add it at the end of the value\n"},
		"an open apostrophe": {"a = 'b\n", "f:1:5: the closing quote is missing; add it at the end of the value\n"},
		"text after a quote": {"a = \"b\" c\n", "f:1:8: text follows the closing quote; " +
			"put the whole value between double quotes, with a backslash before each \" and \\ in it\n"},
		"three quotes": {"a = \"\"\"b\"\"\"\n", "f:1:7: text follows the closing quote; " +
			"put the whole value between double quotes, with a backslash before each \" and \\ in it\n"},
		"an unknown escape": {`a = "\n"` + "\n", "f:1:6: between double quotes a backslash stands only before \" and \\; write \\\\ for a backslash\n"},
		"a back quote":      {"a = `b\n", "f:1:5: a value cannot begin with a back quote; put the whole value between double quotes\n"},
		"NUL":               {"a = b\x00c\n", "f:1:6: the control character 0x00 cannot stand here; remove it\n"},
		"a lone CR":         {"a = b\rc = d\n", "f:1:6: the control character 0x0d cannot stand here; remove it\n"},
		"Latin-1":           {"a = Gr\xf6sse\n", "f:1:7: the text is not UTF-8; save the file as UTF-8\n"},
		"CR LF": {"a = b\r\n[s]\r\n", "1:1 a 1:5 <b>\n2:2 [s]\n" +
			"f:1: warning: lines end with CR LF; save the file with LF line ends\n"},
		"a byte order mark": {"\uFEFFa = b\n", "1:1 a 1:5 <b>\n" +
			"f:1:1: warning: begins with a byte order mark; save it as UTF-8 without one\n"},
		"an over-long line": {"a = " + strings.Repeat("x", MaxLine) + "\nb = 1\n", "2:1 b 2:5 <1>\n" +
			"f:1: the line is longer than 65536 bytes; check that this is the right file\n"},
		"an over-long file": {strings.Repeat("#\n", MaxFile), "f: is longer than 1048576 bytes; check that this is the right file\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc, problems := ParseINI("f", []byte(test.text))
			if got := show(doc, problems); got != test.want {
				t.Errorf("got\n%swant\n%s", got, test.want)
			}
			if doc.String() != test.text {
				t.Errorf("the tree lost bytes: %q", doc.String())
			}
		})
	}
}

func TestINITooManyKeys(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range MaxEntries + 2 {
		text.WriteString("k" + strconv.Itoa(i) + "=1\n")
	}
	doc, problems := ParseINI("f", []byte(text.String()))
	if len(doc.Entries()) != MaxEntries {
		t.Errorf("%d entries were read", len(doc.Entries()))
	}
	if want := "f:10001: the file has more than 10000 keys; check that this is the right file\n"; problems.Text() != want {
		t.Errorf("got\n%swant\n%s", problems.Text(), want)
	}
}

func TestEnv(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"nothing":            {"", ""},
		"plain":              {"A=1\nB_2 = x y\n", "1:1 A 1:3 <1>\n2:1 B_2 2:7 <x y>\n"},
		"comments":           {"#A=1\n ; B=2\n", ""},
		"export":             {"export A=1\n  export\tB=2\nexport=3\n", "1:8 A 1:10 <1>\n2:10 B 2:12 <2>\n3:1 export 3:8 <3>\n"},
		"quotes":             {"A=\"x \\\" y\"\nB='$HOME'\n", "1:1 A 1:3 <x \" y>\n2:1 B 2:3 <$HOME>\n"},
		"no interpolation":   {"A=$HOME/${B}\n", "1:1 A 1:3 <$HOME/${B}>\n"},
		"empty":              {"A=\n", "1:1 A 1:3 <>\n"},
		"a hash inside":      {"A=b#c\n", "1:1 A 1:3 <b#c>\n"},
		"set twice":          {"A=1\nexport A=2\n", "1:1 A 1:3 <1>\n2:8 A 2:10 <2>\nf:2:8: A: is set twice, here and on line 1, column 1; keep one of the two\n"},
		"no delimiter":       {"A\n", "f:1:1: the line is not KEY=value; begin a comment with #\n"},
		"a section":          {"[s]\n", "f:1:1: the line is not KEY=value; begin a comment with #\n"},
		"a name with a dash": {"A-B=1\n", "f:1:1: \"A-B\" is not the name of a variable; use letters, digits and _ only\n"},
		"no name":            {"=1\n", "f:1:1: \"\" is not the name of a variable; use letters, digits and _ only\n"},
		"an open quote":      {"A=\"1\n", "f:1:3: the closing quote is missing; add it at the end of the value\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc, problems := ParseEnv("f", []byte(test.text))
			if got := show(doc, problems); got != test.want {
				t.Errorf("got\n%swant\n%s", got, test.want)
			}
			if doc.String() != test.text {
				t.Errorf("the tree lost bytes: %q", doc.String())
			}
		})
	}
}

func TestHtpasswd(t *testing.T) {
	t.Parallel()
	doc, problems := ParseHtpasswd("f", []byte("# users\nalice:$2y$05$x\n\n bob:y \nnobody\n:z\n"))
	want := "2:1 alice 2:7 <$2y$05$x>\n4:2 bob 4:6 <y>\n" +
		"f:5:1: the line is not user:hash; write it with htpasswd -B\n" +
		"f:6:1: the line is not user:hash; write it with htpasswd -B\n"
	if got := show(doc, problems); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestMapValuesKeepsTheRest(t *testing.T) {
	t.Parallel()
	doc, _ := ParseINI("f", []byte("\uFEFF# note\n[s]\n a = \"x y\" \r\nb = 2\nc =\n"))
	got := doc.MapValues(func(l Line) (string, bool) { return "<" + l.Value + ">", l.Key != "b" })
	if want := "\uFEFF# note\n[s]\n a = <x y> \r\nb = 2\nc =<>\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	tests := []struct{ value, ini, env string }{
		{"", `""`, `""`},
		{"xterm -ls", `xterm -ls`, `"xterm -ls"`},
		{"a=b", `a=b`, `a=b`},
		{"$HOME", `$HOME`, `"$HOME"`},
		{" x", `" x"`, `" x"`},
		{"x ", `"x "`, `"x "`},
		{`say "hi"`, `say "hi"`, `"say \"hi\""`},
		{`"hi"`, `"\"hi\""`, `"\"hi\""`},
		{"'hi'", `"'hi'"`, `"'hi'"`},
		{"`hi`", "\"`hi`\"", "\"`hi`\""},
		{"a;b", `"a;b"`, `"a;b"`},
		{"a#", `"a#"`, `"a#"`},
		{`C:\dir`, `"C:\\dir"`, `"C:\\dir"`},
		{"é", `"é"`, `"é"`},
		{"caféx", `caféx`, `"caféx"`},
		{"[x]", `[x]`, `"[x]"`},
	}
	for _, test := range tests {
		for style, want := range map[Style]string{StyleINI: test.ini, StyleEnv: test.env} {
			got, err := Quote(style, test.value)
			if err != nil || got != want {
				t.Errorf("Quote(%d, %q) = %s, %v, want %s", style, test.value, got, err, want)
			}
		}
	}
	for _, bad := range []string{"a\nb", "a\x00", "a\tb", "\x80", "a\u0085"} {
		if got, err := Quote(StyleINI, bad); err == nil {
			t.Errorf("Quote(%q) = %s, want an error", bad, got)
		}
	}
}

func FuzzINI(f *testing.F) {
	for _, s := range []string{"", "a = 1\n[s]\nb[] = 'x'\nb[] = \"y\\\"\"\n", "\uFEFFa=b\r\n", "[a.b]\n a = b # c\n", "a = \"\"\"x\n", "a=\u0085b\u00a0\n", "a:b = c:d\n", "a = b\\\n", "a = b#c ; d\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, problems := ParseINI("f", []byte(text))
		if doc.String() != text {
			t.Fatalf("the tree lost bytes: %q", doc.String())
		}
		if problems.HasErrors() {
			return
		}
		sameAsINI(t, doc, text)
	})
}

// sameAsINI holds the scanner's reading of a whole well-formed text against ini.v1's.
func sameAsINI(t *testing.T, doc *Doc, text string) {
	t.Helper()
	theirs, err := loadINI(text)
	if err != nil {
		t.Fatalf("ini.v1 refuses what the scanner accepts: %v", err)
	}
	ours := map[[2]string][]string{}
	for _, l := range doc.Entries() {
		id := l.id()
		if _, ok := ours[id]; !ok {
			ours[id] = nil
		}
		if l.Raw != "" {
			ours[id] = append(ours[id], l.Raw)
		}
		if v, fault := unquote(l.Raw); fault != nil || v != l.Value {
			t.Errorf("%v: value %q, raw %q", id, l.Value, l.Raw)
		}
	}
	if len(ours) != len(theirs) {
		t.Fatalf("the scanner has %d keys, ini.v1 %d", len(ours), len(theirs))
	}
	for id, want := range theirs {
		if strings.Join(ours[id], "\n") != strings.Join(want, "\n") {
			t.Errorf("%v: the scanner read %q, ini.v1 %q", id, ours[id], want)
		}
	}
	if len(doc.Sections()) == 0 && len(ours) == 0 {
		return
	}
	sameSections(t, doc, text)
}

func sameSections(t *testing.T, doc *Doc, text string) {
	t.Helper()
	file, err := ini.LoadSources(options, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range doc.Sections() {
		if !file.HasSection(s.Section) {
			t.Errorf("ini.v1 does not see the section %q", s.Section)
		}
	}
}

func FuzzEnv(f *testing.F) {
	for _, s := range []string{"", "A=1\nexport B='x'\n", "# c\nA=\"\\\"\"", "export A", "A=\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, _ := ParseEnv("f", []byte(text))
		if doc.String() != text {
			t.Fatalf("the tree lost bytes: %q", doc.String())
		}
		for _, l := range doc.Entries() {
			if got := l.Text[l.ValueCol-1:][:len(l.Raw)]; got != l.Raw {
				t.Errorf("the value stands elsewhere: %q, not %q", got, l.Raw)
			}
		}
	})
}

func FuzzHtpasswd(f *testing.F) {
	f.Add("a:b\n# c\n")
	f.Fuzz(func(t *testing.T, text string) {
		doc, _ := ParseHtpasswd("f", []byte(text))
		if doc.String() != text {
			t.Fatalf("the tree lost bytes: %q", doc.String())
		}
		for _, l := range doc.Entries() {
			if got := l.Text[l.ValueCol-1:][:len(l.Raw)]; got != l.Raw {
				t.Errorf("the hash stands elsewhere: %q, not %q", got, l.Raw)
			}
		}
	})
}

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a", " a ", `"`, "'", "#;\\", "a\"b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for style, parse := range map[Style]func(string, []byte) (*Doc, diag.List){StyleINI: ParseINI, StyleEnv: ParseEnv} {
			quoted, err := Quote(style, value)
			if err != nil {
				continue
			}
			doc, problems := parse("f", []byte("A="+quoted+"\n"))
			if problems.HasErrors() || len(doc.Entries()) != 1 || doc.Entries()[0].Value != value {
				t.Errorf("%q was written %s and read %+v %s", value, quoted, doc.Entries(), problems.Text())
			}
		}
	})
}
