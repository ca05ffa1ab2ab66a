package lvs

import (
	"net/netip"
	"testing"
)

func TestIDString(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		id   ID
		want string
	}{
		{ID{Protocol: TCP, Addr: netip.MustParseAddr("192.0.2.10"), Port: 80, Family: IPv4}, "192.0.2.10:80/tcp"},
		{ID{Protocol: UDP, Addr: netip.MustParseAddr("2001:db8::1"), Port: 53, Family: IPv6}, "[2001:db8::1]:53/udp"},
		{ID{Mark: 7, Family: IPv4}, "fwmark:7"},
		{ID{Mark: 7, Family: IPv6}, "fwmark:7/inet6"},
	} {
		if got := c.id.String(); got != c.want {
			t.Errorf("%#v: %q, want %q", c.id, got, c.want)
		}
	}
}
