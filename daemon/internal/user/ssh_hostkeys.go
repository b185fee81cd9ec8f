package user

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
	linux "golang.org/x/sys/unix"
)

// hostKeyFiles are the public keys of this machine's own sshd.
const hostKeyFiles = "/etc/ssh/ssh_host_*_key.pub"

// hostKeys are those by which an sshd is known.
type hostKeys struct {
	verify     func(ssh.PublicKey) error
	algorithms []string // of these kinds; an sshd that has others too is asked for none of those
}

// hostKeys reads the keys that the site is known by. It is an error when there are none.
func (s *sshSite) hostKeys() (hostKeys, error) {
	known, name := s.known, "known_hosts"
	if known == nil {
		own, err := ownHostKeys(hostKeyFiles, s.addr)
		if err != nil {
			return hostKeys{}, err
		}
		known, name = own, hostKeyFiles
	}
	return newHostKeys(known, name, s.addr)
}

// ownHostKeys are this machine's, as a known_hosts of addr. They are read each time: a machine makes them when it first
// starts, and they are local files.
func ownHostKeys(pattern, addr string) ([]byte, error) {
	var known bytes.Buffer
	files, _ := filepath.Glob(pattern)
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintln(&known, knownhosts.Line([]string{addr}, key))
	}
	if known.Len() == 0 {
		return nil, fmt.Errorf("there is no host key %s by which to know it; install an sshd here, or name known_hosts in auth-ssh.ini", pattern)
	}
	return known.Bytes(), nil
}

// newHostKeys reads a known_hosts, as sshd(8) describes it.
func newHostKeys(known []byte, name, addr string) (hostKeys, error) {
	check, err := parseKnownHosts(known, name)
	if err != nil {
		return hostKeys{}, err
	}
	verify := func(key ssh.PublicKey) error {
		return explain(check(addr, &net.TCPAddr{IP: net.IPv4zero}, key), name, addr, key)
	}
	// What it would want to see is told to whoever shows a key that nobody has.
	var other *knownhosts.KeyError
	if err := check(addr, &net.TCPAddr{IP: net.IPv4zero}, nobodysKey()); !errors.As(err, &other) || len(other.Want) == 0 {
		return hostKeys{}, fmt.Errorf("%s holds no key of %s; ssh-keyscan prints it, and an administrator of that machine can say whether it is the right one",
			name, knownhosts.Normalize(addr))
	}
	h := hostKeys{verify: verify}
	if bytes.Contains(known, []byte("@cert-authority")) {
		h.algorithms = slices.DeleteFunc(ssh.SupportedAlgorithms().HostKeys, func(a string) bool { return !strings.Contains(a, "-cert-") })
	}
	for _, k := range other.Want {
		h.algorithms = append(h.algorithms, algorithmsOf(k.Key.Type())...)
	}
	return h, nil
}

// algorithmsOf are the ways in which a kind of key signs. RSA's oldest, with SHA-1, is none.
func algorithmsOf(kind string) []string {
	if kind == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{kind}
}

// nobodysKey is a key of which nobody has the other half.
func nobodysKey() ssh.PublicKey {
	key, _ := ssh.NewPublicKey(make(ed25519.PublicKey, ed25519.PublicKeySize))
	return key
}

// explain says of an error of package knownhosts what is to be done.
func explain(err error, name, addr string, key ssh.PublicKey) error {
	shown := key.Type() + " " + ssh.FingerprintSHA256(key)
	var changed *knownhosts.KeyError
	var revoked *knownhosts.RevokedError
	switch {
	case errors.As(err, &revoked):
		return fmt.Errorf("its host key %s is revoked in %s; nothing was sent", shown, name)
	case errors.As(err, &changed):
		return fmt.Errorf("its host key %s is none that %s has for %s, and nothing was sent; "+
			"if it was changed on purpose, write the new one there, else somebody stands in between", shown, name, knownhosts.Normalize(addr))
	}
	return err
}

// parseKnownHosts lets the library, which reads files alone, read bytes: those at hand are the generation's.
func parseKnownHosts(known []byte, name string) (ssh.HostKeyCallback, error) {
	fd, err := linux.MemfdCreate("known_hosts", linux.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if _, err := io.Copy(f, bytes.NewReader(known)); err != nil {
		return nil, err
	}
	path := fmt.Sprintf("/proc/self/fd/%d", fd)
	check, err := knownhosts.New(path)
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), "knownhosts: "+path, name))
	}
	return check, nil
}
