package ctl

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nkeys"
	"github.com/spf13/cobra"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
	"github.com/fastx-kit/fastx-kit/daemon/render"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// exitThere is what secret new exits with when there was a secret already, or another run was first.
const exitThere = 5

// secretOptions are the flags of secret new.
type secretOptions struct {
	dir, owner  string
	urls        []string
	host        string
	port        int
	clusterName string
	clusterHost string
	clusterPort int
	routes      []string
	dryRun      bool
}

func (a *app) secretCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "secret",
		Short: "Make the keys that open the transporter",
		Long: `secret makes the keys that the components show at the transporter. The private halves
stand in transporter-secret.ini, which every node has; the public halves stand in
nats-server.conf, which the transporter nodes run by.`,
		Example: "  fastxctl secret new\n  fastxctl secret new --dry-run",
		Args:    noCommand, RunE: showHelp, DisableFlagsInUseLine: true,
	}
	c.AddCommand(a.secretNewCmd())
	return c
}

func (a *app) secretNewCmd() *cobra.Command {
	var o secretOptions
	c := &cobra.Command{
		Use:   "new",
		Short: "Write transporter-secret.ini and nats-server.conf with new keys",
		Long: `new writes transporter-secret.ini and a matching nats-server.conf with a new key for each
role: webserver, manager, user and launcher. nats-server.conf lets each role use the
subjects of its own work and no others.

Nothing that is there is ever changed. A nats-server.conf that alone is missing is made for
the secret that is there: that also completes what was interrupted. Of several that run at
once on a shared directory one makes the secret, and the others see that and say so.

Exit codes: 0 written, 1 failed, 2 wrong usage, 5 there was a secret already, or another
run made it in the same moment; the pair fits then, too.`,
		Example: `  fastxctl secret new
  fastxctl secret new --url nats://t1:4222 --url nats://t2:4222 --route t1 --route t2
  fastxctl secret new --config-dir ./config --dry-run`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return a.secretNew(o) },
	}
	a.jsonFlag(c)
	f := c.Flags()
	f.StringVar(&o.dir, "config-dir", cmp.Or(a.Env["FX_CONFIG_DIR"], configDir), "the `directory` to write into; it has to be there")
	f.StringVar(&o.owner, "owner", "", "the account the files belong to: `NAME` or UID:GID (default: fastx when run as root)")
	f.StringSliceVar(&o.urls, "url", nil, "where components find a transporter node, a `URL`; once for each (default: nats://this host:port)")
	f.StringVar(&o.host, "host", "", "the `address` that the transporter listens at (default: all)")
	f.IntVar(&o.port, "port", natsconf.DefaultPort, "the `port` that it listens at")
	f.StringVar(&o.clusterName, "cluster-name", natsconf.DefaultClusterName, "the `name` that all transporter nodes have in common")
	f.StringVar(&o.clusterHost, "cluster-host", "", "the `address` that other transporter nodes reach (default: all with --route, else none)")
	f.IntVar(&o.clusterPort, "cluster-port", natsconf.DefaultClusterPort, "the `port` that they reach")
	f.StringSliceVar(&o.routes, "route", nil, "another transporter node, `HOST` or HOST:PORT; once for each, this one included")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be written, and write nothing")
	return c
}

// secretResult is what secret new did, and its JSON form.
type secretResult struct {
	Dir    string            `json:"dir"`
	Files  []string          `json:"files"` // that were written, or with dry_run would be
	Keys   map[string]string `json:"keys"`  // the public half of each role's key
	Raced  bool              `json:"raced"` // another run made the secret in the same moment
	DryRun bool              `json:"dry_run"`
}

// secretNew makes the pair:
//
//  1. look at what is there; a whole pair is left alone
//  2. make the secret, unless somebody is first
//  3. read the secret that is there now: it is the truth, whoever made it
//  4. make the transporter's file for it, unless somebody is first
//  5. see that the two fit
func (a *app) secretNew(o secretOptions) error {
	w, err := a.secretWriter(o)
	if err != nil {
		return err
	}
	conf, secret := w.has(render.NATSFile), w.has(render.SecretFile) // (1) in this order: the secret is made first
	switch {
	case conf && secret:
		return there("%s and %s are in %s already; nothing was changed", render.SecretFile, render.NATSFile, o.dir)
	case conf:
		return fmt.Errorf("%s: there is a %s and no %s, and private keys cannot be made of public ones; bring that file back, or move this one away",
			o.dir, render.NATSFile, render.SecretFile)
	}
	if !secret {
		if err := w.makeSecret(); err != nil { // (2)
			return err
		}
	}
	if err := w.makeConf(); err != nil { // (3) (4)
		return err
	}
	if err := w.fits(); err != nil { // (5)
		return err
	}
	return a.printSecret(w.result)
}

func there(format string, args ...any) error {
	return exit{exitThere, fmt.Errorf(format, args...)}
}

func (a *app) printSecret(r secretResult) error {
	if a.json {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else if err := a.describeSecret(r); err != nil {
		return err
	}
	switch {
	case r.Raced:
		return there("another run made %s in %s in the same moment; its keys count, and none of this one are left", render.SecretFile, r.Dir)
	case len(r.Files) == 0:
		return there("another run completed %s in the same moment; this one changed nothing", r.Dir)
	case !slices.Contains(r.Files, render.SecretFile):
		fmt.Fprintf(a.Stderr, "%s was there already; %s fits it\n", render.SecretFile, render.NATSFile)
	}
	return nil
}

func (a *app) describeSecret(r secretResult) error {
	did := map[bool]string{false: "wrote", true: "would write"}[r.DryRun]
	for _, name := range r.Files {
		fmt.Fprintf(a.Stdout, "%s %s\n", did, filepath.Join(r.Dir, name))
	}
	var rows [][]string
	for _, c := range spec.Components() {
		if key := r.Keys[string(c)]; key != "" {
			rows = append(rows, []string{string(c), key})
		}
	}
	return a.table(rows...)
}

// secretWriter makes the files in one directory.
type secretWriter struct {
	o      secretOptions
	owner  *fileset.Owner // nil = whoever runs this
	result secretResult
	staged []byte // with --dry-run: a secret that is not written; nil where one is there
}

// secretWriter settles what flags leave open.
func (a *app) secretWriter(o secretOptions) (*secretWriter, error) {
	w := &secretWriter{o: o, result: secretResult{Dir: o.dir, Files: []string{}, Keys: map[string]string{}, DryRun: o.dryRun}}
	if info, err := os.Stat(o.dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is no directory that is there; mount the share, or make it: install -d -o %s -g %s -m 0750 %s", o.dir, packagesAccount, packagesAccount, o.dir)
	}
	if o.port < 1 || o.clusterPort < 1 {
		return nil, usage("a port lies between 1 and 65535")
	}
	if len(o.urls) == 0 {
		host, err := os.Hostname()
		if err != nil {
			return nil, usage("this machine has no host name (%w); say with --url where components find the transporter", err)
		}
		w.o.urls = []string{"nats://" + net.JoinHostPort(host, strconv.Itoa(o.port))}
	}
	var err error
	w.owner, err = a.secretOwner(o.owner)
	return w, err
}

// secretOwner finds the account that the files are to belong to.
func (a *app) secretOwner(name string) (*fileset.Owner, error) {
	if name == "" && a.UID != 0 {
		return nil, nil
	}
	name = cmp.Or(name, packagesAccount)
	if uid, gid, ok := strings.Cut(name, ":"); ok {
		u, err1 := strconv.ParseUint(uid, 10, 31)
		g, err2 := strconv.ParseUint(gid, 10, 31)
		if err1 != nil || err2 != nil {
			return nil, usage("--owner: %q is neither an account nor UID:GID", name)
		}
		return &fileset.Owner{UID: int(u), GID: int(g)}, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, usage("--owner: %w; make the account first, or give its numbers as UID:GID", err)
	}
	return &fileset.Owner{UID: number(u.Uid), GID: number(u.Gid)}, nil
}

func (w *secretWriter) path(name string) string { return filepath.Join(w.o.dir, name) }

func (w *secretWriter) has(name string) bool {
	_, err := os.Lstat(w.path(name))
	return err == nil
}

// create writes one of the files, and reports whether it was this run that did.
func (w *secretWriter) create(f fileset.File) (bool, error) {
	if w.o.dryRun {
		w.result.Files = append(w.result.Files, f.Name)
		return true, nil
	}
	err := fileset.Create(w.path(f.Name), f.Data, f.Mode, w.owner)
	switch {
	case errors.Is(err, fs.ErrExist):
		return false, nil
	case errors.Is(err, fileset.ErrNoLinks):
		return false, fmt.Errorf("%w; make the pair in another directory, and copy it", err)
	case errors.Is(err, fs.ErrPermission):
		return false, fmt.Errorf("%w; root may do nothing on some shares: run this as the account that may, with runuser -u %s", err, packagesAccount)
	case err != nil:
		return false, err
	}
	w.result.Files = append(w.result.Files, f.Name)
	return true, nil
}

// makeSecret writes new seeds.
func (w *secretWriter) makeSecret() error {
	seeds := map[spec.Component]string{}
	for _, c := range spec.Components() {
		seed, err := newSeed()
		if err != nil {
			return err
		}
		seeds[c] = seed
	}
	set, problems := render.Render(render.Secret(w.o.urls, "", seeds))
	if problems.HasErrors() {
		return usage("--url: %w", problems.Err())
	}
	f, _ := set.Lookup(render.SecretFile)
	if w.o.dryRun {
		w.staged = f.Data
	}
	made, err := w.create(f)
	w.result.Raced = err == nil && !made
	return err
}

func newSeed() (string, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	defer pair.Wipe()
	seed, err := pair.Seed()
	return string(seed), err
}

// makeConf writes the transporter's file for the secret that is there.
func (w *secretWriter) makeConf() error {
	t, err := w.secret()
	if err != nil {
		return err
	}
	for _, c := range spec.Components() {
		if key := spec.PublicKey(t.SeedOf(c).Current); key != "" && w.staged == nil {
			w.result.Keys[string(c)] = key
		}
	}
	auth, err := render.Authorization(t)
	if err != nil {
		return fmt.Errorf("%s: %w", w.o.dir, err)
	}
	f := render.NATS(natsconf.Config{Host: w.o.host, Port: w.o.port, Authorization: auth, Cluster: w.cluster()})
	if _, problems := natsconf.Parse(f.Name, f.Data); problems.HasErrors() {
		return usage("what the flags say makes no %s: %w", f.Name, problems.Err())
	}
	_, err = w.create(f)
	return err
}

// secret reads what transporter-secret.ini says.
func (w *secretWriter) secret() (spec.Transporter, error) {
	data := w.staged
	if data == nil {
		var err error
		if data, err = fileset.ReadFile(w.path(render.SecretFile)); err != nil {
			return spec.Transporter{}, err
		}
	}
	cfg, problems := w.load(fileset.File{Name: render.SecretFile, Data: data, Mode: 0o600})
	return cfg.Transporter, problems.Err()
}

// load says what files mean to a node, whoever they belong to.
func (w *secretWriter) load(files ...fileset.File) (*spec.Config, diag.List) {
	return spec.Load(spec.Input{Set: fileset.New(files...), Alone: true})
}

// fits holds the two files, as they are there, against each other.
func (w *secretWriter) fits() error {
	if w.o.dryRun {
		return nil
	}
	var files []fileset.File
	for _, name := range []string{render.SecretFile, render.NATSFile} {
		data, err := fileset.ReadFile(w.path(name))
		if err != nil {
			return err
		}
		files = append(files, fileset.File{Name: name, Data: data, Mode: 0o600})
	}
	_, problems := w.load(files...)
	if i := slices.IndexFunc(problems, func(d diag.Diagnostic) bool { return strings.HasSuffix(d.Code, "-mismatch") }); i >= 0 {
		return fmt.Errorf("the two files in %s do not fit: %s", w.o.dir, problems[i])
	}
	return nil
}

// cluster is how the transporter nodes find each other. One alone listens to its own machine only.
func (w *secretWriter) cluster() *natsconf.Cluster {
	c := &natsconf.Cluster{Name: w.o.clusterName, Host: w.o.clusterHost, Port: w.o.clusterPort}
	if len(w.o.routes) == 0 && c.Host == "" {
		c.Host = "127.0.0.1"
		return c
	}
	c.User, c.Password = "route", natsconf.Secret(rand.Text())
	for _, r := range w.o.routes {
		if _, _, err := net.SplitHostPort(r); err != nil {
			r = net.JoinHostPort(strings.Trim(r, "[]"), strconv.Itoa(c.Port))
		}
		u := url.URL{Scheme: "nats", User: url.UserPassword(c.User, string(c.Password)), Host: r}
		c.Routes = append(c.Routes, natsconf.Secret(u.String()))
	}
	return c
}
