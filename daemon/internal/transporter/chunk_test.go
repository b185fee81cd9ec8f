package transporter

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestSplitSessions(t *testing.T) {
	t.Parallel()
	small := make([]Session, 3)
	many := make([]Session, 3000)
	for i := range many {
		many[i] = Session{ID: fmt.Sprintf("%016x", i), Name: strings.Repeat("ü", 100)}
	}
	huge := []Session{{ID: "1"}, {ID: "2", Name: strings.Repeat("x", partLimit)}, {ID: "3"}}
	tests := []struct {
		name  string
		in    []Session
		parts int
	}{{"none", nil, 1}, {"a few", small, 1}, {"many", many, 5}, {"one beyond the limit", huge, 3}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			parts := SplitSessions("n1", "i1", 7, tt.in)
			if len(parts) != tt.parts {
				t.Errorf("%d parts, want %d", len(parts), tt.parts)
			}
			var back []Session
			for i, p := range parts {
				if p.Node != "n1" || p.Instance != "i1" || p.Seq != 7 || p.Part != i || p.Last != (i == len(parts)-1) {
					t.Errorf("part %d is labelled %+v", i, p)
				}
				frame, err := json.Marshal(p.Sessions)
				if err != nil || len(p.Sessions) > 1 && len(frame) > partLimit+2 {
					t.Errorf("part %d takes %d bytes, %v", i, len(frame), err)
				}
				back = append(back, p.Sessions...)
			}
			if len(back) != len(tt.in) || len(back) > 0 && !reflect.DeepEqual(back, tt.in) {
				t.Error("the parts are not the whole")
			}
		})
	}
}
