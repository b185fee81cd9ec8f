package archtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestGoModReplacesNothing(t *testing.T) {
	t.Parallel()
	report(t, replaces(readFile(t, "go.mod")))

	bites(t, replaces("module x\n\nreplace a => ../a\n"), "go.mod:3")
	bites(t, replaces("module x\nreplace (\n\ta => ../a\n)\n"), "go.mod:2")
}

func TestTheLicenceIsApache2(t *testing.T) {
	t.Parallel()
	text := readFile(t, "LICENSE")
	for _, want := range []string{"Apache License", "Version 2.0, January 2004", "END OF TERMS AND CONDITIONS"} {
		if !strings.Contains(text, want) {
			t.Errorf("LICENSE lacks %q", want)
		}
	}
}

// topLevel is all that stands at the top of the repository, beside dotfiles and what git ignores.
var topLevel = []string{
	"BENCHMARKS.md", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "ansible", "daemon", "go.mod", "go.sum",
	"images", "puppet", "terraform-provider", "testenv",
}

func strayEntries(names []string) (problems []string) {
	made := []string{"bin", "build", "dist", "run"}
	for _, n := range names {
		if !strings.HasPrefix(n, ".") && !slices.Contains(topLevel, n) && !slices.Contains(made, n) {
			problems = append(problems, n+" does not belong at the top of the repository")
		}
	}
	for _, n := range topLevel {
		if !slices.Contains(names, n) {
			problems = append(problems, n+" is missing at the top of the repository")
		}
	}
	return problems
}

func TestTheTopLevelIsFixed(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(filepath.FromSlash(root))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	report(t, strayEntries(names))

	bites(t, strayEntries(append(names, "utils")), "utils does not belong")
	bites(t, strayEntries(names[:1]), "testenv is missing")
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`)

// deadLinks are links of a document to files that are not there.
func deadLinks(doc, text string, exists func(string) bool) (problems []string) {
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		if target := m[1]; !strings.Contains(target, "://") && !exists(filepath.Join(filepath.Dir(doc), target)) {
			problems = append(problems, fmt.Sprintf("%s links to %s, which is not there", doc, target))
		}
	}
	return problems
}

func TestDocumentsLinkToWhatIsThere(t *testing.T) {
	t.Parallel()
	exists := func(name string) bool {
		_, err := os.Stat(filepath.Join(root, name))
		return err == nil
	}
	docs := []string{
		"README.md", "CHANGELOG.md", "BENCHMARKS.md", "daemon/README.md", "terraform-provider/README.md",
		"ansible/README.md", "puppet/README.md", "images/README.md", "testenv/README.md",
	}
	for _, doc := range docs {
		report(t, deadLinks(doc, readFile(t, doc), exists))
	}
	bites(t, deadLinks("daemon/README.md", "see [there](../nowhere.md#part)", exists), "../nowhere.md")
}

// programs are the paths a unit names, which need not be installed here.
var programs = regexp.MustCompile(`/usr/bin/(fastx[a-z-]*)`)

// verifyUnit lets systemd judge a unit, with stand-ins for the programs it names.
func verifyUnit(t *testing.T, text string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	for _, m := range programs.FindAllStringSubmatch(text, -1) {
		if err := os.WriteFile(filepath.Join(dir, m[1]), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	unit := filepath.Join(dir, "fastxd.service")
	if err := os.WriteFile(unit, []byte(programs.ReplaceAllString(text, dir+"/$1")), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", "--recursive-errors=yes", unit).CombinedOutput()
	return string(out), err
}

func TestTheUnitPleasesSystemd(t *testing.T) {
	t.Parallel()
	text := readFile(t, "images/units/fastxd.service")
	if out, err := verifyUnit(t, text); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for fault, bad := range map[string]string{
		"an unknown key":    strings.Replace(text, "[Service]\n", "[Service]\nRestrat=always\n", 1),
		"a missing program": strings.Replace(text, "/usr/bin/fastxd", "/usr/libexec/nowhere", 1),
	} {
		if out, err := verifyUnit(t, bad); err == nil {
			t.Errorf("%s is accepted:\n%s", fault, out)
		}
	}
}
