package vrrp

import (
	"math/big"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// oracleSum computes the checksum in another way than the code: a one's
// complement sum of 16-bit words is the whole message, read as one number,
// modulo 65535, because 65536 leaves 1. The checksum field must be zero.
func oracleSum(parts ...[]byte) uint16 {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	if len(all)%2 == 1 {
		all = append(all, 0)
	}
	n := new(big.Int).SetBytes(all)
	if n.Sign() == 0 {
		return 0xffff
	}
	m := big.NewInt(0xffff)
	return uint16(m.Int64()-n.Mod(n, m).Int64()) % 0xffff
}

// oraclePseudo builds the pseudo-header byte by byte: that of IPv4 as UDP has
// it, that of IPv6 as in RFC 8200, 8.1.
func oraclePseudo(src, dst netip.Addr, n int) []byte {
	p := append(src.AsSlice(), dst.AsSlice()...)
	if src.Is4() {
		return append(p, 0, 112, byte(n>>8), byte(n))
	}
	return append(p, 0, 0, byte(n>>8), byte(n), 0, 0, 0, 112)
}

// oracleForms returns which forms of the checksum are right in b.
func oracleForms(b []byte, src, dst netip.Addr) (pseudo, plain bool) {
	zeroed := append([]byte(nil), b...)
	found := uint16(b[6])<<8 | uint16(b[7])
	zeroed[6], zeroed[7] = 0, 0
	same := func(a, b uint16) bool { return a%0xffff == b%0xffff }
	return same(found, oracleSum(oraclePseudo(src, dst, len(b)), zeroed)),
		same(found, oracleSum(zeroed))
}

func TestSumWordsAgainstOracle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "b")
		b[0] |= 1 // an all-zero message is no message
		if got, want := ^foldSum(sumWords(0, b)), oracleSum(b); got != want {
			t.Fatalf("checksum of %x: got %#04x, want %#04x", b, got, want)
		}
	})
}

func TestSumWordsKnown(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		b    []byte
		want uint16
	}{
		{"nothing", nil, 0},
		{"rfc 1071 section 3", []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}, 0xddf2},
		{"one byte is the upper half", []byte{0xab}, 0xab00},
		{"two bytes", []byte{0xab, 0xcd}, 0xabcd},
		{"three bytes", []byte{0x00, 0x01, 0x80}, 0x8001},
		{"carry", []byte{0xff, 0xff, 0x00, 0x02}, 0x0002},
		{"six bytes", []byte{0xff, 0xff, 0xff, 0xff, 0x00, 0x01}, 0x0001},
		{"all ones stay all ones", []byte{0xff, 0xff, 0xff, 0xff}, 0xffff},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := foldSum(sumWords(0, tt.b)); got != tt.want {
				t.Errorf("got %#04x, want %#04x", got, tt.want)
			}
		})
	}
}

// TestSumWordsLargest shows that no packet overflows the sum.
func TestSumWordsLargest(t *testing.T) {
	t.Parallel()
	b := make([]byte, 65535)
	for i := range b {
		b[i] = 0xff
	}
	if got, want := ^foldSum(sumWords(0, b)), oracleSum(b); got != want {
		t.Errorf("got %#04x, want %#04x", got, want)
	}
}

func TestPseudoSumAgainstOracle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom([]Family{IPv4, IPv6}).Draw(t, "family")
		src, dst := drawWireAddr(t, f, "src"), drawWireAddr(t, f, "dst")
		n := rapid.IntRange(8, 8+255*16).Draw(t, "n")
		got, want := ^foldSum(pseudoSum(src, dst, n)), oracleSum(oraclePseudo(src, dst, n))
		if got != want {
			t.Fatalf("%v > %v, %d bytes: got %#04x, want %#04x", src, dst, n, got, want)
		}
	})
}

// TestChecksumFormAmbiguity documents the two cases in which a receiver of
// both forms cannot tell them apart.
func TestChecksumFormAmbiguity(t *testing.T) {
	t.Parallel()
	dst := netip.MustParseAddr("224.0.0.18")
	advert := func(form ChecksumForm) *Advert {
		return &Advert{
			Version: V3, VRID: 50, Priority: 100, Interval: v3Unit, Form: form,
			Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("192.0.2.12")},
		}
	}

	// 0a00 + 156d + e000 + 0012 + 0070 + 0010 = ffff, which is zero.
	neutral := netip.MustParseAddr("10.0.21.109")
	pseudo := advert(ChecksumPseudo).Append(nil, neutral, dst)
	plain := advert(ChecksumPlain).Append(nil, neutral, dst)
	if string(pseudo) != string(plain) {
		t.Errorf("neutral pseudo-header: got %x and %x, want the same bytes", pseudo, plain)
	}
	var got Advert
	if r := got.Parse(plain, neutral, dst, V3); r != ReasonNone || got.Form != ChecksumPseudo {
		t.Errorf("neutral pseudo-header: got %v, %v, want none, pseudo-header", r, got.Form)
	}

	// With a source greater by one the pseudo-header adds up to 1: an upper
	// neighbour of the true VRID makes the other form right.
	next := netip.MustParseAddr("10.0.21.110")
	b := advert(ChecksumPseudo).Append(nil, next, dst)
	b[1] ^= 1
	if r := got.Parse(b, next, dst, V3); r != ReasonNone || got.Form != ChecksumPlain {
		t.Errorf("flipped bit: got %v, %v, want none, message-only", r, got.Form)
	}
}

// TestChecksumZeroAndOnes: one's complement has two zeros, and a sender may
// write either.
func TestChecksumZeroAndOnes(t *testing.T) {
	t.Parallel()
	src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("224.0.0.18")
	// 3101 + ce00 + 00fe = ffff without the checksum.
	b := []byte{0x31, 0x01, 0xce, 0x00, 0x00, 0xfe, 0x00, 0x00}
	for _, sum := range []byte{0x00, 0xff} {
		b[6], b[7] = sum, sum
		var a Advert
		if r := a.Parse(b, src, dst, 0); r != ReasonNone || a.Form != ChecksumPlain {
			t.Errorf("checksum %02x%02x: got %v, %v, want none, message-only", sum, sum, r, a.Form)
		}
	}
}

func TestChecksumFormString(t *testing.T) {
	t.Parallel()
	for form, want := range map[ChecksumForm]string{
		0: "unknown", ChecksumPseudo: "pseudo-header", ChecksumPlain: "message-only", 3: "unknown",
	} {
		if got := form.String(); got != want {
			t.Errorf("ChecksumForm(%d): got %q, want %q", form, got, want)
		}
	}
}
