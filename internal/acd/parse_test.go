package acd

import (
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"
)

func TestProbeHasNoSender(t *testing.T) {
	t.Parallel()
	p := appendProbe(nil, MAC{2, 0, 0, 0, 0, 1}, netip.MustParseAddr("192.0.2.10"))
	if len(p) != arpLen {
		t.Fatalf("%d bytes, want %d", len(p), arpLen)
	}
	// Nobody, and hakeep itself least of all, takes a probe for a claim.
	if addr, _, ok := parseARP(p); ok {
		t.Errorf("a probe is read as a claim of %v", addr)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	arp := appendProbe(nil, MAC{2, 0, 0, 0, 0, 1}, netip.MustParseAddr("192.0.2.10"))
	copy(arp[14:], []byte{192, 0, 2, 10})
	if addr, mac, ok := parseARP(arp); !ok || addr.String() != "192.0.2.10" || mac != (MAC{2, 0, 0, 0, 0, 1}) {
		t.Errorf("ARP: %v %v %v", addr, mac, ok)
	}
	na := make([]byte, naLen)
	na[0] = typeNA
	target := netip.MustParseAddr("2001:db8::10").As16()
	copy(na[8:], target[:])
	if _, _, ok := parseNA(na); ok {
		t.Error("an advertisement without a link-layer address says nothing")
	}
	na = append(na, 14, 1, 0, 0, 0, 0, 0, 0) // a nonce (RFC 3971)
	na = append(na, optTarget, 1, 2, 0, 0, 0, 0, 7)
	if addr, mac, ok := parseNA(na); !ok || addr.String() != "2001:db8::10" || mac != (MAC{2, 0, 0, 0, 0, 7}) {
		t.Errorf("NA: %v %v %v", addr, mac, ok)
	}
}

// TestFilter: the filter lets through what the parser would take, and no other
// address.
func TestFilter(t *testing.T) {
	t.Parallel()
	packet := func(protocol byte, src string) []byte {
		p := make([]byte, 40)
		p[9] = protocol
		a := netip.MustParseAddr(src).As4()
		copy(p[12:], a[:])
		return p
	}
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}
	many := make([]netip.Addr, maxFiltered+1)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
	}
	for _, tt := range []struct {
		name  string
		addrs []netip.Addr
		p     []byte
		want  bool
	}{
		{"ours", addrs, packet(112, "192.0.2.2"), true},
		{"another", addrs, packet(112, "192.0.2.3"), false},
		{"another protocol", addrs, packet(6, "192.0.2.2"), false},
		{"none", nil, packet(112, "192.0.2.2"), false},
		{"as many as fit", many[:maxFiltered], packet(112, many[maxFiltered-1].String()), true},
		{"as many as fit, another", many[:maxFiltered], packet(112, "192.0.2.3"), false},
		{"too many", many, packet(112, "192.0.2.3"), true},
		{"too many, another protocol", many, packet(17, "192.0.2.3"), false},
	} {
		vm, err := bpf.NewVM(filter(advertGuard(), 12, tt.addrs))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		n, err := vm.Run(tt.p)
		if err != nil || n > 0 != tt.want {
			t.Errorf("%s: passes %v (%v), want %v", tt.name, n > 0, err, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(appendProbe(nil, MAC{1}, netip.MustParseAddr("192.0.2.1")))
	f.Add(append(make([]byte, naLen), optTarget, 1, 1, 2, 3, 4, 5, 6))
	f.Fuzz(func(t *testing.T, p []byte) {
		if addr, _, ok := parseARP(p); ok && (!addr.Is4() || addr.IsUnspecified()) {
			t.Errorf("ARP: %v", addr)
		}
		if addr, _, ok := parseNA(p); ok && !addr.Is6() {
			t.Errorf("NA: %v", addr)
		}
	})
}
