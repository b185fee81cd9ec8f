package daemon_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asTheKubelet makes of /mnt what a container finds where a ConfigMap with a script is mounted: a read-only file system
// whose top everybody could write to by its mode, and in it the script, behind two links.
const asTheKubelet = `set -e
mount -t tmpfs -o mode=0777 configmap /mnt
mkdir -m 0755 /mnt/..2026_11_25
printf '#!/bin/sh\n' > /mnt/..2026_11_25/balance.sh
chmod 0755 /mnt/..2026_11_25/balance.sh
ln -s ..2026_11_25 /mnt/..data
ln -s ..data/balance.sh /mnt/balance.sh
mount -o remount,$1 /mnt
shift
exec "$@"
`

// TestAScriptOfAConfigMapIsRootsAlone checks a configuration that names such a script. In a container nobody can write
// to the mount and it is fine; where the mount can be written to, or only this process sees that it cannot, it is not.
func TestAScriptOfAConfigMapIsRootsAlone(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root makes mounts of its own")
	}
	n := newNode(t)
	n.Write("fastx.env", "LOAD_BALANCER_SCRIPT=/mnt/balance.sh\n", 0o644)
	container, unit := []string{"--mount", "--pid", "--fork", "--mount-proc"}, []string{"--mount"}
	for name, c := range map[string]struct {
		unshare []string
		option  string
		want    string
	}{
		"in a container":                   {container, "ro", ""},
		"in one that can write":            {container, "rw", `everyone can change "/mnt"`},
		"in a unit with a view of its own": {unit, "ro", `everyone can change "/mnt"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append(c.unshare, "sh", "-c", asTheKubelet, "sh", c.option, filepath.Join(binaries.dir, "fastxctl"), "check", n.path("config"))
			out, err := exec.Command("unshare", args...).CombinedOutput()
			text := string(out)
			if !strings.Contains(text, "LOAD_BALANCER_SCRIPT: is not acted on") {
				t.Fatalf("the script is not judged: %v\n%s", err, text)
			}
			if refused := err != nil; refused != (c.want != "") || !strings.Contains(text, c.want) {
				t.Errorf("check says %v, want %q\n%s", err, c.want, text)
			}
		})
	}
}
