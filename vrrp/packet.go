package vrrp

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Version is the number in the first four bits of a VRRP message.
type Version uint8

// The versions that are in use.
const (
	// V2 is VRRP of RFC 3768: IPv4 only, whole seconds, an authentication
	// trailer.
	V2 Version = 2
	// V3 is VRRP of RFC 5798 and RFC 9568: IPv4 and IPv6, centiseconds.
	V3 Version = 3
)

// String returns the number, as vrrp_version has it.
func (v Version) String() string { return strconv.Itoa(int(v)) }

// Family is the address family of a virtual router. IPv4 and IPv6 virtual
// routers with the same VRID are independent of each other (RFC 9568, 1).
type Family uint8

// The address families.
const (
	IPv4 Family = iota + 1
	IPv6
)

// String returns "ipv4" or "ipv6", and "unknown" for anything else.
func (f Family) String() string {
	switch f {
	case IPv4:
		return "ipv4"
	case IPv6:
		return "ipv6"
	}
	return "unknown"
}

// FamilyOf returns the family of a, and 0 for the zero Addr. An IPv4-mapped
// IPv6 address is IPv6: it takes 16 bytes on the wire.
func FamilyOf(a netip.Addr) Family {
	switch {
	case a.Is4():
		return IPv4
	case a.Is6():
		return IPv6
	}
	return 0
}

// addrLen returns the size of an address on the wire.
func (f Family) addrLen() int {
	if f == IPv6 {
		return 16
	}
	return 4
}

// The wire format (RFC 3768, 5.1; RFC 9568, 5.1).
const (
	wireHeaderLen = 8 // up to and including the checksum
	wireAuthLen   = 8 // authentication data of v2, always present
	wireHMACLen   = 28
	wireTypeAdv   = 1 // ADVERTISEMENT, the only type there is
	wireMaxCount  = 255
	wireChecksum  = 6 // offset of the checksum

	v2Unit = time.Second
	v2Max  = 1<<8 - 1
	v3Unit = 10 * time.Millisecond
	v3Max  = 1<<12 - 1

	carpLen     = 36
	carpAuthLen = 7 // its authentication data in 32-bit words
)

// Advert is one ADVERTISEMENT, the only message of VRRP (RFC 3768, 5; RFC
// 9568, 5). It says nothing about the IP header, which Append and Parse get
// beside it.
type Advert struct {
	// Version decides about the format. It must be V2 or V3.
	Version Version
	// VRID is the virtual router, 1 to 255.
	VRID uint8
	// Priority is 0 when the master leaves, 255 for the address owner.
	Priority uint8
	// Interval is the Max Advertise Interval. V3 carries multiples of 10 ms
	// from 10 ms to 40.95 s, V2 whole seconds from 1 s to 255 s.
	Interval time.Duration
	// Addrs are the virtual addresses in their configured order, at most 255
	// (see MaxAddrs), all of the family of the IP header. Parse reuses the
	// backing array: who keeps the addresses must clone them. Zones are not
	// carried.
	Addrs []netip.Addr
	// Auth is the authentication type of V2, of which zero is sent as
	// AuthNone. V3 ignores it on send and sets it to zero on parse.
	Auth AuthType
	// Password is the authentication data of V2 with AuthPass. It is sent as
	// zeros and parsed as zeros with any other type.
	Password [8]byte
	// Form is the form of the checksum. To send V3 over IPv4 it selects one,
	// zero being ChecksumPseudo; elsewhere there is no choice and it is
	// ignored. Parse sets it to the form found.
	Form ChecksumForm
}

// Append appends the VRRP message, without an IP header, to b and returns the
// result. It allocates only to grow b. The addresses src and dst are those of
// the IP header; they are part of the checksum.
//
// An Interval between two units is rounded up, and one outside of the range of
// the version is sent as the nearest end of it: a zero would be discarded by
// every receiver (RFC 9568, erratum 8301). Append panics on what the
// configuration rules out: a version other than V2 and V3, V2 over IPv6, more
// than 255 addresses, or addresses of different families.
func (a *Advert) Append(b []byte, src, dst netip.Addr) []byte {
	f := headerFamily(src, dst)
	a.mustFit(f)
	start := len(b)
	b = slices.Grow(b, messageLen(a.Version, f, len(a.Addrs)))
	b = append(b, byte(a.Version)<<4|wireTypeAdv, a.VRID, a.Priority, byte(len(a.Addrs)))
	if a.Version == V2 {
		b = append(b, a.Auth.wire(), byte(wireInterval(a.Interval, v2Unit, v2Max)))
	} else {
		b = binary.BigEndian.AppendUint16(b, wireInterval(a.Interval, v3Unit, v3Max))
	}
	b = append(b, 0, 0)
	for _, addr := range a.Addrs {
		if f == IPv4 {
			raw := addr.As4()
			b = append(b, raw[:]...)
		} else {
			raw := addr.As16()
			b = append(b, raw[:]...)
		}
	}
	if a.Version == V2 {
		var trailer [wireAuthLen]byte
		if a.Auth == AuthPass {
			trailer = a.Password
		}
		b = append(b, trailer[:]...)
	}
	sum := sumWords(0, b[start:])
	if a.Version == V3 && (f == IPv6 || a.Form != ChecksumPlain) {
		sum += pseudoSum(src, dst, len(b)-start)
	}
	binary.BigEndian.PutUint16(b[start+wireChecksum:], ^foldSum(sum))
	return b
}

// mustFit panics unless a can be put into a packet of family f.
func (a *Advert) mustFit(f Family) {
	switch {
	case a.Version != V2 && a.Version != V3:
		panic("vrrp: append: advert of version " + a.Version.String())
	case f == 0:
		panic("vrrp: append: source and destination are not of one family")
	case a.Version == V2 && f != IPv4:
		panic("vrrp: append: version 2 over " + f.String())
	case len(a.Addrs) > wireMaxCount:
		panic("vrrp: append: " + strconv.Itoa(len(a.Addrs)) + " addresses")
	}
	for _, addr := range a.Addrs {
		if FamilyOf(addr) != f {
			panic("vrrp: append: address " + addr.String() + " in an advert over " + f.String())
		}
	}
}

// Parse decodes the VRRP message b into a and returns ReasonNone, or it
// returns the first rung of the ladder on which b fails and leaves a as it
// was. The addresses src and dst are those of the IP header, and b must end
// where the IP header says, without the padding of the link. Parse reuses the
// backing array of a.Addrs and keeps no reference to b.
//
// The version must be expect, or with expect 0 any of V2 and V3. The rungs, in
// order (RFC 9568, 7.1; RFC 3768, 7.1):
//
//   - ReasonForeign: CARP, which shares protocol 112 and looks like V2.
//   - ReasonLength: empty, so that not even a version is there.
//   - ReasonVersion: not expected, or V2 over IPv6, which does not exist.
//   - ReasonType: not an ADVERTISEMENT.
//   - ReasonFamily: src and dst are not two addresses of one family.
//   - ReasonLength: not exactly as long as the address count says.
//     ReasonAuthType instead if it is longer by the trailer of auth_hmac,
//     which we do not have.
//   - ReasonChecksum: right in no form that is allowed. V3 over IPv4 allows
//     two (see ChecksumForm).
//   - ReasonAuthType: V2 with a type other than 0, 1 and 2.
//   - ReasonInterval: zero (RFC 9568, erratum 8301).
//
// Everything that needs to know the virtual router is not judged here: VRID,
// TTL, authentication, the number and kind of addresses.
func (a *Advert) Parse(b []byte, src, dst netip.Addr, expect Version) Reason {
	if isCARP(b) {
		return ReasonForeign
	}
	if len(b) == 0 {
		return ReasonLength
	}
	v, f := Version(b[0]>>4), headerFamily(src, dst)
	switch {
	case v != V2 && v != V3, expect != 0 && v != expect, v == V2 && f == IPv6:
		return ReasonVersion
	case b[0]&0x0f != wireTypeAdv:
		return ReasonType
	case f == 0:
		return ReasonFamily
	}
	if r := judgeLength(b, v, f); r != ReasonNone {
		return r
	}
	form := findForm(b, v, src, dst)
	if form == 0 {
		return ReasonChecksum
	}
	var auth AuthType
	interval := time.Duration(binary.BigEndian.Uint16(b[4:])&v3Max) * v3Unit
	if v == V2 {
		if auth = authFromWire(b[4]); auth == 0 {
			return ReasonAuthType
		}
		interval = time.Duration(b[5]) * v2Unit
	}
	if interval == 0 {
		return ReasonInterval
	}
	a.Version, a.VRID, a.Priority = v, b[1], b[2]
	a.Interval, a.Auth, a.Form = interval, auth, form
	a.Addrs = appendAddrs(a.Addrs[:0], b[wireHeaderLen:], f, int(b[3]))
	a.Password = [wireAuthLen]byte{}
	if auth == AuthPass {
		copy(a.Password[:], b[len(b)-wireAuthLen:])
	}
	return ReasonNone
}

// PeekVRID returns the VRID of a message without validating it, to find out
// whom it is for. It returns false if the message is too short to have one.
func PeekVRID(b []byte) (vrid uint8, ok bool) {
	if len(b) < 2 {
		return 0, false
	}
	return b[1], true
}

// MaxAddrs returns how many addresses fit into one advert on a link with the
// given MTU: at most 255, and 0 where none fits or the version does not exist
// for the family. It subtracts the Ethernet header from the MTU although the
// MTU does not contain it, because keepalived does: both must cut the list of
// addresses at the same place.
func MaxAddrs(v Version, f Family, mtu int) int {
	const ethernet, ipv4, ipv6 = 14, 20, 40
	switch {
	case f == IPv4 && (v == V2 || v == V3):
		mtu -= ethernet + ipv4
	case f == IPv6 && v == V3:
		mtu -= ethernet + ipv6
	default:
		return 0
	}
	return min(wireMaxCount, max(0, mtu-messageLen(v, f, 0))/f.addrLen())
}

// isCARP reports whether b is an announcement of CARP. Its first byte is that
// of an advert of V2 and its fourth, always 7, stands where V2 has the address
// count; but V2 with 7 addresses is 44 bytes long, for it always has its
// authentication data, and CARP is 36.
func isCARP(b []byte) bool {
	return len(b) == carpLen && b[0] == byte(V2)<<4|wireTypeAdv && b[3] == carpAuthLen
}

// headerFamily returns the family of both addresses of an IP header, or 0.
func headerFamily(src, dst netip.Addr) Family {
	f := FamilyOf(src)
	if FamilyOf(dst) != f {
		return 0
	}
	return f
}

// messageLen returns the length of a message with n addresses.
func messageLen(v Version, f Family, n int) int {
	length := wireHeaderLen + n*f.addrLen()
	if v == V2 {
		length += wireAuthLen
	}
	return length
}

// judgeLength compares the length of b with its address count. The trailer of
// keepalived's auth_hmac follows the message, is covered by the length of the
// IP packet, and has no mark of its own: only the length tells.
func judgeLength(b []byte, v Version, f Family) Reason {
	if len(b) < wireHeaderLen {
		return ReasonLength
	}
	switch len(b) - messageLen(v, f, int(b[3])) {
	case 0:
		return ReasonNone
	case wireHMACLen:
		return ReasonAuthType
	}
	return ReasonLength
}

// wireInterval returns d in units, rounded up, from 1 to limit.
func wireInterval(d, unit time.Duration, limit uint16) uint16 {
	n := d / unit
	if d%unit > 0 {
		n++
	}
	return uint16(min(max(n, 1), time.Duration(limit)))
}

// appendAddrs appends the first n addresses in b to addrs.
func appendAddrs(addrs []netip.Addr, b []byte, f Family, n int) []netip.Addr {
	addrs = slices.Grow(addrs, n)
	for ; n > 0; n-- {
		if f == IPv4 {
			addrs = append(addrs, netip.AddrFrom4([4]byte(b)))
		} else {
			addrs = append(addrs, netip.AddrFrom16([16]byte(b)))
		}
		b = b[f.addrLen():]
	}
	return addrs
}
