package vrrp

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const (
	wireSrc4 = "192.0.2.1"
	wireDst4 = "224.0.0.18"
	wireSrc6 = "fe80::1"
	wireDst6 = "ff02::12"
)

// wireVector is an advert in both forms. Its checksum is worked out by hand in
// the comment above it; "p" is the sum of the pseudo-header.
type wireVector struct {
	name     string
	hex      string
	src, dst string
	advert   Advert
	lossy    bool // has reserved bits or data that we do not send
}

func wireAddrs(texts ...string) []netip.Addr {
	var list []netip.Addr
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

func wireVectors() []wireVector {
	return []wireVector{
		// 2133+6401+0001+c000+020a = 1473f > 4740, inverted b8bf
		{"v2 none", "21336401 0001b8bf c000020a 0000000000000000", wireSrc4, wireDst4, Advert{
			Version: V2, VRID: 51, Priority: 100, Interval: time.Second,
			Addrs: wireAddrs("192.0.2.10"), Auth: AuthNone, Form: ChecksumPlain,
		}, false},
		// 2133+6401+0101+c000+020a+3131+3131 = 1aaa1 > aaa2, inverted 555d
		{"v2 password", "21336401 0101555d c000020a 3131313100000000", wireSrc4, wireDst4, Advert{
			Version: V2, VRID: 51, Priority: 100, Interval: time.Second,
			Addrs: wireAddrs("192.0.2.10"), Auth: AuthPass, Password: PasswordFrom("1111"), Form: ChecksumPlain,
		}, false},
		// 2101+ff02+02ff+0a00+0001+0a00+0002+dead+beef = 2d4a1 > d4a3, inverted 2b5c
		{"v2 authentication header", "2101ff02 02ff2b5c 0a000001 0a000002 deadbeef00000000", wireSrc4, wireDst4, Advert{
			Version: V2, VRID: 1, Priority: 255, Interval: 255 * time.Second,
			Addrs: wireAddrs("10.0.0.1", "10.0.0.2"), Auth: AuthAH, Form: ChecksumPlain,
		}, true},
		// 21ff+0000+0003 = 2202, inverted ddfd
		{"v2 without addresses", "21ff0000 0003ddfd 0000000000000000", wireSrc4, wireDst4, Advert{
			Version: V2, VRID: 255, Priority: 0, Interval: 3 * time.Second,
			Auth: AuthNone, Form: ChecksumPlain,
		}, false},
		// 3133+c802+000a+c000+020a+c000+020b = 27d54 > 7d56, inverted 82a9
		{"v3 ipv4 message only", "3133c802 000a82a9 c000020a c000020b", wireSrc4, wireDst4, Advert{
			Version: V3, VRID: 51, Priority: 200, Interval: 100 * time.Millisecond,
			Addrs: wireAddrs("192.0.2.10", "192.0.2.11"), Form: ChecksumPlain,
		}, false},
		// p = c000+0201+e000+0012+0070+0010 = 1a293 > a294
		// 7d56+p = 11fea > 1feb, inverted e014
		{"v3 ipv4 pseudo-header", "3133c802 000ae014 c000020a c000020b", wireSrc4, wireDst4, Advert{
			Version: V3, VRID: 51, Priority: 200, Interval: 100 * time.Millisecond,
			Addrs: wireAddrs("192.0.2.10", "192.0.2.11"), Form: ChecksumPseudo,
		}, false},
		// p = c000+0201+c633+6402+0070+000c = 1ecb2 > ecb3
		// 3101+0101+0064+cb00+7107 = 16e6d > 6e6e, +p = 15b21 > 5b22, inverted a4dd
		{"v3 ipv4 unicast", "31010101 0064a4dd cb007107", wireSrc4, "198.51.100.2", Advert{
			Version: V3, VRID: 1, Priority: 1, Interval: time.Second,
			Addrs: wireAddrs("203.0.113.7"), Form: ChecksumPseudo,
		}, false},
		// 31ff+0000+afff = e1fe, inverted 1e01
		{"v3 ipv4 reserved bits, no addresses", "31ff0000 afff1e01", wireSrc4, wireDst4, Advert{
			Version: V3, VRID: 255, Priority: 0, Interval: 40950 * time.Millisecond,
			Form: ChecksumPlain,
		}, true},
		// p = fe80+0001+ff02+0012+0028+0070 = 1fe2d
		// 3133+ff02+0064+fe80+0010+2001+0db8+0010 = 25cf2, +p = 45b1f > 5b23, inverted a4dc
		{
			"v3 ipv6",
			"3133ff02 0064a4dc fe800000000000000000000000000010 20010db8000000000000000000000010",
			wireSrc6, wireDst6, Advert{
				Version: V3, VRID: 51, Priority: 255, Interval: time.Second,
				Addrs: wireAddrs("fe80::10", "2001:db8::10"), Form: ChecksumPseudo,
			}, false,
		},
		// p = fe80+0001+ff02+0012+0018+0070 = 1fe1d
		// 3107+6401+0001+ffff+c000+020a = 25712, +p = 4552f > 5533, inverted aacc
		{
			"v3 ipv6 mapped address",
			"31076401 0001aacc 00000000000000000000ffffc000020a",
			wireSrc6, wireDst6, Advert{
				Version: V3, VRID: 7, Priority: 100, Interval: 10 * time.Millisecond,
				Addrs: wireAddrs("::ffff:192.0.2.10"), Form: ChecksumPseudo,
			}, false,
		},
	}
}

func wireHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wireCmp compares addresses; a list without any may be nil or empty.
var wireCmp = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Transformer("list", func(l []netip.Addr) string {
		var s strings.Builder
		for _, a := range l {
			s.WriteString(a.String() + " ")
		}
		return s.String()
	}),
}

func (v wireVector) header() (src, dst netip.Addr) {
	return netip.MustParseAddr(v.src), netip.MustParseAddr(v.dst)
}

func drawWireAddr(t *rapid.T, f Family, label string) netip.Addr {
	if f == IPv4 {
		return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, label)))
	}
	return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label)))
}

// drawWireAdvert draws any advert that we can send, in the form in which Parse
// returns it.
func drawWireAdvert(t *rapid.T) (a Advert, src, dst netip.Addr) {
	a.Version = rapid.SampledFrom([]Version{V2, V3}).Draw(t, "version")
	f := IPv4
	if a.Version == V3 {
		f = rapid.SampledFrom([]Family{IPv4, IPv6}).Draw(t, "family")
	}
	src, dst = drawWireAddr(t, f, "src"), drawWireAddr(t, f, "dst")
	a.VRID = rapid.Byte().Draw(t, "vrid")
	a.Priority = rapid.Byte().Draw(t, "priority")
	for range rapid.IntRange(0, 255).Draw(t, "count") {
		a.Addrs = append(a.Addrs, drawWireAddr(t, f, "addr"))
	}
	switch {
	case a.Version == V2:
		a.Interval = time.Duration(rapid.IntRange(1, 255).Draw(t, "seconds")) * time.Second
		a.Auth = rapid.SampledFrom([]AuthType{AuthNone, AuthPass, AuthAH}).Draw(t, "auth")
		if a.Auth == AuthPass {
			copy(a.Password[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "password"))
		}
		a.Form = ChecksumPlain
		return a, src, dst
	case f == IPv4:
		a.Form = rapid.SampledFrom([]ChecksumForm{ChecksumPseudo, ChecksumPlain}).Draw(t, "form")
	default:
		a.Form = ChecksumPseudo
	}
	a.Interval = time.Duration(rapid.IntRange(1, 4095).Draw(t, "centiseconds")) * 10 * time.Millisecond
	return a, src, dst
}
