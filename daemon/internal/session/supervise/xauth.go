package supervise

import (
	"crypto/rand"
	"encoding/binary"
	"os"
	"strconv"
)

// Families of an Xauthority entry, from X11/Xauth.h.
const (
	familyLocal = 256
	familyWild  = 65535
)

// newCookie makes a fresh MIT-MAGIC-COOKIE-1.
func newCookie() []byte {
	cookie := make([]byte, 16)
	rand.Read(cookie)
	return cookie
}

// writeXauth replaces the Xauthority file at path by one that opens the display with
// that number, or any display while the number is not known yet (< 0): one entry for
// clients that look for this host's name, one for those that know it by another.
func writeXauth(path string, cookie []byte, number int) error {
	n := ""
	if number >= 0 {
		n = strconv.Itoa(number)
	}
	var data []byte
	if host, err := os.Hostname(); err == nil && n != "" {
		data = appendEntry(data, familyLocal, host, n, cookie)
	}
	data = appendEntry(data, familyWild, "", n, cookie)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// appendEntry writes the family, then address, number, name and data, each behind its
// length; all numbers are 16 bits, big endian.
func appendEntry(b []byte, family uint16, address, number string, cookie []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, family)
	for _, field := range []string{address, number, "MIT-MAGIC-COOKIE-1", string(cookie)} {
		b = binary.BigEndian.AppendUint16(b, uint16(len(field)))
		b = append(b, field...)
	}
	return b
}
