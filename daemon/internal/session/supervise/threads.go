package supervise

import (
	"runtime"
	"sync"
)

// spareThreads is more than a supervisor ever needs at the same time.
const spareThreads = 8

// maxProcs is how much of this process runs at the same time. By itself the runtime takes a thread, or
// several, for each core, and a supervisor has next to nothing to do.
const maxProcs = 2

// keepThreads makes threads before the session's programs can use up its tasks_max. The
// runtime keeps those that idle; one that it could not make then would end this process.
func keepThreads(n int) {
	runtime.GOMAXPROCS(maxProcs)
	var ready, done sync.WaitGroup
	ready.Add(n)
	for range n {
		done.Go(func() {
			runtime.LockOSThread() // no two share one
			ready.Done()
			ready.Wait()
			runtime.UnlockOSThread()
		})
	}
	done.Wait()
}
