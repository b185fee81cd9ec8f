package account

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/fastx-kit/fastx-kit/daemon/internal/session"
)

// directory answers as getent does, from lines of passwd(5) by what they are asked by.
type directory map[string]string

func (d directory) lookup(_ context.Context, database, key string) ([]byte, error) {
	if database != "passwd" {
		return nil, errors.New("there is only passwd here")
	}
	return []byte(d[key]), nil
}

func TestTheMachineKnowsRoot(t *testing.T) {
	t.Parallel()
	ask := Lookup(Getent)
	byUID, err := ask.ByUID(t.Context(), 0)
	if err != nil || byUID.Name != "root" || byUID.Home != "/root" || byUID.Shell == "" {
		t.Fatalf("uid 0 is %+v, %v", byUID, err)
	}
	if byName, err := ask.ByName(t.Context(), "root"); err != nil || byName != byUID {
		t.Errorf("root is %+v, %v", byName, err)
	}
	if _, err := ask.ByName(t.Context(), "nobody-of-that-name"); !errors.Is(err, ErrUnknown) {
		t.Errorf("a name that is not there: %v", err)
	}
}

func TestNamesAreTheDirectorys(t *testing.T) {
	t.Parallel()
	ann := session.Account{Name: "ann@eda.example.com", UID: 5001, GID: 5000, Home: "/home/eda/ann", Shell: "/bin/sh"}
	const line = "ann@eda.example.com:*:5001:5000:Ann Ott:/home/eda/ann:\n"
	ask := Lookup(directory{"ann": line, "ANN": line, "ann@eda.example.com": line, "5001": line, "bad": "a:b\n", "all": line + "bob:x:1:1::/:/bin/sh\n"}.lookup)
	for _, name := range []string{"ann", "ANN", "ann@eda.example.com"} {
		if got, err := ask.ByName(t.Context(), name); err != nil || got != ann {
			t.Errorf("%s is %+v, %v", name, got, err)
		}
	}
	if got, err := ask.ByUID(t.Context(), 5001); err != nil || got != ann {
		t.Errorf("5001 is %+v, %v", got, err)
	}
	for _, name := range []string{"bad", "all", "5001", "0x1389", "-s", "+x", "", "a:b", "a/b", "a b", "a\n", strings.Repeat("a", 257)} {
		if got, err := ask.ByName(t.Context(), name); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q is %+v, %v", name, got, err)
		}
	}
}

func TestTheGroupsOfAnAccountHaveNames(t *testing.T) {
	t.Parallel()
	lines := map[string]string{"initgroups ann": "ann                  4 27 999 27\n", "group 5000": "eda:*:5000:\n", "group 4": "adm:x:4:ann\n", "group 27": "sudo:x:27:ann\n"}
	ask := Lookup(func(_ context.Context, database, key string) ([]byte, error) {
		return []byte(lines[database+" "+key]), nil
	})
	got, err := ask.Groups(t.Context(), session.Account{Name: "ann", GID: 5000})
	if err != nil || !slices.Equal(got, []string{"eda", "adm", "sudo"}) {
		t.Errorf("ann is in %v, %v", got, err)
	}
	if got, err := Lookup(Getent).Groups(t.Context(), session.Account{Name: "root"}); err != nil || !slices.Contains(got, "root") {
		t.Errorf("root is in %v, %v", got, err)
	}
}

func TestADirectoryThatFailsIsNotAnAccountThatIsMissing(t *testing.T) {
	t.Parallel()
	down := errors.New("the directory is down")
	ask := Lookup(func(context.Context, string, string) ([]byte, error) { return nil, down })
	if _, err := ask.ByName(t.Context(), "ann"); !errors.Is(err, down) || errors.Is(err, ErrUnknown) {
		t.Errorf("by name: %v", err)
	}
	if _, err := ask.ByUID(t.Context(), 7); !errors.Is(err, down) || errors.Is(err, ErrUnknown) {
		t.Errorf("by number: %v", err)
	}
}

func TestAFileStandsInForGetent(t *testing.T) {
	t.Parallel()
	ask := Lookup(func(_ context.Context, database, key string) ([]byte, error) { return grep("/etc/"+database, key) })
	byUID, err := ask.ByUID(t.Context(), 0)
	if err != nil || byUID.Name != "root" {
		t.Fatalf("uid 0 is %+v, %v", byUID, err)
	}
	if byName, err := ask.ByName(t.Context(), "root"); err != nil || byName != byUID {
		t.Errorf("root is %+v, %v", byName, err)
	}
	if got, err := ask.ByName(t.Context(), "roo"); !errors.Is(err, ErrUnknown) {
		t.Errorf("half a name is %+v, %v", got, err)
	}
}
