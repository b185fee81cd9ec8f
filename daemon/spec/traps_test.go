package spec

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"
	hashing "golang.org/x/crypto/bcrypt"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// sharedVar is a machine on which /var/fastx is mounted from elsewhere.
var sharedVar = &Machine{Mounts: fileset.Mounts{{Dir: "/", Type: "ext4"}, {Dir: "/var/fastx", Type: "nfs4"}}}

const nodeFile = "/etc/default/fastx4"

// trap is a mistake that administrators are known to make, and the nearest thing to it that is right.
type trap struct {
	bad, good map[string]string // file name → text
	change    func(*Input)      // of bad alone
	want      string            // what is said, as it is printed
}

// pair is a new nkey: what goes into transporter-secret.ini, and into nats-server.conf.
func pair(t *testing.T) (seed, public string) {
	t.Helper()
	kp, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	s, err := kp.Seed()
	if err != nil {
		t.Fatal(err)
	}
	public, err = kp.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return string(s), public
}

func traps(t *testing.T) map[string]trap {
	t.Helper()
	files := func(pairs ...string) map[string]string {
		out := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i]] = pairs[i+1]
		}
		return out
	}
	const (
		ini  = "transporter-secret.ini"
		conf = "nats-server.conf"
		tail = "\ncluster { name: x, host: localhost, port: 6222 }\n"
		open = "authorization { token: longrandom }" + tail
	)
	hash, err := hashing.GenerateFromPassword([]byte("cleartext"), hashing.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	hashed := "authorization {\n  token: \"" + string(hash) + "\"\n}" + tail
	seedA, publicA := pair(t)
	seedB, publicB := pair(t)
	users := func(keys ...string) string {
		return "authorization { users: [{nkey: " + strings.Join(keys, "}, {nkey: ") + "}] }" + tail
	}
	mode := func(name string, mode fileset.File) func(*Input) {
		return func(in *Input) {
			f, _ := in.Set.Lookup(name)
			f.Mode, f.UID, f.GID = mode.Mode, mode.UID, mode.GID
			in.Set = in.Set.With(f)
		}
	}
	return map[string]trap{
		"the guide's token": {
			bad: files(conf, "authorization {\n  token: thisisasecret\n}"+tail), good: files(conf, open),
			want: "nats-server.conf:2:3: authorization.token: this is an example that stands in public documentation; everyone knows it; make a new one of your own"},
		"the guide's token among secrets": {
			bad: files(ini, "[transporter]\ntoken = dag0HTXl4RGg7dXdaJwbC8\n"), good: files(ini, "[transporter]\ntoken = longrandom\n"),
			want: "transporter-secret.ini:2:9: transporter.token: is an example that stands in public documentation; make a new one"},
		"the manual's seed": {
			bad: files(ini, "[manager]\nseed = SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY\n"), good: files(ini, "[manager]\nseed = "+seedA+"\n"),
			want: "transporter-secret.ini:2:8: manager.seed: is an example that stands in public documentation; make a new one"},
		"the guide's route password": {
			bad:  files(conf, "authorization { token: \""+string(hash)+"\" }\ncluster {\n  name: x\n  port: 6222\n  authorization { user: ruser, password: T0pS3cr3t }\n}\n"),
			good: files(conf, "authorization { token: \""+string(hash)+"\" }\ncluster {\n  name: x\n  port: 6222\n  authorization { user: ruser, password: longrandom }\n}\n"),
			want: "nats-server.conf:5:32: cluster.authorization.password: this is an example that stands in public documentation; everyone knows it; make a new one of your own"},
		"nats-server.conf is empty": {
			bad: files(conf, "\n"), good: files(conf, open),
			want: "nats-server.conf: is empty, which could be a half-written file; write it whole; to do without it, remove it and name it in removed.ini\n" +
				"nats-server.conf: the file is empty, and nats-server would let anyone connect; write it again, or take it away and name it in removed.ini"},
		"nats-server.conf lost its authorization": {
			bad: files(conf, "port: 4222"+tail), good: files(conf, "port: 4222\n"+open),
			want: "nats-server.conf: authorization: nothing here asks clients for a secret, so anyone may connect; add authorization { users = [{nkey: …}] }; if it was there, the file is only half written"},
		"the hash in the client's file": {
			bad: files(ini, "token = "+string(hash)+"\n"), good: files(ini, "token = cleartext\n"),
			want: "transporter-secret.ini:1:9: token: holds a bcrypt hash; write the clear text here; the hash belongs into nats-server.conf"},
		"a secret that everyone reads": {
			bad: files(ini, "token = longrandom\n"), good: files(ini, "token = longrandom\n"), change: mode(ini, fileset.File{Mode: 0o644}),
			want: "transporter-secret.ini: holds secrets and can be read by everyone; run chmod 0600 transporter-secret.ini"},
		"a server's clear secret that everyone reads": {
			bad: files(conf, open), good: files(conf, users(publicA)), change: mode(conf, fileset.File{Mode: 0o644}),
			want: "nats-server.conf: holds a secret in the clear and can be read or changed by everyone; run chmod o-rwx nats-server.conf, or use nkeys, of which only the public half stands here"},
		"a server's private key that everyone reads": {
			bad:    files(conf, "tls { cert_file: /etc/ssl/t.pem, key_file: /etc/ssl/t.key }\n"+open, "/etc/ssl/t.key", "a key"),
			good:   files(conf, "tls { cert_file: /etc/ssl/t.pem, key_file: /etc/ssl/t.key }\n"+open, "/etc/ssl/t.key", "a key"),
			change: mode("/etc/ssl/t.key", fileset.File{Mode: 0o644}),
			want:   "/etc/ssl/t.key: holds a private key and can be read or changed by everyone; run chmod o-rwx /etc/ssl/t.key"},
		"a private key of routes that everyone changes": {
			bad:    files(conf, "authorization { token: longrandom }\ncluster { name: x, host: localhost, tls { cert_file: /etc/ssl/t.pem, key_file: /etc/ssl/../ssl/t.key } }\n", "/etc/ssl/t.key", "a key"),
			good:   files(conf, "authorization { token: longrandom }\ncluster { name: x, host: localhost, tls { cert_file: /etc/ssl/t.pem, key_file: /etc/ssl/t.key } }\n", "/etc/ssl/t.key", "a key"),
			change: mode("/etc/ssl/t.key", fileset.File{Mode: 0o602, UID: 7, GID: 7}),
			want:   "/etc/ssl/t.key: holds a private key and can be read or changed by everyone; run chmod o-rwx /etc/ssl/t.key"},
		"LOCAL inside a shared VAR": {
			bad:  files(nodeFile, "SERVICES=launcher\nFX_LOCAL_DIR=/var/fastx/local\n"),
			good: files(nodeFile, "SERVICES=launcher\nFX_LOCAL_DIR=/var/lib/fastx-local\n"),
			want: "/etc/default/fastx4:2:1: FX_LOCAL_DIR: /var/fastx/local lies inside FX_VAR_DIR, which nodes share; move it to a directory of this node, such as /var/lib/fastx-local"},
		"TEMP on a network mount": {
			bad: files(nodeFile, "FX_TEMP_DIR=/var/fastx/tmp\n"), good: files(nodeFile, "FX_TEMP_DIR=/tmp\n"),
			want: "/etc/default/fastx4:1:1: warning: FX_TEMP_DIR: /var/fastx/tmp lies on a network mount (nfs4), and nodes that share it get into each other's way; name a directory of this machine, such as /tmp"},
		"RUN on a network mount": {
			bad: files(nodeFile, "FX_RUN_DIR=/var/fastx/run\n"), good: files(nodeFile, "FX_RUN_DIR=/run/fastx\n"),
			want: "/etc/default/fastx4:1:1: warning: FX_RUN_DIR: /var/fastx/run lies on a network mount (nfs4), and nodes that share it get into each other's way; name a directory of this machine, such as /run/fastx"},
		"RUN in a TEMP on a network mount, which is told once": {
			bad: files(nodeFile, "FX_TEMP_DIR=/var/fastx/tmp\nFX_RUN_DIR=/var/fastx/tmp/fx-0\n"), good: files(nodeFile, "FX_RUN_DIR=/tmp/fx-0\n"),
			want: "/etc/default/fastx4:1:1: warning: FX_TEMP_DIR: /var/fastx/tmp lies on a network mount (nfs4), and nodes that share it get into each other's way; name a directory of this machine, such as /tmp"},
		"SERVICES for all nodes": {
			bad: files("fastx.env", "# all\nSERVICES=webserver\n"), good: files(nodeFile, "# all\nSERVICES=webserver\n"),
			want: "fastx.env:2:1: SERVICES: cannot stand in the file that all nodes share; set it in the node file (/etc/default/fastx4) or the unit's environment"},
		"METADATA for all nodes": {
			bad: files("fastx.env", "METADATA_rack=7\n"), good: files(nodeFile, "METADATA_rack=7\n"),
			want: "fastx.env:1:1: warning: METADATA_rack: gives all nodes the same value, because they share this file; set it in the node file (/etc/default/fastx4) or the unit's environment"},
		"a hash that is too slow for many nodes": {
			bad:    files(conf, strings.Replace(hashed, "$04$", "$08$", 1)),
			good:   files(conf, hashed),
			change: func(in *Input) { in.Nodes = 40 },
			want:   "nats-server.conf:2:3: warning: authorization.token: a bcrypt hash of cost 8 lets some 114 clients in before the others give up, and 200 may reconnect at once; use nkeys, or a long random token in plain text"},
		"a cluster without a name": {
			bad:  files(conf, "authorization { token: longrandom }\ncluster { host: localhost, port: 6222 }\n"),
			good: files(conf, open),
			want: "nats-server.conf:2:1: warning: cluster: the cluster has no name, so every server makes one up; give all servers the same name"},
		"routes without credentials": {
			bad:  files(conf, "authorization { token: longrandom }\ncluster { name: x, port: 6222, authorization { user: r, password: s }\n  routes = [\n    nats://b:6222\n  ]\n}\n"),
			good: files(conf, "authorization { token: longrandom }\ncluster { name: x, port: 6222, authorization { user: r, password: s }\n  routes = [\n    nats://r:s@b:6222\n  ]\n}\n"),
			want: "nats-server.conf:4:5: warning: cluster.routes[0]: the route shows no user and password, and the cluster block asks for them; write nats://USER:PASSWORD@HOST:PORT"},
		"routes that anyone may open": {
			bad:  files(conf, "authorization { token: longrandom }\ncluster { name: x, port: 6222 }\n"),
			good: files(conf, "authorization { token: longrandom }\ncluster { name: x, port: 6222, authorization { user: r, password: s } }\n"),
			want: "nats-server.conf:2:1: warning: cluster: whoever reaches the cluster port joins the cluster and sees everything; add authorization { user, password } to the cluster block"},
		"a certificate that depends on where one starts": {
			bad:  files(conf, open+"leafnodes { tls { cert_file: /a,\n  key_file: b } }\n"),
			good: files(conf, open+"leafnodes { tls { cert_file: /a,\n  key_file: /b } }\n"),
			want: "nats-server.conf:4:3: warning: leafnodes.tls.key_file: \"b\" depends on the directory that the transporter is started in; write the whole path from / on; fastxd transporter wants it"},
		"TLS for clients and not for routes": {
			bad:  files(conf, "tls { cert_file: /a, key_file: /b }\nauthorization { token: longrandom }\ncluster { name: x, port: 6222, authorization { user: r, password: s } }\n"),
			good: files(conf, "tls { cert_file: /a, key_file: /b }\nauthorization { token: longrandom }\ncluster { name: x, port: 6222, authorization { user: r, password: s }, tls { cert_file: /a, key_file: /b } }\n"),
			want: "nats-server.conf:3:1: warning: cluster: clients connect over TLS, and what they say goes on to the other servers in the clear; add tls { cert_file, key_file, ca_file, verify: true } to the cluster block"},
		"a token that does not open": {
			bad: files(ini, "[transporter]\ntoken = another\n", conf, open), good: files(ini, "[transporter]\ntoken = longrandom\n", conf, open),
			want: "transporter-secret.ini:2:1: warning: transporter.token: does not open the nats-server.conf beside it; make the two match; where a bcrypt hash stands there, the clear text belongs here"},
		"a token that is not the hash's": {
			bad: files(ini, "token = another\n", conf, hashed), good: files(ini, "token = cleartext\n", conf, hashed),
			want: "transporter-secret.ini:1:1: warning: token: does not open the nats-server.conf beside it; make the two match; where a bcrypt hash stands there, the clear text belongs here"},
		"a seed that is nobody's": {
			bad:  files(ini, "[manager]\nseed = "+seedA+"\n[user]\nseed = "+seedB+"\n", conf, users(publicA)),
			good: files(ini, "[manager]\nseed = "+seedA+"\n[user]\nseed = "+seedB+"\n", conf, users(publicA, publicB)),
			want: "transporter-secret.ini:4:1: warning: user.seed: its public key is none of the users of the nats-server.conf beside it; list the public key there (nk -pubout prints it), or write the seed of one that is"},
		"a seed and the one before": {
			bad:  files(ini, "[manager]\nseed = "+seedA+"\n", conf, users(publicB)),
			good: files(ini, "[manager]\nseed = "+seedA+"\nprevious_seed = "+seedB+"\n", conf, users(publicB)),
			want: "transporter-secret.ini:2:1: warning: manager.seed: its public key is none of the users of the nats-server.conf beside it; list the public key there (nk -pubout prints it), or write the seed of one that is"},
		"a token where users are asked for": {
			bad: files(ini, "token = longrandom\n", conf, users(publicA)), good: files(ini, "[transporter]\nseed = "+seedA+"\n", conf, users(publicA)),
			want: "transporter-secret.ini:1:1: warning: token: nats-server.conf asks for one of several users, and here is a token; write each component's seed here, or the token there"},
		"a seed where a token is asked for": {
			bad: files(ini, "[transporter]\nseed = "+seedA+"\n", conf, open), good: files(ini, "token = longrandom\n", conf, open),
			want: "transporter-secret.ini:2:1: warning: transporter.seed: nats-server.conf asks for a token, and here is a seed; write form = token and the token, or list the public keys there"},
		"anything where a password is asked for": {
			bad: files(ini, "token = longrandom\n", conf, "authorization { user: a, password: longrandom }"+tail), good: files(ini, "token = longrandom\n", conf, open),
			want: "transporter-secret.ini:1:1: warning: token: nats-server.conf asks for a user and a password, which fastxd has none of; give the components nkeys, or one token"},
	}
}

// say loads a trap's files. They are as private as they can be.
func say(files map[string]string, change func(*Input)) (Input, string) {
	in := Input{NodeFile: nodeFile, Hostname: "host", DaemonUID: 990, DaemonGID: 991, Machine: sharedVar,
		Dirs: Dirs{Config: "/etc/fastx", Var: "/var/fastx", Local: "/var/lib/fastx-local", Temp: "/tmp", Run: "/run/fastx"}}
	for name, text := range files {
		in.Set = in.Set.With(fileset.File{Name: name, Data: []byte(text), Mode: 0o600})
	}
	if change != nil {
		change(&in)
	}
	_, problems := Load(in)
	return in, strings.TrimSuffix(problems.Text(), "\n")
}

func TestKnownTrapsAreToldApartFromWhatIsRight(t *testing.T) {
	t.Parallel()
	all := traps(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trap := all[name]
			if _, got := say(trap.bad, trap.change); got != trap.want {
				t.Errorf("got  %s\nwant %s", got, trap.want)
			}
			if _, got := say(trap.good, nil); got != "" {
				t.Errorf("the good one: %s", got)
			}
		})
	}
}

func TestProgramsThatAreRunBelongToRoot(t *testing.T) {
	t.Parallel()
	const script = "/opt/site/balance.sh"
	root := func(name string) fileset.Dir { return fileset.Dir{Name: name, Mode: 0o755} }
	good := fileset.File{Name: script, Data: []byte("#!/bin/sh\n"), Mode: 0o755, Above: []fileset.Dir{root("/"), root("/opt"), root("/opt/site")}}
	const remedy = "; give it and every directory above it to root (chown root, chmod go-w), or move it to such a place as /usr/local/lib/fastx"
	const is = `LOAD_BALANCER_SCRIPT: "/opt/site/balance.sh" is executed, and `
	for name, tc := range map[string]struct {
		change func(*fileset.File)
		want   string
	}{
		"root's own":                     {func(*fileset.File) {}, ""},
		"the daemon may only read":       {func(f *fileset.File) { f.Mode, f.GID = 0o750, 991 }, ""},
		"a group that is not the daemon": {func(f *fileset.File) { f.Above[1].Mode, f.Above[1].GID = 0o775, 50 }, ""},
		"the daemon's":                   {func(f *fileset.File) { f.UID = 990 }, `"/opt/site/balance.sh" belongs to user 990 and not to root`},
		"the daemon's group writes":      {func(f *fileset.File) { f.Mode, f.GID = 0o775, 991 }, `the daemon's own group can change "/opt/site/balance.sh"`},
		"everyone writes":                {func(f *fileset.File) { f.Mode = 0o777 }, `everyone can change "/opt/site/balance.sh"`},
		"a directory of the daemon's":    {func(f *fileset.File) { f.Above[2].UID = 990 }, `"/opt/site" belongs to user 990 and not to root`},
		"a directory for everyone":       {func(f *fileset.File) { f.Above[1].Mode = 0o777 }, `everyone can change "/opt"`},
		"one that nobody can write to":   {func(f *fileset.File) { f.Above[1].Mode, f.Above[1].ReadOnly = 0o777, true }, ""},
		"the daemon's own on a read-only mount": {func(f *fileset.File) { f.Above[2].UID, f.Above[2].ReadOnly = 990, true },
			`"/opt/site" belongs to user 990 and not to root`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := good
			f.Above = slices.Clone(good.Above)
			tc.change(&f)
			_, got := say(map[string]string{"fastx.env": "# balance\nLOAD_BALANCER_SCRIPT=" + script + "\n"}, func(in *Input) { in.Set = in.Set.With(f) })
			const quiet = "fastx.env:2:1: warning: LOAD_BALANCER_SCRIPT: is not acted on by this version yet; it may stay"
			want := quiet
			if tc.want != "" {
				want += "\nfastx.env:2:22: " + is + tc.want + remedy
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			in, _ := say(nil, func(in *Input) {
				in.Environ = map[string]string{"LOAD_BALANCER_SCRIPT": script}
				in.Set = in.Set.With(f)
			})
			if _, problems := Load(in); problems.HasErrors() != (tc.want != "") {
				t.Errorf("named by the process: %s", problems.Text())
			}
		})
	}
}

// TestTrapsKeepSecrets looks for every secret of the table in everything that is said about it.
func TestTrapsKeepSecrets(t *testing.T) {
	t.Parallel()
	for name, trap := range traps(t) {
		_, said := say(trap.bad, trap.change)
		for _, secret := range []string{"longrandom", "another", "cleartext", "thisisasecret", "T0pS3cr3t", "dag0HTX", "$2a$", "SUA", "SUB", "SUC", "SUD"} {
			if strings.Contains(said, secret) {
				t.Errorf("%s says %q:\n%s", name, secret, said)
			}
		}
	}
}

// TestAFileAlone judges files without the tree they belong to: what they say of other files counts for nothing.
func TestAFileAlone(t *testing.T) {
	t.Parallel()
	alone := func(in *Input) { in.Alone, in.Machine = true, nil }
	for name, text := range map[string]string{
		"apps/xterm.ini":         "command = xterm\nprofile = special\ngeometry = 9999x9999\n",
		"transporter-secret.ini": "[transporter]\nurls = tls://t1:4222\ntls_ca_file = /etc/ssl/ca.pem\n",
		"https.ini":              "cert_file = /etc/ssl/c.pem\nkey_file = /etc/ssl/k.pem\n",
		"theme.ini":              "logo = /srv/logo.svg\n",
		nodeFile:                 "LOAD_BALANCER=fewest-sessions\nFX_TRANSPORTER_SECRET=/etc/fastx-node/secret.ini\n",
	} {
		if _, got := say(map[string]string{name: text}, alone); got != "" {
			t.Errorf("%s alone: %s", name, got)
		}
		if _, got := say(map[string]string{name: text}, nil); got == "" {
			t.Errorf("%s in a tree is as good as alone", name)
		}
	}
	if _, got := say(map[string]string{"apps/xterm.ini": "comand = xterm\n"}, alone); !strings.Contains(got, `did you mean "command"?`) {
		t.Errorf("a mistake of its own: %s", got)
	}
}

func TestLocalMayBeAMountWithinASharedVar(t *testing.T) {
	t.Parallel()
	m := &Machine{Mounts: fileset.Mounts{{Dir: "/", Type: "ext4"}, {Dir: "/srv", Type: "nfs4"}, {Dir: "/srv/local", Type: "xfs"}}}
	dirs := Dirs{Config: "/etc", Var: "/srv", Local: "/srv/local", Temp: "/tmp", Run: "/run"}
	if problems := CheckDirs(dirs, m); len(problems) > 0 {
		t.Errorf("a LOCAL that is mounted within VAR: %s", problems.Text())
	}
}
