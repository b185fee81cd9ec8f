package ctl

import (
	"fmt"

	"github.com/fastx-kit/fastx-kit/daemon/spec"
	"github.com/spf13/cobra"
)

// explained is explain's JSON form.
type explained struct {
	File     *explainedFile `json:"file,omitempty"` // when a file was asked for
	Settings []explainedKey `json:"settings"`
}

type explainedFile struct {
	Pattern       string `json:"pattern"`
	Dialect       string `json:"dialect"`
	Documentation string `json:"documentation"`
	Secret        bool   `json:"secret"`
	Security      bool   `json:"security"`
	Acted         bool   `json:"acted_on"`
}

type explainedKey struct {
	File          string   `json:"file"`
	Section       string   `json:"section"`
	Key           string   `json:"key"`
	Type          string   `json:"type"`
	Takes         string   `json:"takes"` // the type with what bounds it
	Default       string   `json:"default,omitempty"`
	Allowed       []string `json:"allowed,omitempty"`
	Documentation string   `json:"documentation"`
	Notes         []string `json:"notes,omitempty"`
	Secret        bool     `json:"secret"`
	Acted         bool     `json:"acted_on"`
	Reload        string   `json:"reload"`
	ReplacedBy    string   `json:"replaced_by,omitempty"`
}

func (a *app) explainCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "explain KEY|FILE|FILE:KEY",
		Short: "Say what a key or a file of the configuration means",
		Long: `explain says of a key what it means, what it takes, its default, whether it is a secret,
and what a change of it does; of a file what it is for and all of that for its keys.

A key may have its section before it (admin.users), and * in it stands for any letters.
A file is a name (apps/xterm.ini), a pattern (apps/*.ini) or a path. What check prints,
file:line:col: key, is understood as well. It needs no running fastxd and reads no file:
fastxctl check says whether yours are good.`,
		Example: `  fastxctl explain geometry
  fastxctl explain apps/xterm.ini:command
  fastxctl explain performance/*.ini
  fastxctl explain 'FX_*'
  fastxctl explain https.ini --json | jq -r '.settings[].key'`,
		Args: oneArg("which key or file to explain"),
		RunE: func(_ *cobra.Command, args []string) error { return a.explain(args[0]) },
	}
	c.ValidArgsFunction = completeKeys
	a.jsonFlag(c)
	return c
}

func (a *app) explain(query string) error {
	topic, err := spec.Find(query)
	if err != nil {
		return exit{exitUsage, err}
	}
	if a.json {
		return a.printJSON(explainedOf(topic))
	}
	_, err = fmt.Fprint(a.Stdout, topic.Text())
	return err
}

func explainedOf(topic spec.Topic) explained {
	out := explained{Settings: []explainedKey{}}
	if k := topic.Kind; k != nil {
		out.File = &explainedFile{k.Pattern, string(k.Dialect), k.Doc, k.Secret, k.Security, k.Acted}
	}
	for _, s := range topic.Settings {
		out.Settings = append(out.Settings, explainedKey{s.File, s.Section, s.Key, string(s.Type), s.Takes(), s.Default, s.Allowed, s.Doc, s.Notes(),
			s.Secret, s.Acted, string(s.Reload), s.Now})
	}
	return out
}

// completeKeys offers every file and every key with its section and, as what it is about, its documentation.
func completeKeys(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var out []string
	if len(args) > 0 {
		return out, cobra.ShellCompDirectiveNoFileComp
	}
	out = fileKinds()
	seen := map[string]bool{}
	for _, s := range spec.Settings() {
		if name := s.Name(); s.Key != "*" && !seen[name] {
			seen[name] = true
			out = append(out, name+"\t"+s.File+": "+s.Doc)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// fileKinds lists the kinds of files, each with what it is for.
func fileKinds() []string {
	var out []string
	for _, k := range spec.Kinds() {
		out = append(out, k.Pattern+"\t"+k.Doc)
	}
	return out
}
