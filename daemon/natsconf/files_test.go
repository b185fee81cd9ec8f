package natsconf

import (
	"fmt"
	"slices"
	"testing"
)

// TestFilesFindsEveryBlock: certificates are named in more places than a Config holds.
func TestFilesFindsEveryBlock(t *testing.T) {
	t.Parallel()
	text := `tls { cert_file: "/a.pem", key_file: "a.key" }
cluster {
  tls {
    ca_file: /ca.pem
  }
}
leafnodes {
  remotes = [{url: "nats://x", tls: {cert_file: /leaf.pem}}]
}
note: "cert_file: /no.pem"
`
	var got []string
	for _, f := range Files([]byte(text)) {
		got = append(got, fmt.Sprintf("%d %s", f.Line, f.Path))
	}
	want := []string{"1 /a.pem", "1 a.key", "4 /ca.pem", "8 /leaf.pem"}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if f := Files([]byte(text))[2]; f.Key != "cluster.tls.ca_file" {
		t.Errorf("%s is named by %s", f.Path, f.Key)
	}
	for _, bad := range []string{"", "tls {", "a\x01: b", "include /etc/passwd"} {
		if got := Files([]byte(bad)); len(got) > 0 {
			t.Errorf("%q names %v", bad, got)
		}
	}
}
