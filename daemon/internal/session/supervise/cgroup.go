package supervise

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// cgroup is the control group that a session has to itself: its folder by controller. It is
// empty where the supervisor was started without one.
type cgroup map[string]string

// controllers are those that hold limits. In version 1 each has a hierarchy of its own, in version 2 all share one.
var controllers = []string{"memory", "cpu", "pids", "blkio"}

// unified is how the one hierarchy of version 2 is called here.
const unified = ""

// ownCgroup finds this process's group for each controller below proc, usually /proc/self, if it
// is the unit's own and not one of many sessions.
func ownCgroup(proc, unit string) cgroup {
	groups, mounts := readGroups(proc), readMounts(proc)
	own := cgroup{}
	for _, c := range controllers {
		hierarchy := c
		if _, v1 := groups[c]; !v1 {
			hierarchy = unified
		}
		path, mount := groups[hierarchy], mounts[hierarchy]
		if filepath.Base(path) == unit && mount.point != "" {
			own[c] = filepath.Join(mount.point, strings.TrimPrefix(path, mount.root))
		}
	}
	return own
}

// readGroups reads cgroups(7)'s /proc/PID/cgroup: controller → path in its hierarchy.
func readGroups(proc string) map[string]string {
	data, _ := os.ReadFile(filepath.Join(proc, "cgroup"))
	groups := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 {
			for c := range strings.SplitSeq(f[1], ",") {
				groups[c] = f[2]
			}
		}
	}
	return groups
}

// mounted is where a hierarchy, or a part of it, can be seen.
type mounted struct{ root, point string }

// readMounts reads proc_pid_mountinfo(5): controller → where its hierarchy is.
func readMounts(proc string) map[string]mounted {
	data, _ := os.ReadFile(filepath.Join(proc, "mountinfo"))
	mounts := map[string]mounted{}
	for line := range strings.Lines(string(data)) {
		before, after, _ := strings.Cut(line, " - ")
		where, what := strings.Fields(before), strings.Fields(after)
		if len(where) < 5 || len(what) < 3 {
			continue
		}
		m := mounted{root: strings.TrimSuffix(where[3], "/"), point: where[4]}
		switch what[0] {
		case "cgroup2":
			mounts[unified] = m
		case "cgroup":
			for option := range strings.SplitSeq(what[2], ",") {
				mounts[option] = m
			}
		}
	}
	return mounts
}

// oomKills is how many of the group's processes the kernel has killed for want of memory.
func (c cgroup) oomKills() int {
	for _, file := range []string{"memory.events", "memory.oom_control"} {
		for line := range strings.Lines(c.read("memory", file)) {
			if f := strings.Fields(line); len(f) == 2 && f[0] == "oom_kill" {
				return number(f[1])
			}
		}
	}
	return 0
}

// unheld says, a sentence each, which limits the kernel does not hold the session to.
func (c cgroup) unheld(l session.Limits) []string {
	var out []string
	for _, key := range l.OfCgroup() {
		switch {
		case len(c) == 0:
			out = append(out, l.Name(key)+" is not enforced: only a fastxd that runs as root under systemd can give a session a control group of its own")
		case !c.holds(l, key):
			out = append(out, l.Name(key)+" is not enforced: this machine's control groups do not offer it")
		}
	}
	return out
}

// holds reports whether the kernel holds the group to a limit. It may be a little lower: the kernel rounds.
func (c cgroup) holds(l session.Limits, key string) bool {
	within := func(value string, limit int) bool { n := number(value); return n > 0 && n <= limit }
	switch key {
	case session.KeyMemory:
		return within(c.read("memory", "memory.max", "memory.limit_in_bytes"), int(l.Memory))
	case session.KeyTasks:
		return within(c.read("pids", "pids.max"), l.Tasks)
	case session.KeyCPU:
		quota := strings.Fields(c.read("cpu", "cpu.max", "cpu.cfs_quota_us") + " " + c.read("cpu", "cpu.cfs_period_us"))
		return len(quota) == 2 && number(quota[1]) > 0 && within(quota[0], l.CPU*number(quota[1])/100)
	default:
		return c.read("blkio", "io.weight", "io.bfq.weight", "blkio.weight", "blkio.bfq.weight") != ""
	}
}

// read returns the first of the files that there is, of either version.
func (c cgroup) read(controller string, files ...string) string {
	dir, ok := c[controller]
	if !ok {
		return ""
	}
	for _, file := range files {
		if data, err := os.ReadFile(filepath.Join(dir, file)); err == nil {
			return strings.TrimSpace(string(data))
		}
	}
	return ""
}

// number reads a whole number; "max" and what is none are 0.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
