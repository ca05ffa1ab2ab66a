package arp

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	macA = [6]byte{0x00, 0x00, 0x5e, 0x00, 0x01, 0x33}
	macB = [6]byte{0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee}
)

func TestAppendGratuitousBytes(t *testing.T) {
	t.Parallel()
	want := []byte{
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x5e, 0x00, 0x01, 0x33, 0x08, 0x06,
		0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x01,
		0x00, 0x00, 0x5e, 0x00, 0x01, 0x33, 192, 0, 2, 10,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 192, 0, 2, 10,
	}
	for _, text := range []string{"192.0.2.10", "::ffff:192.0.2.10"} {
		got := AppendGratuitous(nil, macA, netip.MustParseAddr(text))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestAppendUnsolicitedNABytes(t *testing.T) {
	t.Parallel()
	got := AppendUnsolicitedNA(nil, macA, netip.MustParseAddr("2001:db8::10%eth0"), true)
	want := []byte{
		0x33, 0x33, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x5e, 0x00, 0x01, 0x33, 0x86, 0xdd,
		0x60, 0, 0, 0, 0, 32, 58, 255,
		0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
		0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01,
		136, 0, 0x1b, 0xda, 0xa0, 0, 0, 0,
		0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
		2, 1, 0x00, 0x00, 0x5e, 0x00, 0x01, 0x33,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if host := AppendUnsolicitedNA(nil, macA, netip.MustParseAddr("2001:db8::10"), false); host[58] != 0x20 {
		t.Errorf("flags %#x without router, want only Override", host[58])
	}
}

func TestAppendRefusesOtherFamily(t *testing.T) {
	t.Parallel()
	b := []byte{1, 2, 3}
	for _, text := range []string{"", "2001:db8::1", "fe80::1%eth0"} {
		addr, _ := netip.ParseAddr(text)
		if got := AppendGratuitous(b, macA, addr); !bytes.Equal(got, b) {
			t.Errorf("AppendGratuitous(%q) = %x, want the slice as it was", text, got)
		}
	}
	for _, text := range []string{"", "192.0.2.1", "::ffff:192.0.2.1"} {
		addr, _ := netip.ParseAddr(text)
		if got := AppendUnsolicitedNA(b, macA, addr, true); !bytes.Equal(got, b) {
			t.Errorf("AppendUnsolicitedNA(%q) = %x, want the slice as it was", text, got)
		}
	}
}

func TestFramesDoNotAllocate(t *testing.T) {
	b := make([]byte, 0, naFrameLen)
	v4, v6 := netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("2001:db8::10")
	allocs := testing.AllocsPerRun(100, func() {
		frame := AppendGratuitous(b, macA, v4)
		ParseGratuitous(frame)
		frame = AppendUnsolicitedNA(b, macA, v6, true)
		ParseUnsolicitedNA(frame)
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
}

// What is written is read back, behind whatever the slice held before.
func TestFramesRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		mac, router := drawMAC(rt), rapid.Bool().Draw(rt, "router")
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(rt, "prefix")
		v4, v6 := drawIPv4(rt), drawIPv6(rt)

		frame := AppendGratuitous(bytes.Clone(prefix), mac, v4)
		if addr, m, ok := ParseGratuitous(frame[len(prefix):]); addr != v4 || m != mac || !ok {
			rt.Fatalf("%v %x became %v %x %v", v4, mac, addr, m, ok)
		}
		frame = AppendUnsolicitedNA(bytes.Clone(prefix), mac, v6, router)
		if addr, m, r, ok := ParseUnsolicitedNA(frame[len(prefix):]); addr != v6 || m != mac || r != router || !ok {
			rt.Fatalf("%v %x %v became %v %x %v %v", v6, mac, router, addr, m, r, ok)
		}
		if !bytes.HasPrefix(frame, prefix) {
			rt.Fatalf("prefix %x is gone: %x", prefix, frame)
		}
	})
}

func drawMAC(rt *rapid.T) [6]byte {
	return [6]byte(rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(rt, "mac"))
}

func drawIPv4(rt *rapid.T) netip.Addr {
	b := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(rt, "ipv4")
	b[0] = max(b[0], 1)
	return netip.AddrFrom4([4]byte(b))
}

func drawIPv6(rt *rapid.T) netip.Addr {
	b := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "ipv6"))
	b[0] = max(b[0]&0xfe, 0x20) // neither multicast nor mapped
	return netip.AddrFrom16(b)
}
