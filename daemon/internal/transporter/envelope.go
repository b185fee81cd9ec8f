package transporter

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// MessageLimit is the most one message may take, envelope included, in bytes.
const MessageLimit = 512 << 10

// version is the major version of the envelope. Within one version fields are only
// added, and what is not known is ignored, so that neighbouring releases work together.
const version = 1

// envelope is what goes over the wire around a body:
//
//	request  {"v":1,"id":"<random>","ms":5000,"body":…}
//	reply    {"v":1,"id":"<the request's>","body":…}  or  {…,"error":{"code":…}}
//	event    {"v":1,"body":…}
//
// MS is how long the caller goes on waiting. Code may meet any order and spacing of
// the fields; what is written here has exactly the form shown.
type envelope[T any] struct {
	V     int    `json:"v"`
	ID    string `json:"id"`
	MS    int64  `json:"ms"`
	Body  T      `json:"body"`
	Error *Error `json:"error"`
}

// The pieces of the form in which envelopes are written.
const (
	headV    = `{"v":1`
	headID   = `,"id":"`
	headMS   = `","ms":`
	headBody = `,"body":`
)

// newFrame has room for a small message, so that most take one allocation.
func newFrame() []byte { return make([]byte, 0, 256) }

func encodeRequest(id string, wait time.Duration, body any) ([]byte, error) {
	b := append(append(newFrame(), headV+headID...), id...)
	b = strconv.AppendInt(append(b, headMS...), wait.Milliseconds(), 10)
	return appendBody(append(b, headBody...), body)
}

func encodeEvent(body any) ([]byte, error) {
	return appendBody(append(newFrame(), headV+headBody...), body)
}

func encodeReply(id string, body any) ([]byte, error) {
	b := append(append(newFrame(), headV+headID...), id...)
	return appendBody(append(b, `"`+headBody...), body)
}

func encodeError(id string, e *Error) []byte {
	b := append(append(newFrame(), headV+headID...), id...)
	b = append(b, `","error":`...)
	frame, err := appendBody(b, e)
	if err != nil { // only its size can be wrong
		frame, _ = appendBody(b, &Error{Code: e.Code, Message: "the error text is too long to send"})
	}
	return frame
}

// appendBody ends a frame and holds it to the limit. The body's JSON is scanned once.
func appendBody(frame []byte, body any) ([]byte, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, Errorf(Internal, "a message cannot be encoded: %s", err)
	}
	frame = append(append(frame, b...), '}')
	return frame, checkSize(len(frame))
}

func checkSize(n int) error {
	if n > MessageLimit {
		return Errorf(Invalid, "the message is too large: %d bytes where %d are allowed", n, MessageLimit)
	}
	return nil
}

// decode reads an envelope. What could be read of it is returned even with an error,
// so that the error can be sent back under its id.
func decode[T any](data []byte) (envelope[T], error) {
	var e envelope[T]
	if err := checkSize(len(data)); err != nil {
		return e, err
	}
	if id, ms, body, ok := unwrap(data); ok && json.Unmarshal(body, &e.Body) == nil {
		e.V, e.ID, e.MS = version, id, ms
		return e, nil
	}
	var general envelope[T]
	err := judge(data, json.Unmarshal(data, &general))
	if !wellFormed(general.ID) {
		general.ID = ""
	}
	return general, err
}

// unwrap takes apart an envelope in exactly the form that is written here, at a
// fraction of the price. When it is not ok, or the body is no JSON, the general way decides.
func unwrap(data []byte) (id string, ms int64, body []byte, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(headV))
	if !ok {
		return "", 0, nil, false
	}
	if after, has := bytes.CutPrefix(rest, []byte(headID)); has {
		end := bytes.IndexByte(after, '"')
		if end < 0 || !wellFormed(string(after[:end])) {
			return "", 0, nil, false
		}
		id, rest = string(after[:end]), after[end+1:]
	}
	if after, has := bytes.CutPrefix(rest, []byte(headMS[1:])); has {
		end := bytes.IndexByte(after, ',')
		if end <= 0 || after[0] < '1' || after[0] > '9' {
			return "", 0, nil, false
		}
		n, err := strconv.ParseInt(string(after[:end]), 10, 64)
		if err != nil {
			return "", 0, nil, false
		}
		ms, rest = n, after[end:]
	}
	body, ok = bytes.CutPrefix(rest, []byte(headBody))
	if !ok || len(body) == 0 || body[len(body)-1] != '}' {
		return "", 0, nil, false
	}
	return id, ms, body[:len(body)-1], true
}

// wellFormed reports whether an id can stand in a subject and in JSON as it is.
func wellFormed(id string) bool {
	for i := range len(id) {
		c := id[i] | 0x20
		if (c < 'a' || c > 'z') && (id[i] < '0' || id[i] > '9') && id[i] != '-' && id[i] != '_' {
			return false
		}
	}
	return len(id) <= 64
}

// judge says what is wrong with an envelope that json read with err. The version comes
// first: the body of another version need not make sense here.
func judge(data []byte, err error) error {
	var head struct{ V int }
	if e := json.Unmarshal(data, &head); e != nil {
		return Errorf(Invalid, "a message is not understood: %s", e)
	}
	switch {
	case head.V != version:
		return Errorf(Invalid, "a message of protocol version %d came to a node that speaks version %d; upgrade the older of the two nodes", head.V, version)
	case err != nil:
		return Errorf(Invalid, "a message is not understood: %s", err)
	}
	return nil
}
