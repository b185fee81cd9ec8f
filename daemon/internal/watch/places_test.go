package watch

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// run runs a program that a test needs; images/scripts/deps.sh installs it.
func run(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
}

// What configuration management is started with: its own Python and no home but the test's.
const (
	system  = "PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=$PWD/../.. "
	ansible = system + "ANSIBLE_REMOTE_TEMP=$PWD/../../tmp ansible -i localhost, -c local all "
	puppet  = system + "puppet apply --confdir $PWD/../../puppet --vardir $PWD/../../puppet --logdir $PWD/../../puppet --rundir $PWD/../../puppet"
)

// TestTheWritersOfADayAreSeen lets the programs that people and tools edit files with change one.
func TestTheWritersOfADayAreSeen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, script string }{
		{"echo", "echo new > a.ini"},
		{"tee, slowly", "{ printf n; sleep 0.02; echo ew; } | tee a.ini >/dev/null"},
		{"sed -i", "sed -i s/old/new/ a.ini"},
		{"cp", "cp ../new a.ini"},
		{"cp --remove-destination", "cp --remove-destination ../new a.ini"},
		{"mv", "mv ../new a.ini"},
		{"install", "install -m 0644 ../new a.ini"},
		{"rsync", "rsync -I ../new a.ini"},
		{"rsync --inplace", "rsync -I --inplace ../new a.ini"},
		{"vi, in place", "vi -e -s -u NONE -c 'set backupcopy=yes' -c '%s/old/new/' -c x a.ini </dev/null"},
		{"vi, moving the old one away", "vi -e -s -u NONE -c 'set backup backupcopy=no' -c '%s/old/new/' -c x a.ini </dev/null"},
		{"a link that is changed", "ln -sf ../../new a.ini"},
		{"ansible", ansible + `-m copy -a "src=$PWD/../new dest=$PWD/a.ini"`},
		{"ansible, one line of it", ansible + `-m lineinfile -a "path=$PWD/a.ini regexp=old line=new"`},
		{"puppet", `echo "file { '$PWD/a.ini': content => \"new\n\" }" | ` + puppet},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			write(t, root+"/new", "new\n")
			write(t, root+"/fastx/new", "new\n")
			write(t, root+"/fastx/apps/a.ini", "old\n")
			w := start(t, Options{Dir: root + "/fastx"})
			look(t, w)
			run(t, root+"/fastx/apps", "sh", "-c", c.script)
			await(t, w, "the edit", func(s fileset.Set) bool {
				f, ok := s.Lookup("apps/a.ini")
				if text := string(f.Data); ok && text != "new\n" && text != "old\n" {
					t.Errorf("half an edit was handed on: %q", text)
				}
				return holds("apps/a.ini", "new\n")(s)
			})
			rename(t, root+"/fastx/apps/a.ini", "newer") // and the watch is still there
			await(t, w, "the next edit", holds("apps/a.ini", "newer"))
		})
	}
}

// TestAGitCheckoutThatIsSwitchedIsSeenWhole changes, adds and removes files at once.
func TestAGitCheckoutThatIsSwitchedIsSeenWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		run(t, dir, "git", append([]string{"-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=one"}, args...)...)
	}
	git("init", "-q")
	for _, branch := range []string{"one", "two"} {
		write(t, dir+"/apps/a.ini", branch)
		write(t, dir+"/apps/only-"+branch+".ini", branch)
		git("add", "-A")
		git("commit", "-q", "-m", branch)
		if branch == "one" {
			git("checkout", "-q", "-b", "two")
			git("rm", "-q", "apps/only-one.ini")
		}
	}
	w := start(t, Options{Dir: dir})
	if set := look(t, w); !holds("apps/a.ini", "two")(set) {
		t.Fatalf("the checkout holds %v", set.Names())
	}
	for _, branch := range []string{"one", "two"} {
		git("checkout", "-q", branch)
		await(t, w, "branch "+branch, func(s fileset.Set) bool {
			return holds("apps/a.ini", branch)(s) && holds("apps/only-"+branch+".ini", branch)(s) && s.Len() == 2
		})
	}
}

// volume is a directory as the kubelet makes it of a ConfigMap (AtomicWriter): the files lie in a directory of their
// own, to which ..data leads, and links lead through that.
type volume struct {
	dir     string
	version string // the directory of the files
}

// publish does what AtomicWriter does: nothing when nothing has changed, else a new directory, the swap, and then links.
func (v *volume) publish(t *testing.T, payload map[string]string) {
	t.Helper()
	old := v.version
	v.version = "..v" + strings.Repeat("i", len(old))
	for name, text := range payload {
		write(t, filepath.Join(v.dir, v.version, name), text)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Symlink(v.version, v.dir+"/..data_tmp"))
	must(os.Rename(v.dir+"/..data_tmp", v.dir+"/..data"))
	for name := range payload {
		if err := os.Symlink("..data/"+name, filepath.Join(v.dir, name)); !errors.Is(err, os.ErrExist) {
			must(err)
		}
	}
	entries, err := os.ReadDir(v.dir)
	must(err)
	for _, e := range entries {
		if _, there := payload[e.Name()]; !there && !strings.HasPrefix(e.Name(), "..") {
			must(os.Remove(filepath.Join(v.dir, e.Name())))
		}
	}
	if old != "" {
		must(os.RemoveAll(filepath.Join(v.dir, old)))
	}
}

// TestAVolumeThatLosesAKeyIsOneChange counts the sets of each update of a ConfigMap.
func TestAVolumeThatLosesAKeyIsOneChange(t *testing.T) {
	t.Parallel()
	v := volume{dir: t.TempDir()}
	v.publish(t, map[string]string{"a.ini": "one", "b.ini": "one", "c.ini": "one"})
	w := start(t, Options{Dir: v.dir})
	look(t, w)
	for _, payload := range []map[string]string{
		{"a.ini": "two", "b.ini": "two"},                 // a key is gone
		{"a.ini": "three", "b.ini": "two", "d.ini": "x"}, // one comes
		{"a.ini": "four"},                                // all others go
	} {
		v.publish(t, payload)
		await(t, w, "the update", func(s fileset.Set) bool {
			for name, text := range payload {
				if !holds(name, text)(s) {
					t.Errorf("half an update was handed on: %v instead of %v", s.Names(), payload)
				}
			}
			return s.Len() == len(payload)
		})
	}
}

// TestAVolumeThatIsWrittenAgainIsNoChange publishes the same files again, as the kubelet does when the volume's metadata change.
func TestAVolumeThatIsWrittenAgainIsNoChange(t *testing.T) {
	t.Parallel()
	v := volume{dir: t.TempDir()}
	payload := map[string]string{"a.ini": "one", "b.ini": "one"}
	v.publish(t, payload)
	w := start(t, Options{Dir: v.dir})
	look(t, w)
	v.publish(t, payload)
	payload["a.ini"] = "two"
	v.publish(t, payload)
	await(t, w, "the first real change", func(s fileset.Set) bool {
		if !holds("a.ini", "two")(s) {
			t.Errorf("a set without a change was handed on: %v", s.Names())
		}
		return true
	})
}

// mount mounts something until the test ends. Containers and ordinary users may not.
func mount(t *testing.T, source, target, kind string, flags uintptr, data string) {
	t.Helper()
	err := syscall.Mount(source, target, kind, flags, data)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skipf("this user may not mount: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(target, syscall.MNT_DETACH) })
}

// TestASingleFileThatIsMountedIsSeen is a file of a container's that is one of the host's: an edit on the host makes no
// event in the container's directory, so a rescan finds it.
func TestASingleFileThatIsMountedIsSeen(t *testing.T) {
	t.Parallel()
	host, dir := t.TempDir(), t.TempDir()
	write(t, host+"/permissions.ini", "old")
	write(t, dir+"/permissions.ini", "")
	mount(t, host+"/permissions.ini", dir+"/permissions.ini", "", syscall.MS_BIND, "")
	w := start(t, Options{Dir: dir, Interval: 20 * time.Millisecond})
	if !holds("permissions.ini", "old")(look(t, w)) {
		t.Fatal("the mounted file is not read")
	}
	write(t, host+"/permissions.ini", "new")
	await(t, w, "the edit on the host", holds("permissions.ini", "new"))
}

// TestAShareThatIsUnmountedAndMountedAgainIsSeen leaves an empty directory in between, which is handed on as what it is.
func TestAShareThatIsUnmountedAndMountedAgainIsSeen(t *testing.T) {
	t.Parallel()
	share, dir := t.TempDir(), t.TempDir()
	write(t, share+"/a.ini", "old")
	mount(t, share, dir, "", syscall.MS_BIND, "")
	w := start(t, Options{Dir: dir, Interval: 20 * time.Millisecond})
	look(t, w)
	if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	await(t, w, "the empty place", func(s fileset.Set) bool { return s.Len() == 0 })
	write(t, share+"/a.ini", "new")
	mount(t, share, dir, "", syscall.MS_BIND, "")
	await(t, w, "the share", holds("a.ini", "new"))
}

// fuse mounts a directory through bindfs, which tells nobody of what is written below it, and returns the server.
func fuse(t *testing.T, lower, upper string) *os.Process {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("this machine has no FUSE: %v", err)
	}
	cmd := exec.Command("bindfs", "-f", lower, upper)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; images/scripts/deps.sh test installs it", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Process.Kill() // which also ends what hangs on it
		_ = syscall.Unmount(upper, syscall.MNT_DETACH)
	})
	for deadline := time.After(patience); ; {
		if table, _ := os.ReadFile("/proc/self/mounts"); strings.Contains(string(table), " "+upper+" fuse") {
			return cmd.Process
		}
		select {
		case err := <-ended:
			if strings.Contains(said.String(), "ermission") || strings.Contains(said.String(), "ermitted") {
				t.Skipf("this user may not mount with FUSE: %s", said.String())
			}
			t.Fatalf("bindfs ended: %v\n%s", err, said.String())
		case <-deadline:
			t.Fatal("bindfs does not mount")
		case <-time.After(time.Millisecond):
		}
	}
}

// TestAMountWithoutEventsIsSeen writes where the mount's watchers hear nothing.
func TestAMountWithoutEventsIsSeen(t *testing.T) {
	t.Parallel()
	lower, upper := t.TempDir(), t.TempDir()
	write(t, lower+"/apps/a.ini", "old")
	fuse(t, lower, upper)
	w := start(t, Options{Dir: upper, Interval: 50 * time.Millisecond})
	if !holds("apps/a.ini", "old")(look(t, w)) {
		t.Fatal("the mount is not read")
	}
	rename(t, lower+"/apps/a.ini", "new")
	await(t, w, "a rename below the mount", holds("apps/a.ini", "new"))
	write(t, lower+"/apps/b.ini", "more")
	await(t, w, "a new file below the mount", holds("apps/b.ini", "more"))
	if err := os.Remove(lower + "/apps/a.ini"); err != nil {
		t.Fatal(err)
	}
	await(t, w, "a removal below the mount", func(s fileset.Set) bool { return s.Len() == 1 })
}

// TestAMountThatHangsTakesOneThread stops the mount's server, asks again and again, and lets it go on.
func TestAMountThatHangsTakesOneThread(t *testing.T) {
	t.Parallel()
	lower, upper := t.TempDir(), t.TempDir()
	write(t, lower+"/a.ini", "old")
	server := fuse(t, lower, upper)
	w := start(t, Options{Dir: upper, Interval: 50 * time.Millisecond})
	look(t, w)
	if err := server.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	write(t, lower+"/a.ini", "new")
	hung := 0
	for range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := w.Look(ctx); errors.Is(err, context.DeadlineExceeded) {
			hung++
		}
		cancel()
	}
	if hung < 40 { // the first may still be answered
		t.Errorf("of 50 looks at a mount that hangs %d gave up in time", hung)
	}
	if stuck := inFUSE(t); stuck > 1 {
		t.Errorf("%d threads hang on the mount, want one at most", stuck)
	}
	if err := server.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	await(t, w, "the change that waited", holds("a.ini", "new"))
}

// inFUSE counts the threads of this process that wait for a FUSE server.
func inFUSE(t *testing.T) int {
	t.Helper()
	threads, err := filepath.Glob("/proc/self/task/*/wchan")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, path := range threads {
		if where, _ := os.ReadFile(path); strings.Contains(string(where), "fuse") || strings.Contains(string(where), "request_wait_answer") {
			count++
		}
	}
	return count
}
