package libpam

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unicode"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/fastx-kit/fastx-kit/daemon/internal/pam"
	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

const (
	maxMessages = 32   // of one question of libpam's, as its header has it
	maxText     = 1024 // bytes of a prompt or a note
	maxNotes    = 16   // that wait for the next prompt
	// terminal is what PAM is told in the place of a terminal's name, as sshd tells it "ssh".
	terminal = "fastx"
)

// Converse has a login judged that a peer asks for over link:
//
//  1. the auth stage, which asks the person for what proves who that is;
//  2. the account stage: has the account expired, may it log in now and from there;
//  3. when the password has expired, the password stage, which asks for a new one.
//
// The peer is told how it ended. dir, when it is not empty, holds the services in the place of /etc/pam.d. The process should do
// nothing else and end afterwards.
func Converse(link *session.Link, dir string) error {
	var r pam.Request
	file, err := link.Receive(&r)
	if file != nil {
		file.Close()
	}
	if err != nil {
		return fmt.Errorf("this is no request: %w", err)
	}
	t := &talk{link: link, password: &r.Password}
	said, err := t.judge(r, dir)
	if err != nil {
		said = pam.Said{Failed: err.Error()}
	}
	said.Notes = t.notes
	return link.Send(said, nil)
}

// talk carries what PAM's modules ask to the peer.
type talk struct {
	lib      *library
	link     *session.Link
	password *string // what was typed first; nil once it was asked for
	notes    []string
	lost     error // why the peer could not be asked
}

func (t *talk) judge(r pam.Request, dir string) (pam.Said, error) {
	if err := check(r, dir); err != nil {
		return pam.Said{}, err
	}
	var err error
	if t.lib, err = load(); err != nil {
		return pam.Said{}, err
	}
	runtime.LockOSThread() // modules keep things by thread
	conv := &conversation{talk: purego.NewCallback(t.converse)}
	h, err := t.lib.open(r.Service, r.User, dir, conv)
	if err != nil {
		return pam.Said{}, err
	}
	t.lib.setItem(h, itemTTY, terminal)
	if r.Address != "" {
		t.lib.setItem(h, itemRHost, r.Address)
	}
	code, stage := t.stages(h)
	said := t.outcome(h, code, stage)
	t.lib.end(h, code)
	runtime.KeepAlive(conv)
	return said, nil
}

// check refuses a service that is none: libpam would take "other" in its place.
func check(r pam.Request, dir string) error {
	if !pam.IsService(r.Service) {
		return fmt.Errorf("the PAM service %.80q may not judge logins: its name has to be fastx or begin with fastx-", r.Service)
	}
	dirs := []string{"/etc/pam.d", "/usr/lib/pam.d", "/usr/etc/pam.d"}
	if dir != "" {
		dirs = []string{dir}
	}
	if !slices.ContainsFunc(dirs, func(d string) bool { _, err := os.Stat(filepath.Join(d, r.Service)); return err == nil }) {
		return fmt.Errorf("there is no PAM service %s; put one into %s", r.Service, filepath.Join(dirs[0], r.Service))
	}
	return nil
}

// stages goes through PAM's stages and returns the result of the last, and its name.
func (t *talk) stages(h *handle) (code int32, stage string) {
	if code = t.lib.authenticate(h, disallowNull); code != success {
		return code, "auth"
	}
	t.password = nil // it proves who somebody is, and answers nothing else
	switch code = t.lib.account(h, disallowNull); code {
	case newAuthtokReqd:
		return t.lib.password(h, changeExpired), "password"
	default:
		return code, "account"
	}
}

// denials are the results that say that the person is not let in; all others say that something does not work.
var denials = []int32{permDenied, authErr, userUnknown, maxTries, newAuthtokReqd, acctExpired, authtokErr}

func (t *talk) outcome(h *handle, code int32, stage string) pam.Said {
	why := fmt.Sprintf("%s stage: %s", stage, t.lib.strerror(h, code))
	switch {
	case t.lost != nil:
		return pam.Said{Failed: "the person did not answer: " + t.lost.Error()}
	case slices.Contains(denials, code):
		return pam.Said{Denied: strings.Join(append([]string{why}, t.notes...), "; "), Proved: stage != "auth"}
	case code != success:
		return pam.Said{Failed: why}
	}
	if user := t.lib.user(h); user != "" {
		return pam.Said{Account: user}
	}
	return pam.Said{Failed: "PAM does not say who it is that it lets in"}
}

// converse is what libpam calls (pam_conv(3)): it answers n messages with an array of responses that libpam frees.
func (t *talk) converse(n int32, messages **message, out **response, _ unsafe.Pointer) uintptr {
	if n <= 0 || n > maxMessages {
		return convErr
	}
	var prompts []pam.Prompt
	var at []int // the messages that the prompts are
	answers := make([]*string, n)
	for i, m := range unsafe.Slice(messages, n) {
		switch said := clean(text(m.text)); m.style {
		case echoOff:
			if t.password != nil {
				answers[i], t.password = t.password, nil
				continue
			}
			prompts, at = append(prompts, pam.Prompt{Text: said}), append(at, i)
		case echoOn:
			prompts, at = append(prompts, pam.Prompt{Text: said, Echo: true}), append(at, i)
		case errorText, infoText:
			t.note(said)
		default:
			return convErr
		}
	}
	given, err := t.ask(prompts)
	if err != nil {
		t.lost = err
		return convErr
	}
	for i, m := range at {
		answers[m] = &given[i]
	}
	return t.respond(answers, out)
}

// ask has prompts answered, when there are any.
func (t *talk) ask(prompts []pam.Prompt) ([]string, error) {
	if len(prompts) == 0 {
		return nil, nil
	}
	said := pam.Said{Notes: t.notes, Prompts: prompts}
	t.notes = nil
	if err := t.link.Send(said, nil); err != nil {
		return nil, err
	}
	var a pam.Answers
	file, err := t.link.Receive(&a)
	if file != nil {
		file.Close()
	}
	if err == nil && len(a.Answers) != len(prompts) {
		err = fmt.Errorf("%d answers to %d questions", len(a.Answers), len(prompts))
	}
	return a.Answers, err
}

func (t *talk) note(text string) {
	if text != "" && len(t.notes) < maxNotes {
		t.notes = append(t.notes, text)
	}
}

// respond copies answers into memory of C's.
func (t *talk) respond(answers []*string, out **response) uintptr {
	array := t.lib.calloc(uintptr(len(answers)), unsafe.Sizeof(response{}))
	if array == nil {
		return bufErr
	}
	responses := unsafe.Slice((*response)(array), len(answers))
	for i, a := range answers {
		if a != nil {
			responses[i].text = t.lib.strdup(*a)
		}
	}
	*out = (*response)(array)
	return success
}

// clean is what people are shown of a module's text.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s[:min(len(s), maxText)], ""))
	return strings.TrimSpace(s)
}
