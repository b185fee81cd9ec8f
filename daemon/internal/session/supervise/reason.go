package supervise

import (
	"fmt"
	"syscall"
)

// signals are the names of signal numbers 1 to 31, the same on all but rare machines.
var signals = [...]string{
	1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS",
	8: "SIGFPE", 9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM",
	15: "SIGTERM", 16: "SIGSTKFLT", 17: "SIGCHLD", 18: "SIGCONT", 19: "SIGSTOP", 20: "SIGTSTP",
	21: "SIGTTIN", 22: "SIGTTOU", 23: "SIGURG", 24: "SIGXCPU", 25: "SIGXFSZ", 26: "SIGVTALRM",
	27: "SIGPROF", 28: "SIGWINCH", 29: "SIGIO", 30: "SIGPWR", 31: "SIGSYS",
}

// describe says how a process ended, behind its name.
func describe(status syscall.WaitStatus) string {
	switch sig := int(status.Signal()); {
	case status.Signaled() && sig < len(signals):
		return fmt.Sprintf("was killed by signal %d (%s)", sig, signals[sig])
	case status.Signaled():
		return fmt.Sprintf("was killed by signal %d", sig)
	case status.ExitStatus() > 128 && status.ExitStatus()-128 < len(signals):
		// How a shell, and dbus-run-session, pass on that what they ran was killed.
		return fmt.Sprintf("ended with status %d, as after %s", status.ExitStatus(), signals[status.ExitStatus()-128])
	case status.ExitStatus() != 0:
		return fmt.Sprintf("ended with status %d", status.ExitStatus())
	default:
		return "ended"
	}
}
