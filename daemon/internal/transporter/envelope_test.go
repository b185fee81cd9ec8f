package transporter

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestEnvelopesHaveTheirForm(t *testing.T) {
	t.Parallel()
	request, err1 := encodeRequest("ab", 1500*time.Millisecond, ping{N: 1})
	reply, err2 := encodeReply("ab", pong{N: 2})
	event, err3 := encodeEvent(Empty{})
	failure := encodeError("ab", &Error{Code: NotFound, Message: "there is no \"x\"", Detail: "d"})
	for _, tt := range []struct {
		err       error
		got, want string
	}{
		{err1, string(request), `{"v":1,"id":"ab","ms":1500,"body":{"n":1}}`},
		{err2, string(reply), `{"v":1,"id":"ab","body":{"n":2}}`},
		{err3, string(event), `{"v":1,"body":{}}`},
		{nil, string(failure), `{"v":1,"id":"ab","error":{"code":"not_found","message":"there is no \"x\"","detail":"d"}}`},
	} {
		if tt.err != nil || tt.got != tt.want {
			t.Errorf("got  %s (%v)\nwant %s", tt.got, tt.err, tt.want)
		}
	}
}

// What is written here must take the short way through decode, or the short way is dead code.
func TestOurOwnFormTakesTheShortWay(t *testing.T) {
	t.Parallel()
	request, _ := encodeRequest("ab_-9Z", time.Second, ping{})
	reply, _ := encodeReply("ab", pong{})
	event, _ := encodeEvent(Empty{})
	for _, frame := range [][]byte{request, reply, event} {
		if _, _, _, ok := unwrap(frame); !ok {
			t.Errorf("%s goes the long way", frame)
		}
	}
}

func TestWellFormedIDs(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"": true, "azAZ09-_": true, strings.Repeat("a", 64): true, strings.Repeat("a", 65): false,
		"a b": false, `a"`: false, "a.b": false, "a*": false, "a>": false, "é": false, "@": false, "[": false, "{": false, "`": false, "\x00": false,
	} {
		if wellFormed(id) != want {
			t.Errorf("wellFormed(%q) = %v", id, !want)
		}
	}
}

// The short way and encoding/json must agree on everything that the short way accepts.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"v":1,"id":"ab","ms":1500,"body":{"n":1}}`, `{"v":1,"id":"ab","body":{"n":2}}`, `{"v":1,"body":{}}`,
		`{"v":1,"id":"ab","error":{"code":"limit","message":"m"}}`, `{"v":2,"id":"x","body":[]}`, `{"v":1,"id":"a","body":1,"body":{"n":1}}`,
		`{"v":1,"id":"a","ms":-5,"body":{}}`, `{"v":1,"id":"a","ms":007,"body":{}}`, `{"v":1,"id":"a","ms":+7,"body":{}}`,
		`{"v":1,"ms":1,"body":{}}`, `{"v":1,"id":"a","body":{} }`, `{"v":1,"id":"a","body":null}`, `{"v":10,"body":{}}`, `{"v":1`, `hello`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decode[ping](data)
		if err == nil && (got.V != version || !wellFormed(got.ID)) {
			t.Fatalf("accepted %+v", got)
		}
		if _, _, _, ok := unwrap(data); !ok || err != nil {
			return
		}
		var want envelope[ping]
		if e := json.Unmarshal(data, &want); e != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("the short way reads %+v, encoding/json %+v, %v", got, want, e)
		}
	})
}

// A name stays one level of a subject, and different names stay different.
func FuzzToken(f *testing.F) {
	for _, s := range []string{"n1", "n1.example.org", "a b", "*", ">", "ä", "", "%41"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		token := Token(name)
		if strings.ContainsAny(token, ". *>\t\r\n") {
			t.Fatalf("%q became %q", name, token)
		}
		if _, node := addressee("fx.v1.launcher.start." + token); node != " on node "+name {
			t.Fatalf("%q came back as %q", name, node)
		}
	})
}

func TestAsError(t *testing.T) {
	t.Parallel()
	if AsError(nil) != nil {
		t.Error("nothing became an error")
	}
	e := Errorf(Limit, "x")
	if AsError(undeliveredError{e}) != e {
		t.Error("an undelivered Error is hidden")
	}
}
