package diag

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

func TestADiagnosticPrintsItsPlaceItsFaultAndItsRemedy(t *testing.T) {
	t.Parallel()
	full := Diagnostic{File: "apps/x.ini", Line: 3, Col: 7, Key: "geometry", Severity: Error, Code: "geometry", Summary: `"wide" is not a size`, Remedy: "write WxH"}
	edit := func(change func(*Diagnostic)) Diagnostic { d := full; change(&d); return d }
	for want, d := range map[string]Diagnostic{
		`apps/x.ini:3:7: geometry: "wide" is not a size; write WxH`:          full,
		`apps/x.ini:3:7: warning: geometry: "wide" is not a size; write WxH`: edit(func(d *Diagnostic) { d.Severity = Warning }),
		`apps/x.ini:3: geometry: "wide" is not a size; write WxH`:            edit(func(d *Diagnostic) { d.Col = 0 }),
		`apps/x.ini: geometry: "wide" is not a size; write WxH`:              edit(func(d *Diagnostic) { d.Line = 0 }),
		`geometry: "wide" is not a size; write WxH`:                          edit(func(d *Diagnostic) { d.File = "" }),
		`apps/x.ini:3:7: "wide" is not a size; write WxH`:                    edit(func(d *Diagnostic) { d.Key = "" }),
		`apps/x.ini:3:7: geometry: "wide" is not a size`:                     edit(func(d *Diagnostic) { d.Remedy = "" }),
		`warning: "wide" is not a size`:                                      {Severity: Warning, Summary: full.Summary},
	} {
		if got := d.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestAListSortsIntoFileOrder(t *testing.T) {
	t.Parallel()
	want := List{
		{Summary: "no file"},
		{File: "a", Summary: "the whole file"},
		{File: "a", Line: 2, Col: 9},
		{File: "a", Line: 2, Col: 10, Key: "k", Code: "x", Summary: "1"},
		{File: "a", Line: 2, Col: 10, Key: "k", Code: "x", Summary: "2"},
		{File: "a", Line: 2, Col: 10, Key: "k", Code: "y"},
		{File: "a", Line: 2, Col: 10, Key: "l", Code: "a"},
		{File: "a", Line: 10},
		{File: "b", Line: 1},
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	if got.Sort(); !slices.Equal(got, want) {
		t.Errorf("got\n%s", got.Text())
	}
}

func TestAListCountsWhatThereIs(t *testing.T) {
	t.Parallel()
	e, w := Diagnostic{Severity: Error}, Diagnostic{Severity: Warning}
	for want, l := range map[string]List{
		"no problems": nil, "1 error": {e}, "2 errors": {e, e}, "1 warning": {w}, "2 warnings": {w, w}, "2 errors, 1 warning": {e, w, e},
	} {
		if got := l.Counts(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestOnlyErrorsMakeAnError(t *testing.T) {
	t.Parallel()
	l := List{{Severity: Warning, Summary: "odd"}}
	if l.HasErrors() || l.Err() != nil {
		t.Errorf("a warning makes the error %v", l.Err())
	}
	l = append(l, Diagnostic{Severity: Error, Summary: "bad"}, Diagnostic{File: "f", Severity: Error, Summary: "worse"})
	if !l.HasErrors() {
		t.Error("no errors")
	}
	if got, want := fmt.Sprint(l.Err()), "bad\nf: worse"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := l.Text(), "warning: odd\nbad\nf: worse\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := l.Of(Error); len(got) != 2 || len(l) != 3 {
		t.Errorf("Of(Error) = %v", got)
	}
}

func TestAListIsAlwaysAJSONArray(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]any{
		`{"problems":[]}`: struct {
			Problems List `json:"problems"`
		}{},
		`[]`: List{},
		`[{"file":"a","line":1,"col":2,"key":"k","severity":"error","code":"c","summary":"s","remedy":"r"}]`: List{{"a", 1, 2, "k", Error, "c", "s", "r"}},
	} {
		got, err := json.Marshal(v)
		if err != nil || string(got) != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
	var back List
	if err := json.Unmarshal([]byte(`[{"file":"a","severity":"warning"}]`), &back); err != nil || back[0].Severity != Warning {
		t.Errorf("read back %v, %v", back, err)
	}
}

func TestGitHubAnnotations(t *testing.T) {
	t.Parallel()
	full := Diagnostic{File: "apps/x.ini", Line: 3, Col: 7, Key: "geometry", Severity: Error, Code: "bad-value", Summary: `"wide" is not a size`, Remedy: "write WxH"}
	edit := func(change func(*Diagnostic)) Diagnostic { d := full; change(&d); return d }
	for want, d := range map[string]Diagnostic{
		`::error file=apps/x.ini,line=3,col=7,title=bad-value::apps/x.ini:3:7: geometry: "wide" is not a size; write WxH`:                 full,
		`::warning file=apps/x.ini,line=3,title=bad-value::apps/x.ini:3: warning: geometry: "wide" is not a size; write WxH`:              edit(func(d *Diagnostic) { d.Severity, d.Col = Warning, 0 }),
		`::error file=apps/x.ini,title=bad-value::apps/x.ini: geometry: "wide" is not a size; write WxH`:                                  edit(func(d *Diagnostic) { d.Line = 0 }),
		`::error title=bad-value::geometry: "wide" is not a size; write WxH`:                                                              edit(func(d *Diagnostic) { d.File = "" }),
		`::error file=a%2Cb%3A%25.ini,line=3,col=7,title=bad-value::a,b:%25.ini:3:7: geometry: "wide" is not a size; write WxH`:           edit(func(d *Diagnostic) { d.File = "a,b:%.ini" }),
		`::error file=apps/x.ini,line=3,col=7,title=bad-value::apps/x.ini:3:7: geometry: 100%25%0D%0A::error::forged; write WxH`:          edit(func(d *Diagnostic) { d.Summary = "100%\r\n::error::forged" }),
		`::error file=a%0A%3A%3Aerror%3A%3Ax,line=3,col=7,title=bad-value::a%0A::error::x:3:7: geometry: "wide" is not a size; write WxH`: edit(func(d *Diagnostic) { d.File = "a\n::error::x" }),
	} {
		if got := d.GitHub(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
