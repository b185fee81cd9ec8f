package transporter

import "encoding/json"

// partLimit keeps one part of a list well below MessageLimit.
const partLimit = 256 << 10

// Fit tells how many of the leading items take no more than limit bytes as JSON: at
// least one, where there is one.
func Fit[T any](items []T, limit int) int {
	size := 0
	for i := range items {
		b, err := json.Marshal(items[i])
		if size += len(b) + 1; i > 0 && (err != nil || size > limit) {
			return i
		}
	}
	return len(items)
}

// SplitSessions makes of a launcher's whole list the parts to publish. An empty list is one empty part.
func SplitSessions(node, instance string, seq uint64, sessions []Session) []SessionsOf {
	var parts []SessionsOf
	for more := true; more; more = len(sessions) > 0 {
		n := Fit(sessions, partLimit)
		parts = append(parts, SessionsOf{Node: node, Instance: instance, Seq: seq, Part: len(parts), Sessions: sessions[:n]})
		sessions = sessions[n:]
	}
	parts[len(parts)-1].Last = true
	return parts
}
