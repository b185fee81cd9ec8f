package launcher

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain plays other parts too, since the tests need real processes: a supervisor
// when started under that name, and a daemon that is to be killed.
func TestMain(m *testing.M) {
	switch {
	case os.Args[0] == "fastxd-session":
		os.Exit(fakeSupervisor())
	case os.Getenv(daemonDirs) != "":
		os.Exit(shortLivedDaemon())
	}
	goleak.VerifyTestMain(m)
}
