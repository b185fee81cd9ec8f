package ticket

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

var now = time.Unix(1_700_000_000, 0)

func testKey(t testing.TB) *Key {
	t.Helper()
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func claims(kind Kind) Claims {
	return Claims{Kind: kind, Subject: "ada", ID: NewID(), IssuedAt: now.Unix(), Expires: now.Add(time.Minute).Unix()}
}

func sign(t testing.TB, k *Key, c Claims) string {
	t.Helper()
	token, err := k.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// raw signs a payload as it is, as someone would who holds the key and no good intentions.
func raw(k *Key, head, payload string) string {
	signed := head + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.private, []byte(signed)))
}

func TestSignedClaimsComeBackWhole(t *testing.T) {
	t.Parallel()
	k := testKey(t)
	want := claims(Start)
	want.Session, want.Node, want.Owner, want.Local = NewID(), "n1.example", "grace", true
	want.Order = &Order{
		Session: want.Session, User: "ada", Name: "a <b> é", App: "xterm", Command: "xterm -e 'x'", Geometry: "800x600",
		Params: map[string]string{"k": "v"}, Profile: "default", StartDBus: true, MaxGeometry: "1920x1080", PerUser: 3, Total: 9,
	}
	token := sign(t, k, want)
	got, err := NewKeys(k.Public()).Verify(token, now, Start)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Verify: %+v, %v; want %+v", got, err, want)
	}
	got, err = Peek(token)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Peek: %+v, %v; want %+v", got, err, want)
	}
	if !strings.HasPrefix(token, "fx1."+k.ID()+".") {
		t.Errorf("the ticket %s does not name its key", token)
	}
}

func TestForgeries(t *testing.T) {
	t.Parallel()
	k, other := testKey(t), testKey(t)
	good := claims(Login)
	token := sign(t, k, good)
	part := strings.Split(token, ".")
	join := func(parts ...string) string { return strings.Join(parts, ".") }
	admin := good
	admin.Subject = "root"
	adminPart := strings.Split(sign(t, other, admin), ".")
	head := "fx1." + k.ID()
	aged := func(iat, exp time.Duration) string {
		c := claims(Login)
		c.IssuedAt, c.Expires = now.Add(iat).Unix(), now.Add(exp).Unix()
		return sign(t, k, c)
	}
	hmacOf := func(signed string) string {
		mac := hmac.New(sha256.New, k.Public())
		mac.Write([]byte(signed))
		return signed + "." + base64.RawURLEncoding.EncodeToString(append(mac.Sum(nil), mac.Sum(nil)...))
	}
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"good":                                  {token, nil},
		"empty":                                 {"", ErrMalformed},
		"three parts":                           {join(part[:3]...), ErrMalformed},
		"five parts":                            {token + ".x", ErrMalformed},
		"other format":                          {join("fx2", part[1], part[2], part[3]), ErrMalformed},
		"format in capitals":                    {join("FX1", part[1], part[2], part[3]), ErrMalformed},
		"a JSON web token without an algorithm": {"eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.", ErrMalformed},
		"no signature":                          {join(part[0], part[1], part[2], ""), ErrMalformed},
		"short signature":                       {join(part[0], part[1], part[2], part[3][:85]), ErrMalformed},
		"signature of zeros":                    {join(part[0], part[1], part[2], strings.Repeat("A", 86)), ErrSignature},
		"signature padded":                      {token + "==", ErrMalformed},
		"line break in the signature":           {token[:len(token)-4] + "\n" + token[len(token)-4:], ErrMalformed},
		"space before":                          {" " + token, ErrMalformed},
		"public key as an HMAC secret":          {hmacOf(join(part[:3]...)), ErrSignature},
		"key id in capitals":                    {join(part[0], strings.ToUpper("abcdefabcdefabcd"), part[2], part[3]), ErrMalformed},
		"key id as a path":                      {join(part[0], "../../etc/passwd", part[2], part[3]), ErrMalformed},
		"untrusted key":                         {sign(t, other, good), ErrUnknownKey},
		"other key under the same id":           {join(part[0], part[1], adminPart[2], adminPart[3]), ErrSignature},
		"other key's name on a good ticket":     {join(part[0], other.ID(), part[2], part[3]), ErrUnknownKey},
		"claims swapped":                        {join(part[0], part[1], adminPart[2], part[3]), ErrSignature},
		"signature of another ticket":           {join(part[0], part[1], part[2], strings.Split(sign(t, k, admin), ".")[3]), ErrSignature},
		"too large":                             {join(part[0], part[1], strings.Repeat("A", MaxSize), part[3]), ErrMalformed},
		"too large though signed":               {raw(k, head, `{"kind":"login","sub":"`+strings.Repeat("a", MaxSize)+`","jti":"1"}`), ErrMalformed},
		"signed but no JSON":                    {raw(k, head, "x"), ErrMalformed},
		"signed but empty":                      {raw(k, head, ""), ErrMalformed},
		"signed with text after it":             {raw(k, head, `{"kind":"login","sub":"a","jti":"1"}{}`), ErrMalformed},
		"signed without a kind":                 {raw(k, head, `{"sub":"a","jti":"1"}`), ErrMalformed},
		"signed without a subject":              {raw(k, head, `{"kind":"login","jti":"1"}`), ErrMalformed},
		"signed without an id":                  {raw(k, head, `{"kind":"login","sub":"a"}`), ErrMalformed},
		"signed without a time":                 {raw(k, head, `{"kind":"login","sub":"a","jti":"1"}`), ErrExpired},
		"other kind":                            {sign(t, k, claims(Start)), ErrKind},
		"kind in capitals":                      {sign(t, k, claims("LOGIN")), ErrKind},
		"last second":                           {aged(-time.Hour, time.Second), nil},
		"expired this second":                   {aged(-time.Hour, 0), ErrExpired},
		"expired by 1 s":                        {aged(-time.Hour, -time.Second), ErrExpired},
		"issued 60 s ahead":                     {aged(time.Minute, time.Hour), nil},
		"issued 61 s ahead":                     {aged(61*time.Second, time.Hour), ErrNotYet},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := NewKeys(k.Public()).Verify(c.token, now, Login)
			if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err != nil && !reflect.DeepEqual(got, Claims{}) {
				t.Errorf("a refused ticket's claims were returned: %+v", got)
			}
			if err != nil && c.token != "" && strings.Contains(err.Error(), c.token) {
				t.Errorf("the error repeats the ticket: %v", err)
			}
		})
	}
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	t.Parallel()
	k := testKey(t)
	keys := NewKeys(k.Public())
	token := sign(t, k, claims(Login))
	for i := range len(token) {
		for bit := range 8 {
			b := []byte(token)
			b[i] ^= 1 << bit
			if _, err := keys.Verify(string(b), now, Login); err == nil {
				t.Fatalf("bit %d of byte %d flipped and still good", bit, i)
			}
		}
	}
}

func TestNoKindPassesForAnother(t *testing.T) {
	t.Parallel()
	k := testKey(t)
	keys := NewKeys(k.Public())
	kinds := []Kind{Login, Start, Connect, Terminate, Read, Drain}
	for _, signed := range kinds {
		for _, want := range kinds {
			_, err := keys.Verify(sign(t, k, claims(signed)), now, want)
			if signed == want && err != nil || signed != want && !errors.Is(err, ErrKind) {
				t.Errorf("%s taken as %s: %v", signed, want, err)
			}
		}
	}
}

func TestFieldsOfANewerReleaseAreSkipped(t *testing.T) {
	t.Parallel()
	k := testKey(t)
	token := raw(k, "fx1."+k.ID(), `{"kind":"login","sub":"ada","jti":"1","exp":2000000000,"later":{"x":[1]}}`)
	if _, err := NewKeys(k.Public()).Verify(token, now, Login); err != nil {
		t.Error(err)
	}
}

func TestSignRefusesWhatVerifyWould(t *testing.T) {
	t.Parallel()
	k := testKey(t)
	for name, c := range map[string]Claims{
		"no kind":    {Subject: "a", ID: "1"},
		"no subject": {Kind: Login, ID: "1"},
		"no id":      {Kind: Login, Subject: "a"},
	} {
		if _, err := k.Sign(c); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The largest that can be signed can be verified; one byte more can be neither.
	c := claims(Login)
	largest := ""
	for n := MaxSize*3/4 - 300; ; n++ {
		c.Node = strings.Repeat("n", n)
		token, err := k.Sign(c)
		if errors.Is(err, ErrTooLarge) {
			break
		}
		largest = token
	}
	if len(largest) < MaxSize-3 {
		t.Errorf("the largest ticket has %d characters, want about %d", len(largest), MaxSize)
	}
	if _, err := NewKeys(k.Public()).Verify(largest, now, Login); err != nil {
		t.Error(err)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for range 1000 {
		id := NewID()
		if !IsID(id) || seen[id] {
			t.Fatalf("bad or repeated id %q", id)
		}
		seen[id] = true
	}
	for _, id := range []string{"", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "0123456789abcdeg", "../3456789abcdef"} {
		if IsID(id) {
			t.Errorf("%q passes for an id", id)
		}
	}
}

func FuzzVerify(f *testing.F) {
	k := testKey(f)
	keys := NewKeys(k.Public())
	good := sign(f, k, Claims{Kind: Login, Subject: "a", ID: "1", Expires: now.Unix() + 1})
	f.Add(good)
	f.Add("fx1.0123456789abcdef.e30." + strings.Repeat("A", 86))
	f.Add("...")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := keys.Verify(token, now, Login); err == nil && token != good {
			t.Fatalf("%q was taken for good", token)
		}
	})
}

func FuzzPeek(f *testing.F) {
	k := testKey(f)
	f.Add(sign(f, k, Claims{Kind: Start, Subject: "a", ID: "1", Order: &Order{Params: map[string]string{"a": "b"}}}))
	f.Add("fx1.0123456789abcdef.e30." + strings.Repeat("A", 86))
	f.Fuzz(func(t *testing.T, token string) {
		c, err := Peek(token)
		if err != nil {
			return
		}
		if c.Kind == "" || c.Subject == "" || c.ID == "" {
			t.Fatalf("%q: incomplete claims %+v", token, c)
		}
		if _, err := json.Marshal(c); err != nil {
			t.Fatal(err)
		}
	})
}
