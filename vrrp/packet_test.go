package vrrp

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range wireVectors() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			b := wireHex(t, v.hex)
			src, dst := v.header()
			pseudo, plain := oracleForms(b, src, dst)
			if found := v.advert.Form; pseudo != (found == ChecksumPseudo) || plain != (found == ChecksumPlain) {
				t.Fatalf("the vector is wrong: pseudo-header %v, message-only %v", pseudo, plain)
			}

			var got Advert
			if r := got.Parse(b, src, dst, 0); r != ReasonNone {
				t.Fatalf("parse: got %v, want none", r)
			}
			if d := cmp.Diff(v.advert, got, wireCmp); d != "" {
				t.Errorf("parse (-want +got):\n%s", d)
			}
			sent := v.advert.Append(nil, src, dst)
			if !v.lossy && hex.EncodeToString(sent) != hex.EncodeToString(b) {
				t.Errorf("append:\n got %x\nwant %x", sent, b)
			}
			if r := got.Parse(sent, src, dst, v.advert.Version); r != ReasonNone {
				t.Fatalf("parse again: got %v, want none", r)
			}
			if d := cmp.Diff(v.advert, got, wireCmp); d != "" {
				t.Errorf("parse again (-want +got):\n%s", d)
			}
		})
	}
}

// TestParseTruncated cuts every vector at every length, and lengthens it: only
// the whole message is accepted, and only the length of the auth_hmac trailer
// gets another reason.
func TestParseTruncated(t *testing.T) {
	t.Parallel()
	for _, v := range wireVectors() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			b := wireHex(t, v.hex)
			src, dst := v.header()
			long := append(slices.Clone(b), make([]byte, 64)...)
			for n := range long {
				want := ReasonLength
				switch n - len(b) {
				case 0:
					want = ReasonNone
				case 28:
					want = ReasonAuthType
				}
				a := Advert{VRID: 99}
				if got := a.Parse(long[:n], src, dst, 0); got != want {
					t.Errorf("%d of %d bytes: got %v, want %v", n, len(b), got, want)
				}
				if want != ReasonNone && a.VRID != 99 {
					t.Errorf("%d of %d bytes: a refused message changed the advert", n, len(b))
				}
			}
		})
	}
}

// TestParseBitFlips flips every bit and every two neighbouring bits of every
// vector. No result has a wrong checksum: what is accepted is accepted by the
// oracle, and here it accepts nothing outside of what the checksum leaves out.
func TestParseBitFlips(t *testing.T) {
	t.Parallel()
	for _, v := range wireVectors() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			src, dst := v.header()
			for i := range len(wireHex(t, v.hex)) * 8 {
				for _, mask := range []byte{0x80, 0xc0} {
					b := wireHex(t, v.hex)
					b[i/8] ^= mask >> (i % 8)
					var a Advert
					if r := a.Parse(b, src, dst, 0); r == ReasonNone {
						t.Errorf("bit %d, mask %02x: %x accepted as %v", i, mask, b, a.Form)
					}
				}
			}
		})
	}
}

// TestParseAcceptsOnlyRightChecksums damages adverts at random and asks the
// oracle about what is still accepted.
func TestParseAcceptsOnlyRightChecksums(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, src, dst := drawWireAdvert(t)
		b := a.Append(nil, src, dst)
		for range rapid.IntRange(1, 4).Draw(t, "flips") {
			i := rapid.IntRange(0, len(b)-1).Draw(t, "byte")
			b[i] ^= rapid.Byte().Draw(t, "mask")
		}
		pseudo, plain := oracleForms(b, src, dst)
		var got Advert
		r := got.Parse(b, src, dst, 0)
		switch {
		case r == ReasonChecksum:
			v2 := Version(b[0]>>4) == V2
			if pseudo && !v2 || plain && src.Is4() {
				t.Fatalf("%x: a right checksum was refused", b)
			}
		case r != ReasonNone:
		case got.Form == ChecksumPseudo && !pseudo, got.Form == ChecksumPlain && !plain:
			t.Fatalf("%x: accepted as %v", b, got.Form)
		case got.Version == V2 && got.Form != ChecksumPlain, src.Is6() && got.Form != ChecksumPseudo:
			t.Fatalf("%x: version %v over %v in form %v", b, got.Version, FamilyOf(src), got.Form)
		}
	})
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	var got Advert // reused on purpose: nothing of the last one may stay
	rapid.Check(t, func(t *rapid.T) {
		a, src, dst := drawWireAdvert(t)
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "prefix")
		b := a.Append(slices.Clone(prefix), src, dst)
		if string(b[:len(prefix)]) != string(prefix) {
			t.Fatalf("append changed what was there: %x", b)
		}
		b = b[len(prefix):]
		expect := rapid.SampledFrom([]Version{0, a.Version}).Draw(t, "expect")
		if r := got.Parse(b, src, dst, expect); r != ReasonNone {
			t.Fatalf("parse %x: got %v, want none", b, r)
		}
		want := a
		if pseudo, _ := oracleForms(b, src, dst); pseudo && a.Version == V3 {
			want.Form = ChecksumPseudo // a neutral pseudo-header
		}
		if d := cmp.Diff(want, got, wireCmp); d != "" {
			t.Fatalf("round trip of %x (-want +got):\n%s", b, d)
		}
		if again := got.Append(nil, src, dst); string(again) != string(b) {
			t.Fatalf("append again:\n got %x\nwant %x", again, b)
		}
		if vrid, ok := PeekVRID(b); !ok || vrid != a.VRID {
			t.Fatalf("PeekVRID: got %d, %v, want %d", vrid, ok, a.VRID)
		}
	})
}

// wireSealed writes a right checksum, computed by the oracle, into a copy of b.
func wireSealed(b []byte, src, dst netip.Addr, form ChecksumForm) []byte {
	b = slices.Clone(b)
	b[6], b[7] = 0, 0
	sum := oracleSum(b)
	if form == ChecksumPseudo {
		sum = oracleSum(oraclePseudo(src, dst, len(b)), b)
	}
	b[6], b[7] = byte(sum>>8), byte(sum)
	return b
}

// TestParseLadder has every rung, alone and with all later rungs broken as
// well, which must not be seen.
func TestParseLadder(t *testing.T) {
	t.Parallel()
	const (
		none, first, plain = ChecksumForm(0), ChecksumPseudo, ChecksumPlain
		carp               = "21330007 00010000 0123456789abcdef 00112233445566778899aabbccddeeff 00112233"
	)
	tests := []struct {
		name   string
		hex    string
		seal   ChecksumForm // 0 leaves the checksum as it is: wrong
		expect Version
		src    string
		dst    string
		want   Reason
	}{
		{"carp", carp, plain, 0, wireSrc4, wireDst4, ReasonForeign},
		{"carp, version 2 expected", carp, plain, V2, wireSrc4, wireDst4, ReasonForeign},
		{"carp, version 3 expected", carp, none, V3, wireSrc4, wireDst4, ReasonForeign},
		{"carp over ipv6", carp, none, V3, wireSrc6, wireDst6, ReasonForeign},
		{"carp without a header", carp, none, V3, "", "", ReasonForeign},
		{"carp, a byte less", carp[:len(carp)-2], none, V2, wireSrc4, wireDst4, ReasonLength},
		{"carp, a byte more", carp + "00", none, V2, wireSrc4, wireDst4, ReasonLength},
		{"v2, 36 bytes", "21330005 00010000" + strings.Repeat("c000020a", 5) + "0000000000000000", plain, 0, wireSrc4, wireDst4, ReasonNone},
		{"v2, 7 addresses", "21330007 00010000" + strings.Repeat("c000020a", 7) + "0000000000000000", plain, 0, wireSrc4, wireDst4, ReasonNone},
		{"v3, 36 bytes, 7 addresses", "31330007 00010000" + strings.Repeat("c000020a", 7), first, 0, wireSrc4, wireDst4, ReasonNone},

		{"empty", "", none, 0, wireSrc4, wireDst4, ReasonLength},
		{"empty, version 3 expected", "", none, V3, wireSrc4, wireDst4, ReasonLength},

		{"version 0", "01336400 00640000", plain, 0, wireSrc4, wireDst4, ReasonVersion},
		{"version 1", "11336400 00640000 0000000000000000", plain, 0, wireSrc4, wireDst4, ReasonVersion},
		{"version 1 expected", "11336400 00640000", plain, 1, wireSrc4, wireDst4, ReasonVersion},
		{"version 4", "41336400 00640000", first, 0, wireSrc4, wireDst4, ReasonVersion},
		{"version 15", "f1336400 00640000", first, 0, wireSrc4, wireDst4, ReasonVersion},
		{"version 2 for 3", "21336400 00010000 0000000000000000", plain, V3, wireSrc4, wireDst4, ReasonVersion},
		{"version 3 for 2", "31336400 00640000", first, V2, wireSrc4, wireDst4, ReasonVersion},
		{"version 2 over ipv6", "21336400 00010000 0000000000000000", plain, 0, wireSrc6, wireDst6, ReasonVersion},
		{"version and all after", "1f", none, V3, "", "", ReasonVersion},

		{"type 0", "30336400 00640000", first, 0, wireSrc4, wireDst4, ReasonType},
		{"type 2", "32336400 00640000", first, V3, wireSrc4, wireDst4, ReasonType},
		{"type 2 of v2", "22336400 00010000 0000000000000000", plain, V2, wireSrc4, wireDst4, ReasonType},
		{"type and all after", "32", none, V3, "", "", ReasonType},

		{"no header", "31336400 00640000", plain, 0, "", "", ReasonFamily},
		{"no header, v2", "21336400 00010000 0000000000000000", plain, 0, "", "", ReasonFamily},
		{"mixed header", "31336400 00640000", plain, 0, wireSrc4, wireDst6, ReasonFamily},
		{"family and all after", "31", none, 0, wireSrc6, wireDst4, ReasonFamily},

		{"one address too few", "31336402 00640000 c000020a", first, 0, wireSrc4, wireDst4, ReasonLength},
		{"one address too many", "31336401 00640000 c000020a c000020b", first, 0, wireSrc4, wireDst4, ReasonLength},
		{"ipv4 address over ipv6", "31336401 00640000 c000020a", first, 0, wireSrc6, wireDst6, ReasonLength},
		{"ipv6 address over ipv4", "31336401 00640000 fe800000000000000000000000000010", first, 0, wireSrc4, wireDst4, ReasonLength},
		{"v2 without trailer", "21336401 00010000 c000020a", plain, 0, wireSrc4, wireDst4, ReasonLength},
		{"v3 with the trailer of v2", "31336401 00640000 c000020a 0000000000000000", first, 0, wireSrc4, wireDst4, ReasonLength},
		{"length and all after", "31336405 00000000", none, 0, wireSrc4, wireDst4, ReasonLength},
		{"auth_hmac of v3", "31336401 00640000 c000020a" + strings.Repeat("01", 28), none, 0, wireSrc4, wireDst4, ReasonAuthType},
		{"auth_hmac of v2", "21336401 00010000 c000020a 0000000000000000" + strings.Repeat("01", 28), none, 0, wireSrc4, wireDst4, ReasonAuthType},
		{"auth_hmac over ipv6", "31336400 00640000" + strings.Repeat("01", 28), none, 0, wireSrc6, wireDst6, ReasonAuthType},

		{"no checksum", "31336400 00640000", none, 0, wireSrc4, wireDst4, ReasonChecksum},
		{"v3 over ipv4, pseudo-header", "31336400 00640000", first, 0, wireSrc4, wireDst4, ReasonNone},
		{"v3 over ipv4, message only", "31336400 00640000", plain, 0, wireSrc4, wireDst4, ReasonNone},
		{"v3 over ipv6, message only", "31336400 00640000", plain, 0, wireSrc6, wireDst6, ReasonChecksum},
		{"v2, pseudo-header", "21336400 00010000 0000000000000000", first, 0, wireSrc4, wireDst4, ReasonChecksum},
		{"checksum and all after", "21336400 03000000 0000000000000000", none, 0, wireSrc4, wireDst4, ReasonChecksum},
		{"checksum and interval", "31336400 00000000", none, 0, wireSrc4, wireDst4, ReasonChecksum},

		{"authentication type 2", "21336400 02010000 0000000000000000", plain, 0, wireSrc4, wireDst4, ReasonNone},
		{"authentication type 3", "21336400 03010000 0000000000000000", plain, 0, wireSrc4, wireDst4, ReasonAuthType},
		{"authentication type 255", "21336400 ff010000 0000000000000000", plain, 0, wireSrc4, wireDst4, ReasonAuthType},
		{"authentication type and interval", "21336400 03000000 0000000000000000", plain, 0, wireSrc4, wireDst4, ReasonAuthType},

		{"v2 interval 0", "21336400 00000000 0000000000000000", plain, 0, wireSrc4, wireDst4, ReasonInterval},
		{"v3 interval 0", "31336400 00000000", first, 0, wireSrc4, wireDst4, ReasonInterval},
		{"v3 interval 0 beside reserved bits", "31336400 f0000000", first, 0, wireSrc4, wireDst4, ReasonInterval},
		{"v3 interval 1", "31336400 00010000", first, 0, wireSrc4, wireDst4, ReasonNone},
		{"v3 interval 4095", "31336400 0fff0000", first, 0, wireSrc4, wireDst4, ReasonNone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := wireHex(t, tt.hex)
			var src, dst netip.Addr
			if tt.src != "" {
				src, dst = netip.MustParseAddr(tt.src), netip.MustParseAddr(tt.dst)
			}
			if tt.seal != 0 {
				b = wireSealed(b, src, dst, tt.seal)
			}
			a := Advert{VRID: 99}
			if got := a.Parse(b, src, dst, tt.expect); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if changed := a.VRID != 99; changed != (tt.want == ReasonNone) {
				t.Errorf("advert changed: %v, after %v", changed, tt.want)
			}
		})
	}
}

// TestParseReuse: nothing of the last advert stays in the next one.
func TestParseReuse(t *testing.T) {
	t.Parallel()
	var reused Advert
	for _, v := range append(wireVectors(), wireVectors()...) {
		src, dst := v.header()
		if r := reused.Parse(wireHex(t, v.hex), src, dst, 0); r != ReasonNone {
			t.Fatalf("%s: got %v, want none", v.name, r)
		}
		if d := cmp.Diff(v.advert, reused, wireCmp); d != "" {
			t.Errorf("%s (-want +got):\n%s", v.name, d)
		}
	}
}

func TestAppendInterval(t *testing.T) {
	t.Parallel()
	tests := []struct {
		version  Version
		in, want time.Duration
	}{
		{V3, 10 * time.Millisecond, 10 * time.Millisecond},
		{V3, 10*time.Millisecond + 1, 20 * time.Millisecond},
		{V3, 1, 10 * time.Millisecond},
		{V3, 0, 10 * time.Millisecond},
		{V3, -time.Second, 10 * time.Millisecond},
		{V3, 40950 * time.Millisecond, 40950 * time.Millisecond},
		{V3, 40950*time.Millisecond + 1, 40950 * time.Millisecond},
		{V3, 1<<63 - 1, 40950 * time.Millisecond},
		{V2, time.Second, time.Second},
		{V2, 100 * time.Millisecond, time.Second},
		{V2, 1001 * time.Millisecond, 2 * time.Second},
		{V2, 0, time.Second},
		{V2, 255 * time.Second, 255 * time.Second},
		{V2, 256 * time.Second, 255 * time.Second},
		{V2, 1<<63 - 1, 255 * time.Second},
	}
	src, dst := netip.MustParseAddr(wireSrc4), netip.MustParseAddr(wireDst4)
	for _, tt := range tests {
		in := Advert{Version: tt.version, VRID: 1, Interval: tt.in}
		var got Advert
		if r := got.Parse(in.Append(nil, src, dst), src, dst, tt.version); r != ReasonNone || got.Interval != tt.want {
			t.Errorf("v%v, %v: got %v, %v, want %v", tt.version, tt.in, r, got.Interval, tt.want)
		}
	}
}

// TestAppendDefaults: the zero values of Auth and Form, and what belongs to
// another version or type, do not reach the wire.
func TestAppendDefaults(t *testing.T) {
	t.Parallel()
	src, dst := netip.MustParseAddr(wireSrc4), netip.MustParseAddr(wireDst4)
	password := PasswordFrom("secret")
	list := wireAddrs("192.0.2.10")
	tests := []struct {
		name string
		a    Advert
		want string
	}{
		{"v2", Advert{Version: V2, VRID: 51, Priority: 100, Interval: time.Second, Addrs: list, Password: password, Form: ChecksumPseudo},
			"2133640100 01b8bf c000020a 0000000000000000"},
		{"v3", Advert{Version: V3, VRID: 51, Priority: 200, Interval: 100 * time.Millisecond, Addrs: wireAddrs("192.0.2.10", "192.0.2.11"), Auth: AuthPass, Password: password},
			"3133c802 000ae014 c000020a c000020b"},
	}
	for _, tt := range tests {
		if got, want := tt.a.Append(nil, src, dst), wireHex(t, tt.want); string(got) != string(want) {
			t.Errorf("%s:\n got %x\nwant %x", tt.name, got, want)
		}
	}
	six := Advert{Version: V3, Interval: time.Second, Form: ChecksumPlain, Addrs: wireAddrs("fe80::10%eth0")}
	s6, d6 := netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr(wireDst6)
	var got Advert
	if r := got.Parse(six.Append(nil, s6, d6), s6.WithZone(""), d6, V3); r != ReasonNone || got.Addrs[0] != wireAddrs("fe80::10")[0] {
		t.Errorf("zones and a form that ipv6 has not: got %v, %v", r, got.Addrs)
	}
}

func TestAppendPanics(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		a        Advert
		src, dst string
		want     string
	}{
		{"version", Advert{Version: 4}, wireSrc4, wireDst4, "advert of version 4"},
		{"no version", Advert{}, wireSrc4, wireDst4, "advert of version 0"},
		{"v2 over ipv6", Advert{Version: V2}, wireSrc6, wireDst6, "version 2 over ipv6"},
		{"mixed header", Advert{Version: V3}, wireSrc4, wireDst6, "not of one family"},
		{"ipv6 address over ipv4", Advert{Version: V3, Addrs: wireAddrs("fe80::1")}, wireSrc4, wireDst4, "address fe80::1 in an advert over ipv4"},
		{"ipv4 address over ipv6", Advert{Version: V3, Addrs: wireAddrs("192.0.2.1")}, wireSrc6, wireDst6, "address 192.0.2.1 in an advert over ipv6"},
		{"no address", Advert{Version: V3, Addrs: make([]netip.Addr, 1)}, wireSrc4, wireDst4, "address invalid IP"},
		{"256 addresses", Advert{Version: V3, Addrs: make([]netip.Addr, 256)}, wireSrc4, wireDst4, "256 addresses"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				text, _ := recover().(string)
				if !strings.HasPrefix(text, "vrrp: ") || !strings.Contains(text, tt.want) {
					t.Errorf("got panic %q, want one about %q", text, tt.want)
				}
			}()
			tt.a.Append(nil, netip.MustParseAddr(tt.src), netip.MustParseAddr(tt.dst))
		})
	}
}

func TestPeekVRID(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct {
		vrid uint8
		ok   bool
	}{"": {0, false}, "31": {0, false}, "3133": {0x33, true}, "ffff00": {0xff, true}} {
		if vrid, ok := PeekVRID(wireHex(t, in)); vrid != want.vrid || ok != want.ok {
			t.Errorf("%q: got %d, %v, want %d, %v", in, vrid, ok, want.vrid, want.ok)
		}
	}
}

func TestMaxAddrs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		v    Version
		f    Family
		mtu  int
		want int
	}{
		{V2, IPv4, 1500, 255},
		{V3, IPv4, 1500, 255},
		{V3, IPv6, 1500, 89},   // (1500-14-40-8)/16 = 89.9
		{V3, IPv6, 1280, 76},   // (1280-14-40-8)/16 = 76.1
		{V3, IPv6, 9000, 255},  // 558 by size
		{V3, IPv4, 576, 133},   // (576-14-20-8)/4 = 133.5
		{V2, IPv4, 576, 131},   // (576-14-20-16)/4 = 131.5
		{V3, IPv4, 1062, 255},  // exactly
		{V3, IPv4, 1061, 254},  // one byte less
		{V2, IPv4, 1070, 255},  // exactly
		{V2, IPv4, 1069, 254},  // one byte less
		{V3, IPv4, 65536, 255}, // loopback
		{V3, IPv4, 46, 1},
		{V3, IPv4, 45, 0},
		{V3, IPv4, 42, 0},
		{V3, IPv4, 20, 0},
		{V3, IPv4, 0, 0},
		{V3, IPv6, -1, 0},
		{V2, IPv6, 1500, 0},
		{V3, 0, 1500, 0},
		{0, IPv4, 1500, 0},
		{4, IPv6, 1500, 0},
	}
	for _, tt := range tests {
		if got := MaxAddrs(tt.v, tt.f, tt.mtu); got != tt.want {
			t.Errorf("v%v, %v, mtu %d: got %d, want %d", tt.v, tt.f, tt.mtu, got, tt.want)
		}
	}
}

func TestFamilyAndVersion(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Family{"192.0.2.1": IPv4, "2001:db8::1": IPv6, "::ffff:192.0.2.1": IPv6, "fe80::1%eth0": IPv6} {
		if got := FamilyOf(netip.MustParseAddr(text)); got != want {
			t.Errorf("FamilyOf(%s): got %v, want %v", text, got, want)
		}
	}
	if got := FamilyOf(netip.Addr{}); got != 0 {
		t.Errorf("FamilyOf(zero): got %v, want 0", got)
	}
	for f, want := range map[Family]string{0: "unknown", IPv4: "ipv4", IPv6: "ipv6", 3: "unknown"} {
		if got := f.String(); got != want {
			t.Errorf("Family(%d): got %q, want %q", uint8(f), got, want)
		}
	}
	for v, want := range map[Version]string{V2: "2", V3: "3", 15: "15"} {
		if got := v.String(); got != want {
			t.Errorf("Version(%d): got %q, want %q", uint8(v), got, want)
		}
	}
}
