package generation

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// Weaker says what a candidate allows, compared with the generation before, only because its files do not say
// something any more. That is what a security file looks like of which the rest has yet to be written: a file that
// ends in the middle of a line, a user who is not disabled any more, a block that is gone. It is
// also what an administrator's edit looks like, so it is no error: it asks for patience.
func (k *Keeper) Weaker(candidate *Generation) diag.List {
	was := k.before()
	if was == nil {
		return nil
	}
	out := k.cut(candidate.Set)
	out = append(out, raised(was.Permissions, candidate.Config.Permissions)...)
	if !was.PAM.Enabled && candidate.Config.PAM.Enabled && !enabled.Match(data(candidate.Set, pamFile)) {
		out = append(out, weaker(pamFile, "enabled", "is not false any more"))
	}
	out = append(out, openedSSH(was.AuthSSH, candidate.Config.AuthSSH)...)
	out = append(out, lostBlocks(was.NATS, candidate.Config.NATS)...)
	if !slices.Contains(candidate.Config.Removed, secretFile) {
		out = append(out, lostSeeds(was.Transporter, candidate.Config.Transporter)...)
	}
	out.Sort()
	return out
}

// before is what the generation before means, nil when there is none that loads.
func (k *Keeper) before() *spec.Config {
	switch {
	case k.base == nil:
		return nil
	case k.base.Config != nil:
		return k.base.Config
	}
	cfg, problems := k.o.Load(k.base.Set)
	if problems.HasErrors() {
		return nil
	}
	return cfg
}

// Await ends a candidate that is not to run yet. The running generation stays, and the same set may be offered again.
func (k *Keeper) Await(candidate *Generation, why diag.List) {
	if candidate == nil || candidate != k.candidate {
		return
	}
	k.see(sight{k.offered, false, append(slices.Clone(why), candidate.Problems...)})
	k.candidate, k.offered = nil, ""
}

func weaker(file, key, summary string) diag.Diagnostic {
	return diag.Diagnostic{File: file, Key: key, Severity: diag.Error, Code: "weaker", Summary: summary,
		Remedy: "write the file whole; if this is meant, it is taken in a while, and at once by fastxctl reload --wait"}
}

// cut finds security files that end in the middle of a line and did not before.
func (k *Keeper) cut(set fileset.Set) (out diag.List) {
	newline := []byte("\n")
	for _, old := range k.base.Set.Files() {
		now, there := set.Lookup(old.Name)
		if there && security(old.Name) && bytes.HasSuffix(old.Data, newline) && !bytes.HasSuffix(now.Data, newline) {
			out = append(out, weaker(old.Name, "", "ends in the middle of a line, as a file does that is still being written"))
		}
	}
	return out
}

const permissionsFile = "permissions.ini"

// pamFile turns logins by PAM off; without it they are on.
const pamFile = "auth-pam.ini"

// enabled is a line that says it in so many words.
var enabled = regexp.MustCompile(`(?m)^[ \t]*enabled[ \t]*=`)

func data(set fileset.Set, name string) []byte {
	f, _ := set.Lookup(name)
	return f.Data
}

// raised finds users and groups who stand higher because their entry, or the default, is gone.
func raised(was, now spec.Permissions) (out diag.List) {
	s, _ := spec.Lookup(permissionsFile, "permissions", "default")
	if now.Default > was.Default && now.Default.String() == s.Default {
		out = append(out, weaker(permissionsFile, "permissions.default", fmt.Sprintf("is not %s any more", was.Default)))
	}
	most := now.Default
	for _, l := range now.Groups {
		most = max(most, l)
	}
	gone := func(key string, was, now map[string]spec.Level, most spec.Level) {
		for _, name := range slices.Sorted(maps.Keys(was)) {
			if _, there := now[name]; !there && was[name] < most {
				out = append(out, weaker(permissionsFile, was[name].String()+"."+key, fmt.Sprintf("does not name %q any more, who thereby may do more", name)))
			}
		}
	}
	gone("users", was.Users, now.Users, most)
	gone("groups", was.Groups, now.Groups, now.Default)
	return out
}

// openedSSH finds logins through an sshd that auth-ssh.ini had turned off, or through another one than it named.
func openedSSH(was, now *spec.AuthSSH) (out diag.List) {
	if was == nil || now == nil || !now.Enabled {
		return nil
	}
	if !was.Enabled {
		out = append(out, weaker("auth-ssh.ini", "enabled", "is not false any more"))
	}
	if s, _ := spec.Lookup("auth-ssh.ini", "", "host"); now.Host != was.Host && now.Host == s.Default {
		out = append(out, weaker("auth-ssh.ini", "host", fmt.Sprintf("is not %s any more, so that this machine's sshd lets people in", was.Host)))
	}
	return out
}

// lostBlocks finds what nats-server.conf asked for and does not any more.
func lostBlocks(was, now *natsconf.Config) (out diag.List) {
	if was == nil || now == nil {
		return nil
	}
	lost := func(gone bool, key string) {
		if gone {
			out = append(out, weaker("nats-server.conf", key, "is gone"))
		}
	}
	lost(was.TLS != nil && now.TLS == nil, "tls")
	lost(was.Cluster != nil && now.Cluster == nil, "cluster")
	lost(was.Cluster != nil && now.Cluster != nil && was.Cluster.User != "" && now.Cluster.User == "", "cluster.authorization")
	lost(unlimited(was.Authorization) < unlimited(now.Authorization), "authorization.users.permissions")
	return out
}

// unlimited counts the users that may use every subject.
func unlimited(a natsconf.Authorization) int {
	count := 0
	for _, u := range a.Users {
		if u.Permissions == nil && a.Permissions == nil {
			count++
		}
	}
	return count
}

const secretFile = "transporter-secret.ini"

// lostSeeds finds components that had a seed of their own and now would show the one that all share, and a node that had
// a transporter and now would be one by itself: so reads a file of which only the first lines are written.
func lostSeeds(was, now spec.Transporter) (out diag.List) {
	if shows(was) && !shows(now) {
		return diag.List{weaker(secretFile, "", "holds no seed and no token any more")}
	}
	for _, c := range spec.Components() {
		if was.Seeds[c].Current != "" && now.Seeds[c].Current == "" && now.Form == was.Form && now.Default.Current != "" {
			out = append(out, weaker(secretFile, string(c)+".seed", "is gone"))
		}
	}
	return out
}

// shows reports whether any component has something to show at the transporter.
func shows(t spec.Transporter) bool {
	return slices.ContainsFunc(spec.Components(), func(c spec.Component) bool { return t.SeedOf(c).Current != "" })
}
