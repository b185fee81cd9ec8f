// Package libpam has a login judged by libpam, as Linux has it (pam.conf(5)).
//
// The library is loaded when it is needed, without cgo, so that the program is built like all others; it is a dynamic
// one, though, and needs glibc 2.28 or newer beside libpam. fastxd-pam alone links this package.
package libpam

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Library is the name that libpam is loaded by.
const Library = "libpam.so.0"

// What libpam's header says of items, flags and results.
const (
	itemUser  = 2
	itemTTY   = 3
	itemRHost = 4

	disallowNull  = 0x0001
	changeExpired = 0x0020

	success        = 0
	bufErr         = 5
	permDenied     = 6
	authErr        = 7
	userUnknown    = 10
	maxTries       = 11
	newAuthtokReqd = 12
	acctExpired    = 13
	authtokErr     = 20
	convErr        = 19

	echoOff   = 1
	echoOn    = 2
	errorText = 3
	infoText  = 4
)

// handle, message, response and conversation are libpam's structures.
type (
	handle  struct{}
	message struct {
		style int32
		text  *byte
	}
	response struct {
		text *byte
		code int32
	}
	conversation struct {
		talk uintptr
		_    unsafe.Pointer // for whoever talk belongs to
	}
)

// library is libpam and what is needed of libc.
type library struct {
	start        func(service, user string, conv *conversation, h **handle) int32
	startIn      func(service, user string, conv *conversation, dir string, h **handle) int32 // nil before libpam 1.4
	end          func(h *handle, status int32) int32
	authenticate func(h *handle, flags int32) int32
	account      func(h *handle, flags int32) int32
	password     func(h *handle, flags int32) int32
	setItem      func(h *handle, item int32, value string) int32
	getItem      func(h *handle, item int32, value **byte) int32
	strerror     func(h *handle, code int32) string
	calloc       func(n, size uintptr) unsafe.Pointer
	strdup       func(s string) *byte
}

// load loads the libraries. That libpam is missing is an error that says what to do.
func load() (*library, error) {
	pam, err := purego.Dlopen(Library, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("this machine has no %s, so nobody can log in by PAM; install libpam0g or pam: %w", Library, err)
	}
	c, err := purego.Dlopen("libc.so.6", purego.RTLD_NOW)
	if err != nil {
		return nil, err
	}
	l := &library{}
	if _, err := purego.Dlsym(pam, "pam_start_confdir"); err == nil {
		purego.RegisterLibFunc(&l.startIn, pam, "pam_start_confdir")
	}
	for name, f := range map[string]any{
		"pam_start": &l.start, "pam_end": &l.end, "pam_authenticate": &l.authenticate, "pam_acct_mgmt": &l.account, "pam_chauthtok": &l.password,
		"pam_set_item": &l.setItem, "pam_get_item": &l.getItem, "pam_strerror": &l.strerror,
	} {
		purego.RegisterLibFunc(f, pam, name)
	}
	purego.RegisterLibFunc(&l.calloc, c, "calloc")
	purego.RegisterLibFunc(&l.strdup, c, "strdup")
	return l, nil
}

// open starts a transaction with libpam; dir, when it is not empty, holds the services in the place of /etc/pam.d.
func (l *library) open(service, user, dir string, conv *conversation) (*handle, error) {
	var h *handle
	var code int32
	switch {
	case dir == "":
		code = l.start(service, user, conv, &h)
	case l.startIn == nil:
		return nil, errors.New("this libpam is older than 1.4 and reads its services from /etc/pam.d alone")
	default:
		code = l.startIn(service, user, conv, dir, &h)
	}
	if code != success {
		return nil, fmt.Errorf("start the PAM service %s: error %d", service, code)
	}
	return h, nil
}

// user is who PAM takes the person for at last.
func (l *library) user(h *handle) string {
	var name *byte
	if l.getItem(h, itemUser, &name) != success {
		return ""
	}
	return text(name)
}

// text copies a string of C's.
func text(s *byte) string {
	if s == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(s), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(s, n))
}
