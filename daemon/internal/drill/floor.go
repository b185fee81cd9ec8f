package drill

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// Floor is what no generation may fall below while the files of a good tree are damaged.
type Floor struct {
	tree   fileset.Set
	config *spec.Config
}

// NewFloor returns the floor of a tree that loads.
func NewFloor(tree fileset.Set) (Floor, error) {
	cfg, problems := Input().Load(tree)
	return Floor{tree, cfg}, problems.Err()
}

// Check says in what a configuration made of a set falls below the floor. What was garbled, by a bit that flipped or by
// two writers at once, may say what nobody wrote, such as the name of another user; what it demands of users
// must still be demanded.
func (f Floor) Check(set fileset.Set, cfg *spec.Config, garbled bool) error {
	if cfg == nil {
		return errors.New("a generation means nothing")
	}
	return errors.Join(f.files(set, garbled), f.nats(cfg.NATS), f.permissions(cfg.Permissions, garbled), f.logins(cfg.Htpasswd, garbled),
		f.web(cfg.HTTPS, garbled), f.seeds(cfg.Transporter, garbled))
}

// files: every security file is there, says something and ends where it should; no secret is open to others.
func (f Floor) files(set fileset.Set, garbled bool) error {
	var all []error
	for _, good := range f.tree.Files() {
		k, _ := spec.KindOf(good.Name)
		now, there := set.Lookup(good.Name)
		if there && k.Secret && now.Mode&0o066 != 0 {
			all = append(all, fmt.Errorf("%s is a secret with mode %04o", good.Name, now.Mode))
		}
		switch {
		case !k.Security:
		case !there, now.Err != nil, spec.Hollow(now):
			all = append(all, fmt.Errorf("%s is gone or says nothing", good.Name))
		case !garbled && now.Data[len(now.Data)-1] != '\n':
			all = append(all, fmt.Errorf("%s ends in the middle of a line", good.Name))
		}
	}
	return errors.Join(all...)
}

// nats: clients and routes are asked for what they were asked for.
func (f Floor) nats(now *natsconf.Config) error {
	was := f.config.NATS
	switch {
	case now == nil:
		return errors.New("nats-server.conf says nothing")
	case now.Authorization.Form != was.Authorization.Form:
		return fmt.Errorf("nats-server.conf: the form of authorization is %q and was %q", now.Authorization.Form, was.Authorization.Form)
	case len(now.NKeys()) == 0 || len(now.NKeys()) > len(was.NKeys()):
		return fmt.Errorf("nats-server.conf: %d keys let in, %d did", len(now.NKeys()), len(was.NKeys()))
	case now.Cluster == nil:
		return errors.New("nats-server.conf: the cluster is gone")
	case now.Cluster.User == "" || now.Cluster.Password == "":
		return errors.New("nats-server.conf: routes are not authorized any more")
	}
	for _, u := range now.Authorization.Users {
		if u.Permissions == nil && now.Authorization.Permissions == nil {
			return errors.New("nats-server.conf: a user has lost its permissions")
		}
	}
	return nil
}

// permissions: nobody stands higher.
func (f Floor) permissions(now spec.Permissions, garbled bool) error {
	was := f.config.Permissions
	if now.Default > was.Default {
		return fmt.Errorf("permissions.ini: the default is %s and was %s", now.Default, was.Default)
	}
	if garbled {
		if a, b := disabled(now), disabled(was); a < b {
			return fmt.Errorf("permissions.ini: %d users are disabled, %d were", a, b)
		}
		return nil
	}
	names := slices.Concat(slices.Collect(maps.Keys(was.Users)), slices.Collect(maps.Keys(now.Users)), []string{"anybody"})
	for _, name := range names {
		if a, b := now.LevelOf(name, nil), was.LevelOf(name, nil); a > b {
			return fmt.Errorf("permissions.ini: %s is %s and was %s", name, a, b)
		}
	}
	for name, level := range now.Groups {
		if was.Groups[name] < level {
			return fmt.Errorf("permissions.ini: the group %s is %s and was %s", name, level, was.Groups[name])
		}
	}
	return nil
}

func disabled(p spec.Permissions) int {
	count := 0
	for _, l := range p.Users {
		if l == spec.Disabled {
			count++
		}
	}
	return count
}

// logins: nobody logs in who could not, and every hash is one.
func (f Floor) logins(now map[string]string, garbled bool) error {
	for name, hash := range now {
		if err := spec.CheckHash(hash); err != nil {
			return fmt.Errorf("htpasswd: %s: %w", name, err)
		}
		if !garbled && f.config.Htpasswd[name] != hash {
			return fmt.Errorf("htpasswd: %s has another password", name)
		}
	}
	return nil
}

// web: TLS stays on, and no further proxy is believed.
func (f Floor) web(now spec.HTTPS, garbled bool) error {
	if f.config.HTTPS.Enabled && !now.Enabled {
		return errors.New("https.ini: TLS is off")
	}
	for _, p := range now.TrustedProxies {
		if !garbled && !slices.Contains(f.config.HTTPS.TrustedProxies, p) {
			return fmt.Errorf("https.ini: the proxy %s is believed", p)
		}
	}
	return nil
}

// seeds: what this node shows at the transporter is what it was given.
func (f Floor) seeds(now spec.Transporter, garbled bool) error {
	was := f.config.Transporter
	if now.Form != was.Form {
		return fmt.Errorf("transporter-secret.ini: the form is %q and was %q", now.Form, was.Form)
	}
	for _, c := range spec.Components() {
		if now.SeedOf(c).Current == "" || !garbled && now.SeedOf(c).Current != was.SeedOf(c).Current {
			return fmt.Errorf("transporter-secret.ini: the %s shows another seed", c)
		}
	}
	return nil
}
