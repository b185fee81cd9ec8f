package render_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
	"github.com/fastx-kit/fastx-kit/daemon/render"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// endpoint is a subject as the package transporter declares it.
type endpoint struct {
	subject string
	queue   string
	event   bool
}

// endpoints reads them out of the source, so that a new one cannot be forgotten here.
func endpoints(t *testing.T) []endpoint {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../internal/transporter/messages.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []endpoint
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		var e endpoint
		for _, el := range lit.Elts {
			kv, ok := el.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			value, _ := kv.Value.(*ast.BasicLit)
			if value == nil {
				continue
			}
			text, _ := strconv.Unquote(value.Value)
			switch kv.Key.(*ast.Ident).Name {
			case "Subject":
				e.subject = text
			case "Queue":
				e.queue = text
			}
		}
		if e.subject != "" {
			e.event = strings.HasPrefix(e.subject, "fx.v1.event.")
			out = append(out, e)
		}
		return true
	})
	if len(out) < 30 {
		t.Fatalf("only %d subjects were found", len(out))
	}
	return out
}

// covers reports whether one of the patterns matches the subject.
func covers(patterns []string, subject string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
		for i := range p {
			if p[i] == ">" {
				return len(s) > i
			}
			if i >= len(s) || p[i] != "*" && p[i] != s[i] {
				return false
			}
		}
		return len(p) == len(s)
	})
}

// TestRolesHearWhatIsTheirs holds the table of permissions against the typed endpoints: who answers, who may ask, and who tells.
func TestRolesHearWhatIsTheirs(t *testing.T) {
	t.Parallel()
	for _, e := range endpoints(t) {
		subject := e.subject
		if e.queue == "" && !e.event {
			subject += ".n1"
		}
		owner := spec.Component(strings.Split(subject, ".")[2])
		asked, told, heard := 0, 0, 0
		for _, c := range spec.Components() {
			p := render.Permissions(c)
			publishes, subscribes := covers(p.Publish.Allow, subject), covers(p.Subscribe.Allow, subject)
			switch {
			case e.event:
				told, heard = told+count(publishes), heard+count(subscribes)
			case owner == "node":
				asked += count(publishes)
				heard += count(subscribes) // a node is heard by whichever key it has
			case subscribes != (c == owner):
				t.Errorf("%s may hear %s: %v", c, subject, subscribes)
			default:
				asked, heard = asked+count(publishes && c != owner), heard+count(subscribes)
			}
		}
		if e.event && (told == 0 || heard == 0) || !e.event && (asked == 0 || heard == 0) {
			t.Errorf("%s: %d roles may tell it, %d ask it, %d hear it", subject, told, asked, heard)
		}
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestRepliesAreEachRolesOwn: nobody hears what another component is answered.
func TestRepliesAreEachRolesOwn(t *testing.T) {
	t.Parallel()
	for _, c := range spec.Components() {
		for _, other := range spec.Components() {
			may := covers(render.Permissions(c).Subscribe.Allow, "_INBOX_"+string(other)+".x.1")
			if may != (c == other) {
				t.Errorf("%s may hear the replies to %s: %v", c, other, may)
			}
		}
		if render.Permissions(c).Responses == nil {
			t.Errorf("%s may not answer", c)
		}
	}
}

// TestAuthorizationIsThePublicHalf makes the server's side of every form of the secret.
func TestAuthorizationIsThePublicHalf(t *testing.T) {
	t.Parallel()
	one, two := newSeed(t), newSeed(t)
	for name, tt := range map[string]struct {
		t    spec.Transporter
		want []natsconf.User
		form natsconf.Form
		bad  string
	}{
		"nothing":   {spec.Transporter{}, nil, "", "no seed"},
		"a token":   {spec.Transporter{Form: "token", Default: spec.Seed{Current: "x"}}, nil, natsconf.Token, ""},
		"torn seed": {spec.Transporter{Default: spec.Seed{Current: one[:40]}}, nil, "", "begins with SU"},
		"one key":   {spec.Transporter{Default: spec.Seed{Current: one}}, []natsconf.User{{NKey: spec.PublicKey(one)}}, natsconf.Users, ""},
		"a role's two keys": {spec.Transporter{Seeds: map[spec.Component]spec.Seed{spec.User: {Current: two, Previous: one}}}, []natsconf.User{
			{NKey: spec.PublicKey(two), Permissions: render.Permissions(spec.User)},
			{NKey: spec.PublicKey(one), Permissions: render.Permissions(spec.User)}}, natsconf.Users, ""},
	} {
		a, err := render.Authorization(tt.t)
		switch {
		case tt.bad == "" && (err != nil || a.Form != tt.form || !reflect.DeepEqual(a.Users, tt.want)):
			t.Errorf("%s: %s %+v, %v", name, a.Form, a.Users, err)
		case tt.bad != "" && (err == nil || !strings.Contains(err.Error(), tt.bad) || strings.Contains(err.Error(), one[:40])):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func newSeed(t *testing.T) string {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return string(seed)
}
