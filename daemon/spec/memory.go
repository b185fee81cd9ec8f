package spec

import (
	"regexp"
	"strconv"
	"strings"
)

// Memory is an amount of memory in bytes; zero is no limit.
type Memory uint64

// memorySuffixes are the units, each 1024 times the one before.
const memorySuffixes = "KMGT"

// leastMemory is less than any session gets along with: its X server alone takes more. Who
// writes less has most likely forgotten the unit.
const leastMemory Memory = 16 << 20

var memoryText = regexp.MustCompile(`^([1-9][0-9]{0,14})([KMGT]?)$`)

// parseMemory reads 8G, 512M, or a number of bytes.
func parseMemory(v string) (Memory, *fault) {
	const remedy = "write it such as 512M or 8G"
	m := memoryText.FindStringSubmatch(v)
	if m == nil {
		return 0, faultf(remedy, "%s is not an amount of memory", show(v))
	}
	n, _ := strconv.ParseUint(m[1], 10, 64) // 15 digits fit
	shift := 0
	if m[2] != "" {
		shift = 10 * (1 + strings.Index(memorySuffixes, m[2]))
	}
	if n > 1<<62>>shift {
		return 0, faultf(remedy, "%s is more memory than any machine has", show(v))
	}
	bytes := Memory(n << shift)
	return bytes, faultIf(bytes < leastMemory, "write 16M or more; a number without K, M, G or T is bytes", "%s is less memory than a session can start with", show(v))
}
