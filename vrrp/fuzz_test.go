package vrrp

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// FuzzParse feeds any bytes, as they are and with each checksum put right, as
// nearly nothing gets past it by chance. Whatever is accepted is sent again as
// the same bytes, but for what a receiver must ignore. The seeds are in
// testdata/fuzz/FuzzParse, named after what they are.
func FuzzParse(f *testing.F) {
	for _, v := range wireVectors() {
		f.Add(wireHex(f, v.hex), netip.MustParseAddr(v.src).Is6(), byte(v.advert.Version))
	}
	f.Fuzz(func(t *testing.T, b []byte, six bool, expect byte) {
		src, dst := netip.MustParseAddr(wireSrc4), netip.MustParseAddr(wireDst4)
		if six {
			src, dst = netip.MustParseAddr(wireSrc6), netip.MustParseAddr(wireDst6)
		}
		PeekVRID(b)
		wireCheckParse(t, b, src, dst, Version(expect))
		if len(b) >= wireHeaderLen {
			wireCheckParse(t, wireSealed(b, src, dst, ChecksumPseudo), src, dst, 0)
			wireCheckParse(t, wireSealed(b, src, dst, ChecksumPlain), src, dst, Version(b[0]>>4))
		}
		wireCheckParse(t, b, src, netip.Addr{}, 0)
	})
}

// wireCheckParse parses b, which must not change it, and checks what came out.
func wireCheckParse(t *testing.T, b []byte, src, dst netip.Addr, expect Version) {
	t.Helper()
	in := slices.Clone(b)
	used := Advert{Version: 9, VRID: 9, Auth: 9, Password: [8]byte{9}, Form: 9, Addrs: make([]netip.Addr, 3)}
	before := used
	var fresh Advert
	r := fresh.Parse(b, src, dst, expect)
	if again := used.Parse(b, src, dst, expect); again != r {
		t.Fatalf("%x: got %v in a fresh advert, %v in a used one", b, r, again)
	}
	if !slices.Equal(in, b) {
		t.Fatalf("parse changed %x to %x", in, b)
	}
	if r != ReasonNone {
		if d := cmp.Diff(before, used, wireCmp); d != "" {
			t.Fatalf("%x: refused with %v, but the advert changed (-before +after):\n%s", b, r, d)
		}
		return
	}
	if d := cmp.Diff(fresh, used, wireCmp); d != "" {
		t.Fatalf("%x: something of the last advert stayed (-fresh +used):\n%s", b, d)
	}
	if expect != 0 && fresh.Version != expect {
		t.Fatalf("%x: version %v accepted, %v expected", b, fresh.Version, expect)
	}
	want := wireCanonical(b)
	got := fresh.Append(nil, src, dst)
	pseudo, plain := oracleForms(got, src, dst)
	if !pseudo && fresh.Form == ChecksumPseudo || !plain && fresh.Form == ChecksumPlain {
		t.Fatalf("%x: sent again as %x with a wrong checksum", b, got)
	}
	got[6], got[7] = 0, 0
	if !slices.Equal(got, want) {
		t.Fatalf("%x: sent again\n got %x\nwant %x", b, got, want)
	}
}

// wireCanonical clears in a copy of an advert what a receiver ignores: the checksum,
// the reserved bits of V3, the authentication data of V2 without a password.
func wireCanonical(b []byte) []byte {
	b = slices.Clone(b)
	b[6], b[7] = 0, 0
	switch {
	case Version(b[0]>>4) == V3:
		b[4] &= 0x0f
	case b[4] != 1:
		clear(b[len(b)-8:])
	}
	return b
}

// wireBenchAdverts are the usual advert, the largest, and one of V2.
func wireBenchAdverts() map[string]Advert {
	many := Advert{Version: V3, VRID: 51, Priority: 100, Interval: time.Second}
	for i := range 255 {
		many.Addrs = append(many.Addrs, netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: byte(i)}))
	}
	return map[string]Advert{
		"v3-ipv4-1":   {Version: V3, VRID: 51, Priority: 100, Interval: 10 * time.Millisecond, Addrs: wireAddrs("192.0.2.10")},
		"v3-ipv6-255": many,
		"v2-2": {
			Version: V2, VRID: 51, Priority: 100, Interval: time.Second,
			Addrs: wireAddrs("192.0.2.10", "192.0.2.11"), Auth: AuthPass, Password: PasswordFrom("1111"),
		},
	}
}

func wireBenchHeader(a Advert) (src, dst netip.Addr) {
	if FamilyOf(a.Addrs[0]) == IPv6 {
		return netip.MustParseAddr(wireSrc6), netip.MustParseAddr(wireDst6)
	}
	return netip.MustParseAddr(wireSrc4), netip.MustParseAddr(wireDst4)
}

// TestNoAllocations is not parallel: AllocsPerRun counts the whole process.
func TestNoAllocations(t *testing.T) {
	for name, a := range wireBenchAdverts() {
		src, dst := wireBenchHeader(a)
		b := a.Append(nil, src, dst)
		if n := testing.AllocsPerRun(100, func() { b = a.Append(b[:0], src, dst) }); n != 0 {
			t.Errorf("%s: append: got %v allocations, want 0", name, n)
		}
		var got Advert
		parse := func() {
			if r := got.Parse(b, src, dst, 0); r != ReasonNone {
				t.Fatalf("%s: got %v, want none", name, r)
			}
		}
		parse()
		if n := testing.AllocsPerRun(100, parse); n != 0 {
			t.Errorf("%s: parse: got %v allocations, want 0", name, n)
		}
		b[6] ^= 0x5a
		if n := testing.AllocsPerRun(100, func() { got.Parse(b, src, dst, 0) }); n != 0 {
			t.Errorf("%s: refuse: got %v allocations, want 0", name, n)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for name, a := range wireBenchAdverts() {
		b.Run(name, func(b *testing.B) {
			src, dst := wireBenchHeader(a)
			buf := a.Append(nil, src, dst)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				buf = a.Append(buf[:0], src, dst)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for name, a := range wireBenchAdverts() {
		b.Run(name, func(b *testing.B) {
			src, dst := wireBenchHeader(a)
			buf := a.Append(nil, src, dst)
			var got Advert
			got.Parse(buf, src, dst, 0)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				got.Parse(buf, src, dst, 0)
			}
		})
	}
}
