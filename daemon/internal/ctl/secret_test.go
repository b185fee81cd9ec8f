package ctl

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

const secretFile, natsFile = "transporter-secret.ini", "nats-server.conf"

// seeds finds private keys in a text.
var seeds = regexp.MustCompile(`SU[A-Z2-7]{56}`)

// newSecret runs fastxctl secret new on a directory, as an account that is not root.
func newSecret(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	code, stdout, stderr = run(t, System{UID: 1000}, append([]string{"secret", "new", "--config-dir", dir}, args...)...)
	if seeds.MatchString(stdout + stderr) {
		t.Errorf("a seed is printed: %s%s", stdout, stderr)
	}
	return code, stdout, stderr
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// wantPair wants a directory to hold the two files and no other, and fastxctl check to have nothing against them.
func wantPair(t *testing.T, dir string) *natsconf.Config {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
	for name, mode := range map[string]fs.FileMode{secretFile: 0o600, natsFile: 0o640} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || name == natsFile && info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if code, out, errs := run(t, System{UID: os.Getuid()}, "check", "--strict", dir); code != 0 {
		t.Errorf("check exits with %d: %s%s", code, out, errs)
	}
	c, _ := natsconf.Parse(natsFile, []byte(get(t, dir, natsFile)))
	return c
}

// TestSecretNewMakesAPair makes the files once, and leaves them alone ever after.
func TestSecretNewMakesAPair(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	code, out, errs := newSecret(t, dir)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	c := wantPair(t, dir)
	if len(c.NKeys()) != len(spec.Components()) || c.Cluster == nil || c.Cluster.Host != "127.0.0.1" {
		t.Errorf("%s", get(t, dir, natsFile))
	}
	for _, u := range c.Authorization.Users {
		if u.Permissions == nil || !strings.Contains(out, u.NKey) {
			t.Errorf("%s is printed: %v; it may %v", u.NKey, strings.Contains(out, u.NKey), u.Permissions)
		}
	}
	if keys := c.NKeys(); len(slices.Compact(slices.Sorted(slices.Values(keys)))) != len(keys) {
		t.Errorf("roles share keys: %v", keys)
	}
	if mode, err := os.Stat(filepath.Join(dir, secretFile)); err != nil || mode.Mode().Perm() != 0o600 {
		t.Errorf("the secret has mode %v, %v", mode.Mode(), err)
	}
	before := get(t, dir, secretFile) + get(t, dir, natsFile)
	if code, out, errs := newSecret(t, dir); code != 5 || out != "" || !strings.Contains(errs, "nothing was changed") {
		t.Errorf("once more: exit %d, %s%s", code, out, errs)
	}
	if get(t, dir, secretFile)+get(t, dir, natsFile) != before {
		t.Error("files that were there have changed")
	}
}

// TestSecretNewManyAtOnce has several transporter nodes of one share installed in the same moment.
func TestSecretNewManyAtOnce(t *testing.T) {
	t.Parallel()
	for round := range 5 {
		dir := t.TempDir()
		codes, texts := make([]int, 3), make([]string, 3)
		var all sync.WaitGroup
		for i := range codes {
			all.Go(func() {
				var out, errs string
				codes[i], out, errs = newSecret(t, dir, "--url", fmt.Sprintf("nats://t%d:4222", i))
				texts[i] = out + errs
			})
		}
		all.Wait()
		winners := 0
		for i, code := range codes {
			made := strings.Contains(texts[i], "wrote "+filepath.Join(dir, secretFile))
			if made {
				winners++
			}
			if own := strings.Contains(get(t, dir, secretFile), fmt.Sprintf("nats://t%d:4222", i)); own != made {
				t.Errorf("round %d: %d says that it made the secret: %v, and it is its own: %v", round, i, made, own)
			}
			said := strings.Contains(texts[i], "in the same moment") || strings.Contains(texts[i], "already")
			if made && code != 0 || !made && (!said || code != 5 && code != 0) {
				t.Errorf("round %d: exit %d of %d: %s", round, code, i, texts[i])
			}
		}
		if winners != 1 {
			t.Errorf("round %d: %d made the secret: %q", round, winners, texts)
		}
		wantPair(t, dir)
	}
}

// TestSecretNewCompletesWhatIsThere: the secret is the truth, and the transporter's file can be made of it again.
func TestSecretNewCompletesWhatIsThere(t *testing.T) {
	t.Parallel()
	made := t.TempDir()
	if code, _, errs := newSecret(t, made); code != 0 {
		t.Fatal(errs)
	}
	own := get(t, made, secretFile)
	seed := seeds.FindString(own)
	for name, tt := range map[string]struct{ secret, wants string }{
		"a run that was killed between the two": {own, `publish: {allow: ["fx.v1.event.config"`},
		"the guide's token":                     {"token = long-and-random-0123456789\n", `token: "long-and-random-0123456789"`},
		"one key for all":                       {"[transporter]\nseed = " + seed + "\n", `{nkey: "` + spec.PublicKey(seed) + `"}`},
		"a rotation under way": {"[manager]\nseed = " + seed + "\nprevious_seed = " + seeds.FindAllString(own, 2)[1] + "\n",
			spec.PublicKey(seeds.FindAllString(own, 2)[1])},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			put(t, dir, secretFile, tt.secret)
			if code, out, errs := newSecret(t, dir); code != 0 || strings.Contains(out, "wrote "+filepath.Join(dir, secretFile)) {
				t.Fatalf("exit %d: %s%s", code, out, errs)
			}
			if get(t, dir, secretFile) != tt.secret {
				t.Error("the secret has changed")
			}
			if text := get(t, dir, natsFile); !strings.Contains(text, tt.wants) {
				t.Errorf("there is no %s in\n%s", tt.wants, text)
			}
			wantPair(t, dir)
		})
	}
	same := t.TempDir()
	put(t, same, secretFile, own)
	if code, _, errs := newSecret(t, same); code != 0 || get(t, same, natsFile) != get(t, made, natsFile) {
		t.Errorf("the file that is made again is not what it was: exit %d, %s", code, errs)
	}
}

// TestSecretNewRefuses names what is wrong, and writes nothing.
func TestSecretNewRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		files map[string]string
		args  []string
		code  int
		says  string
	}{
		"a file of public keys alone": {map[string]string{natsFile: "port: 4222\n"}, nil, 1, "private keys cannot be made of public ones"},
		"a torn secret":               {map[string]string{secretFile: "[manager]\nseed = SUAAAA\n"}, nil, 1, "manager.seed"},
		"an empty secret":             {map[string]string{secretFile: ""}, nil, 1, "transporter-secret.ini"},
		"no port":                     {nil, []string{"--port", "0"}, 2, "port"},
		"a URL that is none":          {nil, []string{"--url", "http://x"}, 2, "--url"},
		"a route that is none":        {nil, []string{"--route", "a b"}, 2, "route"},
		"an owner that is none":       {nil, []string{"--owner", "nobody-here"}, 2, "--owner"},
		"half an owner":               {nil, []string{"--owner", "1:x"}, 2, "UID:GID"},
		"no directory":                {nil, []string{"--config-dir", "/nowhere/at/all"}, 1, "mount the share"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range tt.files {
				put(t, dir, file, text)
			}
			code, out, errs := newSecret(t, dir, tt.args...)
			if code != tt.code || !strings.Contains(errs, tt.says) {
				t.Errorf("exit %d, want %d with %q: %s%s", code, tt.code, tt.says, out, errs)
			}
			if entries, _ := os.ReadDir(dir); len(entries) > len(tt.files) && tt.code == 1 {
				t.Errorf("it left %v", entries)
			}
		})
	}
}

// TestSecretNewForACluster writes the routes with a password of their own, and says in JSON what it did.
func TestSecretNewForACluster(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := []string{"--json", "--host", "10.0.0.1", "--port", "4333", "--cluster-name", "eda", "--route", "t1", "--route", "[::1]:7000", "--url", "nats://t1:4333"}
	var r secretResult
	for _, dry := range []bool{true, false} {
		with := args
		if dry {
			with = append(slices.Clone(args), "--dry-run")
		}
		code, out, errs := newSecret(t, dir, with...)
		if code != 0 {
			t.Fatalf("exit %d: %s", code, errs)
		}
		if err := json.Unmarshal([]byte(out), &r); err != nil || r.DryRun != dry || len(r.Files) != 2 {
			t.Fatalf("%s: %v", out, err)
		}
		if entries, _ := os.ReadDir(dir); dry && len(entries) > 0 {
			t.Fatalf("--dry-run wrote %v", entries)
		}
	}
	c := wantPair(t, dir)
	if c.Host != "10.0.0.1" || c.Port != 4333 || c.Cluster.Name != "eda" || c.Cluster.User == "" || c.Cluster.Password == "" {
		t.Errorf("%s", get(t, dir, natsFile))
	}
	if hosts := c.Cluster.RouteHosts(); !slices.Equal(hosts, []string{"t1:6222", "[::1]:7000"}) {
		t.Errorf("routes %v", hosts)
	}
	if len(r.Keys) != len(spec.Components()) || r.Keys["user"] != c.Authorization.Users[2].NKey {
		t.Errorf("keys %v", r.Keys)
	}
}
