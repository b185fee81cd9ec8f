package render

import (
	"fmt"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/natsconf"
	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

// The two halves of the transporter's secret.
const (
	SecretFile = "transporter-secret.ini" // private: what components show
	NATSFile   = "nats-server.conf"       // public: what the transporter asks for
)

// Secret returns transporter-secret.ini with a seed for each component. urls are those of the transporter nodes.
func Secret(urls []string, caFile string, seeds map[spec.Component]string) File {
	top := map[string]any{}
	if len(urls) > 0 {
		top["urls"] = urls
	}
	if caFile != "" {
		top["tls_ca_file"] = caFile
	}
	settings := Settings{"transporter": top}
	for c, seed := range seeds {
		settings[string(c)] = map[string]any{"seed": seed}
	}
	return File{Path: SecretFile, Settings: settings,
		Comment: "What the components show at the transporter. Copy this file to every node of the cluster.\nThe public halves of the keys stand in " + NATSFile + "."}
}

// Authorization returns what a transporter has to ask for so that whoever shows t is let in: each component's key with
// the component's permissions and, while keys are rotated, the key before it; a key for all components, with every
// permission; or the token. The error says what t lacks, and never a secret.
func Authorization(t spec.Transporter) (natsconf.Authorization, error) {
	if t.Form == "token" {
		return natsconf.Authorization{Form: natsconf.Token, Token: natsconf.Secret(t.Default.Current)}, nil
	}
	a := natsconf.Authorization{Form: natsconf.Users}
	add := func(s spec.Seed, p *natsconf.Permissions) error {
		for _, seed := range []string{s.Current, s.Previous} {
			if seed == "" {
				continue
			}
			public := spec.PublicKey(seed)
			if public == "" {
				return fmt.Errorf("%s holds a seed that is none; one of a user begins with SU and has 58 characters", SecretFile)
			}
			a.Users = append(a.Users, natsconf.User{NKey: public, Permissions: p})
		}
		return nil
	}
	err := add(t.Default, nil)
	for _, c := range spec.Components() {
		if err == nil {
			err = add(t.Seeds[c], Permissions(c))
		}
	}
	if err == nil && len(a.Users) == 0 {
		err = fmt.Errorf("%s holds no seed and no token", SecretFile)
	}
	return a, err
}

// NATS returns nats-server.conf. It may be read by the group: that of the daemon's account.
func NATS(c natsconf.Config) fileset.File {
	return fileset.File{Name: NATSFile, Mode: 0o640, Data: append([]byte(Header+"\n\n"), natsconf.Render(c)...)}
}
