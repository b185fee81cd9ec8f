package natsconf

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// TestUpstreamReadsTheVectors hands every nats-server.conf that other languages have to write, too, to the server's own
// reader, and wants it to find what ours finds.
func TestUpstreamReadsTheVectors(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../render/testdata/vectors/*/want/nats-server.conf")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d vectors: %v", len(files), err)
	}
	dir := t.TempDir()
	tls := certificate(t, dir)
	pem, key := regexp.MustCompile(`"/etc/ssl/\w+\.pem"`), regexp.MustCompile(`"/etc/ssl/\w+\.key"`) // those of nobody's machine
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = key.ReplaceAll(pem.ReplaceAll(text, []byte(quote(tls.CertFile))), []byte(quote(tls.KeyFile)))
		o, err := upstream(t, dir, text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if got, want := theirs(o), ours(mustParse(t, string(text))); !slices.Equal(got, want) {
			t.Errorf("%s: nats-server reads\n%s\nand we read\n%s", file, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// theirs lists what the server's options mean, keys before passwords.
func theirs(o *server.Options) []string {
	show := func(p *server.Permissions) string {
		if p == nil {
			return "everything"
		}
		text := ""
		for _, s := range []*server.SubjectPermission{p.Publish, p.Subscribe} {
			if s == nil {
				s = &server.SubjectPermission{}
			}
			text += fmt.Sprintf("%q not %q ", s.Allow, s.Deny)
		}
		if p.Response != nil {
			text += fmt.Sprint(*p.Response)
		}
		return text
	}
	demands := func(t *tls.Config) string {
		return fmt.Sprint(t != nil, t != nil && t.ClientAuth == tls.RequireAndVerifyClientCert)
	}
	c := o.Cluster
	out := []string{
		fmt.Sprintln(o.Host, o.Port, o.Authorization, o.Username, o.Password, demands(o.TLSConfig)),
		fmt.Sprintln(c.Name, c.Host, c.Port, c.Username, c.Password, demands(c.TLSConfig)),
	}
	for _, r := range o.Routes {
		out = append(out, r.String())
	}
	for _, u := range o.Nkeys {
		out = append(out, u.Nkey+" "+show(u.Permissions))
	}
	for _, u := range o.Users {
		out = append(out, u.Username+" "+u.Password+" "+show(u.Permissions))
	}
	return out
}

// ours lists what a Config means, in the same form.
func ours(c *Config) []string {
	a, demands := c.Authorization, func(t *TLS) string { return fmt.Sprint(t != nil, t != nil && t.Verify) }
	show := func(p *Permissions) string {
		if p = cmp.Or(p, a.Permissions); p == nil {
			return "everything"
		}
		text := fmt.Sprintf("%q not %q %q not %q ", p.Publish.Allow, p.Publish.Deny, p.Subscribe.Allow, p.Subscribe.Deny)
		if p.Responses != nil {
			text += fmt.Sprint(server.ResponsePermission{MaxMsgs: p.Responses.Max, Expires: p.Responses.Expires})
		}
		return text
	}
	out := []string{
		fmt.Sprintln(c.Host, c.Port, string(a.Token), a.User, string(a.Password), demands(c.TLS)),
		fmt.Sprintln(c.Cluster.Name, c.Cluster.Host, c.Cluster.Port, c.Cluster.User, string(c.Cluster.Password), demands(c.Cluster.TLS)),
	}
	for _, r := range c.Cluster.Routes {
		out = append(out, string(r))
	}
	users := slices.Clone(a.Users)
	slices.SortStableFunc(users, func(x, y User) int { return cmp.Compare(min(len(y.NKey), 1), min(len(x.NKey), 1)) })
	for _, u := range users {
		name := u.NKey
		if name == "" {
			name = u.Name + " " + string(u.Password)
		}
		out = append(out, name+" "+show(u.Permissions))
	}
	return out
}

func TestResponsesInJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Responses{
		`true`:                     *DefaultResponses(),
		`{}`:                       *DefaultResponses(),
		`{"max":3}`:                {3, 2 * time.Minute},
		`{"max":-1,"expires":1.5}`: {-1, 1500 * time.Millisecond},
	} {
		var got, again Responses
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
		if back, err := json.Marshal(got); err != nil || json.Unmarshal(back, &again) != nil || again != want {
			t.Errorf("%v is written as %s and read as %v, %v", got, back, again, err)
		}
	}
	for _, text := range []string{`false`, `"true"`, `{"max":"3"}`, `{"maximum":3}`, `{"expires":"60s"}`} {
		var got Responses
		if err := json.Unmarshal([]byte(text), &got); err == nil || !strings.Contains(err.Error(), "allow_responses is neither true nor") {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
}
