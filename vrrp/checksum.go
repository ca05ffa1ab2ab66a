package vrrp

import (
	"encoding/binary"
	"net/netip"
)

// ChecksumForm says what the checksum of an advert covers.
//
// For V3 over IPv4 the standards and the installed routers differ. RFC 5798
// was read by nearly all as "with a pseudo-header", and that is the only form
// that installed keepalived accept; RFC 9568, 5.2.8 says "without". So both
// are accepted and the form found is reported. A damaged packet in one form
// passes as right in the other with a probability of 2^-16.
//
// The pseudo-header of one pair of addresses in 65,536 adds up to nothing.
// Then both forms are the same bytes and ChecksumPseudo is reported.
type ChecksumForm uint8

// The forms of the checksum.
const (
	// ChecksumPseudo covers a pseudo-header and the message: source,
	// destination, protocol 112 and the length of the message. It is the only
	// form over IPv6 (RFC 9568, 5.2.8).
	ChecksumPseudo ChecksumForm = iota + 1
	// ChecksumPlain covers the message alone. It is the only form of V2 (RFC
	// 3768, 5.3.8) and that of RFC 9568 for V3 over IPv4 (keepalived's
	// v3_checksum_as_v2).
	ChecksumPlain
)

// String returns "pseudo-header" or "message-only", and "unknown" for anything
// else.
func (c ChecksumForm) String() string {
	switch c {
	case ChecksumPseudo:
		return "pseudo-header"
	case ChecksumPlain:
		return "message-only"
	}
	return "unknown"
}

// protocolVRRP is the IP protocol and next header of VRRP (IANA).
const protocolVRRP = 112

// findForm returns the form in which the checksum in b is right, or 0. A sum
// of all words, the checksum among them, is then all ones (RFC 1071, 1).
func findForm(b []byte, v Version, src, dst netip.Addr) ChecksumForm {
	const right = 0xffff
	sum := sumWords(0, b)
	if v == V3 && foldSum(sum+pseudoSum(src, dst, len(b))) == right {
		return ChecksumPseudo
	}
	if (v == V2 || src.Is4()) && foldSum(sum) == right {
		return ChecksumPlain
	}
	return 0
}

// pseudoSum returns the sum of the pseudo-header of a message of n bytes. The
// IPv6 form (RFC 8200, 8.1) has wider fields than the IPv4 form, but the words
// that are not zero are the same.
func pseudoSum(src, dst netip.Addr, n int) uint64 {
	sum := uint64(protocolVRRP) + uint64(n)
	if src.Is4() {
		s, d := src.As4(), dst.As4()
		return sumWords(sumWords(sum, s[:]), d[:])
	}
	s, d := src.As16(), dst.As16()
	return sumWords(sumWords(sum, s[:]), d[:])
}

// sumWords adds b to sum in 16-bit words, an odd last byte being the upper half
// of a word (RFC 1071). Taking two words at a time makes no difference once
// the sum is folded, and 64 bits hold the carries of any packet.
func sumWords(sum uint64, b []byte) uint64 {
	for len(b) >= 4 {
		sum += uint64(binary.BigEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		sum += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint64(b[0]) << 8
	}
	return sum
}

// foldSum adds the carries of sum until 16 bits are left.
func foldSum(sum uint64) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
