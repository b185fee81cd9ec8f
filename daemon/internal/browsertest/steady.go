package browsertest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// browserVar names the program that this test's executable is to become.
const browserVar = "FX_TEST_BROWSER"

// Another test that starts a container changes this machine's networks, and a browser then cuts every
// connection it has (ERR_NETWORK_CHANGED), those to loopback too. So a test's browser is started through
// the test's own executable, which first takes away the means to hear of networks.
func init() {
	browser := os.Getenv(browserVar)
	if browser == "" {
		return
	}
	err := os.Unsetenv(browserVar)
	if err == nil {
		err = refuseNetlink()
	}
	if err == nil {
		err = unix.Exec(browser, append([]string{browser}, os.Args[1:]...), os.Environ())
	}
	fmt.Fprintf(os.Stderr, "start the browser %s: %v\n", browser, err)
	os.Exit(1)
}

// steady makes a command that starts a browser start one that hears of no networks.
func steady(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it ends with the test
	self, err := os.Executable()
	if err != nil {
		return // it works without, as long as no network changes
	}
	cmd.Env = append(cmd.Env, browserVar+"="+cmd.Path)
	cmd.Path = self
}

// refuseNetlink lets this process, and whatever it becomes, open no AF_NETLINK socket (seccomp(2)): a
// browser that cannot takes itself to be online for good.
func refuseNetlink() error {
	runtime.LockOSThread()
	const number, firstArgument = 0, 16 // offsets in struct seccomp_data; little-endian arguments
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SOCKET, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: firstArgument},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.AF_NETLINK, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return fmt.Errorf("filter system calls: %w", err)
	}
	runtime.KeepAlive(filter)
	return nil
}
