package spec

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/fastx-kit/fastx-kit/daemon/diag"
	"github.com/fastx-kit/fastx-kit/daemon/spec/syntax"
)

// authSSH reads auth-ssh.ini.
func (l *loader) authSSH() {
	if _, there := l.in.Set.Lookup(authSSHFile); !there {
		return
	}
	a := &AuthSSH{}
	doc := l.decode(authSSHFile, authSSHFile, a)
	l.cfg.AuthSSH = a
	line := find(doc, "", "known_hosts")
	switch {
	case strings.ContainsFunc(a.Host, func(r rune) bool { return r <= ' ' || strings.ContainsRune("/@[]", r) }):
		l.at(authSSHFile, find(doc, "", "host"), diag.Error, "bad-value", "host", show(a.Host)+" is no host", "write a name or an address, and the port as port = 22")
	case a.KnownHosts != "":
		l.mustExist(authSSHFile, line, "known_hosts", a.KnownHosts)
		l.checkKnownHosts(line, a.KnownHosts)
	case !loopback(a.Host):
		l.at(authSSHFile, find(doc, "", "host"), diag.Error, "missing", "known_hosts", "is missing: nothing says by which key "+show(a.Host)+" is known",
			"write its line of ssh-keyscan, once you know that the key is right, into a file and name that")
	}
}

// loopback reports whether a host is this machine, whatever a name service says.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// checkKnownHosts finds the lines of a known_hosts that cannot be used.
func (l *loader) checkKnownHosts(line syntax.Line, name string) {
	f, ok := l.in.Set.Lookup(name)
	if !ok || f.Err != nil || l.away() {
		return
	}
	num := 0
	for text := range bytes.Lines(f.Data) {
		num++
		text = bytes.TrimSpace(text)
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		if _, _, _, _, _, err := ssh.ParseKnownHosts(text); err != nil {
			l.at(authSSHFile, line, diag.Error, "bad-known-hosts", "known_hosts", fmt.Sprintf("%s: line %d is none of a known_hosts file", show(name), num),
				"remove the line, or write it as ssh-keyscan prints it")
		}
	}
}
