package transporter

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/fastx-kit/fastx-kit/daemon/spec"
)

func TestSettingsThatCanNeverWorkAreRefused(t *testing.T) {
	t.Parallel()
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	accountSeed, _ := account.Seed()
	urls := []string{"nats://127.0.0.1:1"}
	tests := []struct {
		name     string
		settings spec.Transporter
		want     string
	}{
		{"nowhere to connect to", spec.Transporter{}, "set urls in transporter-secret.ini"},
		{"a broken seed", spec.Transporter{URLs: urls, Default: spec.Seed{Current: "SUxxx"}}, "it is not an nkey seed"},
		{"a broken previous seed", spec.Transporter{URLs: urls, Default: spec.Seed{Previous: "SUxxx"}}, "it is not an nkey seed"},
		{"an account's seed", spec.Transporter{URLs: urls, Default: spec.Seed{Current: string(accountSeed)}}, "not one of a user"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(t.Context(), Options{Role: "manager", Settings: tt.settings, Log: slog.New(slog.DiscardHandler)})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "SUxxx") || strings.Contains(err.Error(), string(accountSeed)) {
				t.Errorf("the seed is in the error: %v", err)
			}
		})
	}
}

func TestHostsLeaveOutWhatMayBeASecret(t *testing.T) {
	t.Parallel()
	got := hosts([]string{"nats://a:4222", "tls://tok3n@b:4222", "nats://u:p@ss/w@c", "d:4222", "e"})
	if want := "a:4222 b:4222 c d:4222 e"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBackoffIsJitteredFromZeroAndBounded(t *testing.T) {
	t.Parallel()
	for _, failures := range []int{0, 1, 5, 63, 1 << 30} {
		low, high := backoffLast, backoff(failures)
		for range 1000 {
			d := backoff(failures)
			low, high = min(low, d), max(high, d)
		}
		bound := min(backoffFirst<<min(failures, 10), backoffLast)
		if low < 0 || high >= bound || low > bound/10 || high < bound*9/10 {
			t.Errorf("after %d failures it spans %s to %s, the bound is %s", failures, low, high, bound)
		}
	}
}

func TestTLSIsCheckedAgainstTheGivenAuthority(t *testing.T) {
	t.Parallel()
	cert, caFile := selfSigned(t)
	other, otherFile := selfSigned(t)
	_ = other
	r := newRemote(t, tlsOptions(cert))
	for _, tt := range []struct {
		name, ca string
		ok       bool
	}{{"the right one", caFile, true}, {"another", otherFile, false}, {"a missing file", caFile + ".gone", false}} {
		t.Run(tt.name, func(t *testing.T) {
			s := r.settings(spec.Seed{})
			s.TLSCAFile = tt.ca
			c := openWith(t, Options{Role: "manager", Node: "n1", Settings: s})
			if c.Connected() != tt.ok {
				t.Errorf("connected = %v, %v", c.Connected(), c.Err())
			}
		})
	}
}
