package webserver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// maxBody is the most a request may carry.
const maxBody = 64 << 10

// retryAfter is how many seconds a client that asked too often is told to wait when
// whoever refused it did not say.
const retryAfter = 30

// failure is what a request that fails is answered with.
type failure struct {
	status  int
	retry   int    // seconds after which to ask again
	Code    string `json:"code"`
	Message string `json:"message"`
	Detail  string `json:"detail"`
}

func (f *failure) Error() string { return f.Code + ": " + f.Message }

// Failures that only HTTP knows. Those the components know are transporter.Errors.
var (
	errTooLarge   = &failure{status: http.StatusRequestEntityTooLarge, Code: "too_large", Message: "the request's body is larger than 64 KiB"}
	errMediaType  = &failure{status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Message: "send the body as Content-Type: application/json"}
	errNoRoute    = &failure{status: http.StatusNotFound, Code: "not_found", Message: "there is nothing at this path; /api/v1/openapi.yaml lists what there is"}
	errMethod     = &failure{status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Message: "this path does not answer this method; the Allow header lists those it does"}
	errUpgrade    = &failure{status: http.StatusUpgradeRequired, Code: "upgrade_required", Message: "a display is a WebSocket; ask for one over HTTP/1.1"}
	errInternal   = &failure{status: http.StatusInternalServerError, Code: string(transporter.Internal), Message: "something went wrong here; the node's log says what"}
	errCSRF       = &failure{status: http.StatusForbidden, Code: "csrf", Message: "the X-CSRF-Token header is missing or wrong; load the page again"}
	errSignIn     = transporter.Errorf(transporter.Unauthorized, "sign in first")
	errOrigin     = transporter.Errorf(transporter.Forbidden, "this request comes from another site's page and is refused")
	errNoSession  = transporter.Errorf(transporter.NotFound, "there is no such session")
	errNotAllowed = transporter.Errorf(transporter.Forbidden, "your permissions do not include this; ask an administrator")
)

var statusOf = map[transporter.Code]int{
	transporter.Invalid:      http.StatusBadRequest,
	transporter.Unauthorized: http.StatusUnauthorized,
	transporter.Forbidden:    http.StatusForbidden,
	transporter.NotFound:     http.StatusNotFound,
	transporter.Conflict:     http.StatusConflict,
	transporter.Limit:        http.StatusTooManyRequests,
	transporter.TooMany:      http.StatusTooManyRequests,
	transporter.Unavailable:  http.StatusServiceUnavailable,
	transporter.Internal:     http.StatusInternalServerError,
}

// asFailure turns any error into what the client is told. What nobody meant for a
// client's eyes becomes a bare 500.
func asFailure(err error) *failure {
	var f *failure
	var e *transporter.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &tooLarge):
		return errTooLarge
	case errors.As(err, &e):
		status, known := statusOf[e.Code]
		if !known {
			status = http.StatusInternalServerError
		}
		return &failure{status: status, retry: e.Retry, Code: string(e.Code), Message: e.Message, Detail: e.Detail}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return asFailure(transporter.Errorf(transporter.Unavailable, "no answer in time; try again"))
	default:
		return errInternal
	}
}

// fail answers with an error as JSON and logs what the client is not told.
func (w *Webserver) fail(rw http.ResponseWriter, r *http.Request, err error) {
	f := asFailure(err)
	if f.status >= http.StatusInternalServerError {
		w.o.Log.Warn("a request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	setFailureHeaders(rw.Header(), f)
	writeJSON(rw, f.status, struct {
		Error *failure `json:"error"`
	}{f})
}

func setFailureHeaders(h http.Header, f *failure) {
	switch {
	case f.status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="fastx"`)
	case f.Code == string(transporter.TooMany):
		h.Set("Retry-After", strconv.Itoa(cmp.Or(f.retry, retryAfter)))
	case f.status == http.StatusRequestEntityTooLarge:
		h.Set("Connection", "close") // what is left of the body will not be read
	case f.status == http.StatusUpgradeRequired:
		h.Set("Upgrade", "websocket")
	}
}

func writeJSON(rw http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	rw.Write(append(body, '\n'))
	return nil
}

// readJSON reads a request's body, which has to be exactly one JSON object with
// fields that v has.
func readJSON(r *http.Request, v any) error {
	if !saysJSON(r) {
		return errMediaType
	}
	return decode(r.Body, v)
}

// saysJSON reports whether a request's body is meant as JSON. From a page only the true type will do,
// because a foreign page's form can send any other; a program that says nothing, as
// curl -d does, is taken at its body.
func saysJSON(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	fromPage := r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != ""
	return kind == "application/json" || !fromPage && (kind == "" || kind == "application/x-www-form-urlencoded")
}

func decode(body io.Reader, v any) error {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badJSON(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return errTooLarge
		}
		return transporter.Errorf(transporter.Invalid, "something follows the JSON object in the body; send exactly one object")
	}
	return nil
}

var unknownField = regexp.MustCompile(`^json: unknown field "(.*)"$`)

// badJSON says what is wrong with a body without repeating any value of it: it may
// hold a password.
func badJSON(err error) error {
	var kind *json.UnmarshalTypeError
	var tooLarge *http.MaxBytesError
	switch field := unknownField.FindStringSubmatch(err.Error()); {
	case errors.As(err, &tooLarge):
		return errTooLarge
	case field != nil:
		return transporter.Errorf(transporter.Invalid, "the body has the unknown field \"%s\"; remove it", clip(field[1], 64))
	case errors.As(err, &kind) && kind.Field != "":
		return transporter.Errorf(transporter.Invalid, "the field %q has to be %s", clip(kind.Field, 64), jsonType(kind.Type.Kind().String()))
	default:
		return transporter.Errorf(transporter.Invalid, "the body is not a JSON object")
	}
}

func jsonType(kind string) string {
	switch kind {
	case "slice":
		return "a list of strings"
	case "map":
		return "an object of strings"
	default:
		return "a " + kind
	}
}

func clip(s string, n int) string {
	return strings.ToValidUTF8(s[:min(len(s), n)], "")
}
