package fileset

import (
	"testing"
)

func TestMountsOfOtherMachinesAreShared(t *testing.T) {
	t.Parallel()
	m := ParseMounts([]byte(`22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /srv/with\040space rw - nfs4 server:/export rw
31 22 0:41 /sub /srv/with\040space/local rw - xfs /dev/sdb rw
32 22 0:42 / /home rw - autofs /etc/auto.home rw
33 22 0:43 / /home rw - fuse.sshfs host:/home rw
34 22 0:44 / /fuse rw - fuse.bindfs /x rw
broken
`))
	for dir, want := range map[string]bool{
		"/": false, "/srv": false, "/srv/with space": true, "/srv/with space/deep": true, "/srv/with spaces": false,
		"/srv/with space/local/x": false, "/home/ada": true, "/fuse": false,
	} {
		if m.Shared(dir) != want {
			t.Errorf("%s lies on %+v, shared is %t", dir, m.On(dir), !want)
		}
	}
}

// inPod is what a container of a pod sees: the image, a ConfigMap and a Secret as the kubelet mounts them, an emptyDir
// once to read and once to write, a hostPath that another mount shows in part to write, and shares.
const inPod = `500 400 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
501 500 8:1 /var/lib/kubelet/pods/7f/volumes/kubernetes.io~configmap/scripts /etc/scripts ro,relatime - ext4 /dev/sda1 rw
502 500 0:51 / /etc/secrets ro,relatime - tmpfs tmpfs rw,size=8192k
503 500 8:1 /var/lib/kubelet/pods/7f/volumes/kubernetes.io~empty-dir/work /in ro,relatime - ext4 /dev/sda1 rw
504 500 8:1 /var/lib/kubelet/pods/7f/volumes/kubernetes.io~empty-dir/work /out rw,relatime - ext4 /dev/sda1 rw
505 500 8:2 /srv/tools /tools ro,relatime - xfs /dev/sdb rw
506 500 8:2 /srv/tools/site /site rw,relatime - xfs /dev/sdb rw
507 500 0:52 / /image ro,relatime - squashfs /dev/loop0 ro
508 500 8:3 / /locked rw,relatime - ext4 /dev/sdc ro
509 500 0:53 / /share ro,relatime - nfs4 server:/export rw
510 500 0:54 / /fuse ro,relatime - fuse.bindfs /x rw
511 501 0:55 / /etc/scripts/over rw,relatime - tmpfs tmpfs rw
`

// TestWhatNobodyCanWriteToIsFrozen goes through mounts whose directories anybody could change by their mode.
func TestWhatNobodyCanWriteToIsFrozen(t *testing.T) {
	t.Parallel()
	m := ParseMounts([]byte(inPod))
	for dir, want := range map[string]bool{
		"/etc/scripts": true, "/etc/scripts/..2026_11_25": true, "/etc/secrets": true, "/image/bin": true, "/locked": true,
		"/": false, "/opt": false, "/etc/scriptsX": false, // the image's own file system
		"/in": false, "/in/deep": false, "/out": false, // /out changes what /in shows
		"/tools": true, "/tools/bin": true, "/tools/site": false, "/tools/site/x": false,
		"/share": false, "/fuse": false, // others change it elsewhere
		"/etc/scripts/over": false,
	} {
		if got := m.frozen(dir); got != want {
			t.Errorf("%s: frozen is %t; it lies on %+v", dir, got, m.On(dir))
		}
	}
	if (Mounts{}).frozen("/etc/scripts") {
		t.Error("where nothing is known of the mounts, something is frozen")
	}
}
