package lab

import (
	"net/netip"
	"testing"
)

func TestParseAnswer(t *testing.T) {
	t.Parallel()
	got, err := parseAnswer("10.0.0.1:80 [2001:db8::1]:4000\n")
	want := Answer{netip.MustParseAddrPort("10.0.0.1:80"), netip.MustParseAddrPort("[2001:db8::1]:4000")}
	if err != nil || got != want {
		t.Errorf("got %v %v, want %v", got, err, want)
	}
	for _, line := range []string{"", "10.0.0.1:80", "10.0.0.1:80 x", "x 10.0.0.1:80"} {
		if got, err := parseAnswer(line); err == nil {
			t.Errorf("%q: got %v", line, got)
		}
	}
}
