package ctl

import (
	"fmt"
	"strconv"

	"github.com/fastx-kit/fastx-kit/daemon/internal/admin"
)

// origin is the name under which the history records what a command asks for: the one given, else that
// of the environment.
func (a *app) origin(given string) string {
	if given == "" {
		return a.Env["FX_ORIGIN"]
	}
	return given
}

func (a *app) printReload(r admin.ReloadReport) error {
	if a.json {
		if err := a.printJSON(r); err != nil {
			return err
		}
		return exitWith(r.Outcome.ExitCode())
	}
	texts := map[admin.Outcome]string{
		admin.Applied:  "applied; generation %d runs",
		admin.Rejected: "rejected; generation %d still runs",
		admin.HeldBack: "accepted as generation %d, except files with errors",
		admin.Restart:  "accepted as generation %d, but some keys wait for a restart of fastxd",
	}
	text, ok := texts[r.Outcome]
	switch {
	case !ok:
		return fmt.Errorf("fastxd answered with the unknown outcome %q; are fastxctl and fastxd of one version?", r.Outcome)
	case r.Unchanged && r.Outcome == admin.Applied:
		text = "nothing new; generation %d runs"
	}
	if err := a.printProblems(r.Problems); err != nil {
		return err
	}
	if err := a.printKeys(r); err != nil {
		return err
	}
	fmt.Fprintf(a.Stdout, text+"%s\n", r.Generation, except(r.HeldBack, r.LeftOut))
	return exitWith(r.Outcome.ExitCode())
}

const (
	mostKeys  = 40 // that a terminal is shown
	mostValue = 60 // characters of a value that a terminal is shown
)

// printKeys says of each key what became of it. Of a change that was taken over before anybody asked it says
// when, and for whom.
func (a *app) printKeys(r admin.ReloadReport) error {
	if len(r.Keys) == 0 {
		return nil
	}
	if r.Unchanged {
		fmt.Fprintf(a.Stdout, "generation %d was accepted %s, asked for by %s:\n", r.Generation, moment(r.Accepted), printable(r.Origin))
	}
	var rows [][]string
	for _, k := range r.Keys[:min(len(r.Keys), mostKeys)] {
		rows = append(rows, []string{k.Result, keyPlace(k), side(k.Old) + " → " + side(k.New)})
	}
	if err := a.table(rows...); err != nil {
		return err
	}
	if more := len(r.Keys) - mostKeys; more > 0 {
		fmt.Fprintf(a.Stdout, "and %d more; --json lists all\n", more)
	}
	return nil
}

// keyPlace is where a key stands: fastx.env:3: FX_LISTEN.
func keyPlace(k admin.Key) string {
	text := printable(k.File)
	if k.Line > 0 {
		text += ":" + strconv.Itoa(k.Line)
	}
	if k.Key != "" {
		text += ": " + printable(k.Key)
	}
	return text
}

// side is one side of a change.
func side(value *string) string {
	if value == nil {
		return "(not set)"
	}
	text := []rune(printable(*value))
	if len(text) > mostValue {
		return string(text[:mostValue]) + "…"
	}
	if len(text) == 0 {
		return `""`
	}
	return string(text)
}
