package ctl

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAFileIsKnownByWhereItLiesAndWhatItIsCalled(t *testing.T) {
	t.Parallel()
	a := &app{System: System{Env: map[string]string{"FX_CONFIG_DIR": "/srv/fx", "FX_NODE_FILE": "/srv/node.env"}}}
	for file, want := range map[string]spot{
		"/etc/fastx/fastx.env":              {root: "/etc/fastx", name: "fastx.env", kind: "fastx.env"},
		"/etc/fastx/apps/xterm.ini":         {root: "/etc/fastx", name: "apps/xterm.ini", kind: "apps/*.ini"},
		"/srv/fx/apps/xterm.ini":            {root: "/srv/fx", name: "apps/xterm.ini", kind: "apps/*.ini"},
		"/home/ada/repo/cfg/apps/xterm.ini": {root: "/home/ada/repo/cfg", name: "apps/xterm.ini", kind: "apps/*.ini"},
		"/home/ada/repo/cfg/htpasswd":       {root: "/home/ada/repo/cfg", name: "htpasswd", kind: "htpasswd"},
		"/cfg/schedule/slurm/run":           {root: "/cfg", name: "schedule/slurm/run", kind: "schedule/*/*"},
		"/fastx.env":                        {root: "/", name: "fastx.env", kind: "fastx.env"},
		"/apps/a.ini":                       {root: "/", name: "apps/a.ini", kind: "apps/*.ini"},
		"/etc/default/fastx4":               {name: "/etc/default/fastx4", kind: "fastx.env", node: true},
		"/srv/node.env":                     {name: "/srv/node.env", kind: "fastx.env", node: true},
		"/own/node.env":                     {name: "/own/node.env", kind: "fastx.env", node: true},
	} {
		if got, known := a.locate(file, "/own/node.env", a.roots()); got != want || !known {
			t.Errorf("%s is %+v, %t; want %+v", file, got, known, want)
		}
	}
	for _, file := range []string{"/tmp/ansible.x83k", "/etc/fastx/apps/xterm.conf", "/etc/fastx", "/", "/home/ada/node.env"} {
		if got, known := a.locate(file, "", a.roots()); known {
			t.Errorf("%s is %+v", file, got)
		}
	}
}

func TestATreeIsKnownByWhatLiesInIt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		files []string
		want  bool
	}{
		"a configuration":             {[]string{"fastx.env", "apps/x.ini", "README.md"}, true},
		"one beside a kit":            {[]string{"fastx.env", "apps/x.ini", "performance/default.ini", "ansible/x", "README.md", ".git/config"}, true},
		"a file alone":                {[]string{"fastx.env"}, true},
		"a file among other people's": {[]string{"fastx.env", "a", "b", "c"}, false},
		"nothing":                     {nil, true},
	} {
		files := map[string]string{}
		for _, f := range tc.files {
			files[f] = "x"
		}
		if got := isTree(lay(t, files)); got != tc.want {
			t.Errorf("%s: isTree = %t", name, got)
		}
	}
	if isTree(filepath.Join(t.TempDir(), "nowhere")) || isTree(os.DevNull) {
		t.Error("what is no directory is a tree")
	}
}
