package spec

const transporterFile = "transporter-secret.ini"

// bus is transporter-secret.ini as it is written; Load makes a Transporter of it.
type bus struct {
	Transporter
	token Seed
}

// transporterSettings are the keys of transporter-secret.ini.
func transporterSettings() []Setting {
	f, s := transporterFile, "transporter"
	out := []Setting{
		{File: f, Section: s, Key: "urls", Type: TypeURLs,
			Doc:  "The transporter nodes, such as tls://t1.example.com:4222; none is a transporter inside fastxd.",
			into: to(func(b *bus) *[]string { return &b.URLs })},
		{File: f, Section: s, Key: "tls_ca_file", Type: TypePath,
			Doc:  "The CA certificates that the transporter nodes are checked against; the system's when absent.",
			into: to(func(b *bus) *string { return &b.TLSCAFile })},
		{File: f, Section: s, Key: "form", Type: TypeText, Default: "nkey", Allowed: []string{"nkey", "token"},
			Doc:  "What components show: nkey seeds, or the one token of the published guide.",
			into: to(func(b *bus) *string { return &b.Form })},
		{File: f, Section: s, Key: "seed", Type: TypeSeed, Secret: true,
			Doc:  "The seed of all components that have none of their own.",
			into: to(func(b *bus) *string { return &b.Default.Current })},
		{File: f, Section: s, Key: "previous_seed", Type: TypeSeed, Secret: true,
			Doc:  "The seed before it, tried second while keys are rotated.",
			into: to(func(b *bus) *string { return &b.Default.Previous })},
		{File: f, Section: s, Key: "token", Type: TypeToken, Secret: true,
			Doc:  "With form = token: the token, in clear text.",
			into: to(func(b *bus) *string { return &b.token.Current })},
		{File: f, Section: s, Key: "previous_token", Type: TypeToken, Secret: true,
			Doc:  "With form = token: the token before it.",
			into: to(func(b *bus) *string { return &b.token.Previous })},
	}
	for _, c := range Components() {
		out = append(out,
			Setting{File: f, Section: string(c), Key: "seed", Type: TypeSeed, Secret: true,
				Doc:  "The " + string(c) + "'s own seed.",
				into: seedOf(c, func(s *Seed) *string { return &s.Current })},
			Setting{File: f, Section: string(c), Key: "previous_seed", Type: TypeSeed, Secret: true,
				Doc:  "The " + string(c) + "'s seed before it.",
				into: seedOf(c, func(s *Seed) *string { return &s.Previous })})
	}
	return append(out,
		Setting{File: f, Section: "*", Key: "token", Type: TypeToken, Secret: true,
			Doc:  "A token in any other place is understood too.",
			into: to(func(b *bus) *string { return &b.token.Current })},
		Setting{File: f, Section: "*", Key: "previous_token", Type: TypeToken, Secret: true,
			Doc:  "A token in any other place is understood too.",
			into: to(func(b *bus) *string { return &b.token.Previous })})
}

// seedOf binds a setting to one component's seed.
func seedOf(c Component, field func(*Seed) *string) binding {
	return func(target any, _ string, value any) {
		seeds := target.(*bus).Seeds
		seed := seeds[c]
		*field(&seed) = value.(string)
		seeds[c] = seed
	}
}

const permissionsFile = "permissions.ini"

// permissionSettings are the keys of permissions.ini.
func permissionSettings() []Setting {
	out := []Setting{
		{File: permissionsFile, Section: "permissions", Key: "default", Type: TypeLevel, Default: "limited", Allowed: levelNames[:],
			Doc:  "The level of users that no section names.",
			into: to(func(p *Permissions) *Level { return &p.Default })},
	}
	for _, l := range Levels() {
		out = append(out,
			Setting{File: permissionsFile, Section: l.String(), Key: "users", Type: TypeList,
				Doc:  "Users of the level " + l.String() + ".",
				into: allAt(l, func(p *Permissions) map[string]Level { return p.Users })},
			Setting{File: permissionsFile, Section: l.String(), Key: "groups", Type: TypeList,
				Doc:  "Groups of the level " + l.String() + ".",
				into: allAt(l, func(p *Permissions) map[string]Level { return p.Groups })})
		if l == Limited || l == Operator {
			out = append(out, Setting{File: permissionsFile, Section: l.String(), Key: "actions", Type: TypeList,
				Doc: "What the level " + l.String() + " may do; all that it can when absent."})
		}
	}
	return out
}

// allAt binds a list of names to a level. A name that is listed twice, which is an error, keeps the lower one.
func allAt(l Level, of func(*Permissions) map[string]Level) binding {
	return func(target any, _ string, value any) {
		levels := of(target.(*Permissions))
		for _, name := range value.([]string) {
			if before, twice := levels[name]; !twice || l < before {
				levels[name] = l
			}
		}
	}
}
