package acd

import (
	"encoding/binary"
	"net/netip"
)

const (
	arpLen = 28 // for Ethernet and IPv4 (RFC 826)
	naLen  = 24 // without options (RFC 4861, 4.4)

	typeNA = 136
	// optTarget is the option with the target's link-layer address (RFC 4861,
	// 4.6.1).
	optTarget = 2
)

// MAC is a hardware address of Ethernet.
type MAC [6]byte

// parseARP returns who an ARP packet says has which address.
func parseARP(p []byte) (addr netip.Addr, mac MAC, ok bool) {
	if len(p) < arpLen || binary.BigEndian.Uint16(p) != 1 || binary.BigEndian.Uint16(p[2:]) != 0x0800 || p[4] != 6 || p[5] != 4 {
		return addr, mac, false
	}
	if op := binary.BigEndian.Uint16(p[6:]); op != 1 && op != 2 {
		return addr, mac, false
	}
	copy(mac[:], p[8:14])
	addr = netip.AddrFrom4([4]byte(p[14:18]))
	return addr, mac, !addr.IsUnspecified()
}

// parseNA does so for a neighbour advertisement, from its ICMPv6 header on.
func parseNA(p []byte) (addr netip.Addr, mac MAC, ok bool) {
	if len(p) < naLen || p[0] != typeNA || p[1] != 0 {
		return addr, mac, false
	}
	addr = netip.AddrFrom16([16]byte(p[8:24]))
	for opts := p[naLen:]; len(opts) >= 8; {
		n := int(opts[1]) * 8
		if n == 0 || n > len(opts) {
			return addr, mac, false
		}
		if opts[0] == optTarget {
			copy(mac[:], opts[2:8])
			return addr, mac, true
		}
		opts = opts[n:]
	}
	return addr, mac, false
}

// appendProbe appends an ARP probe (RFC 5227, 2.1.1): a request without a sender
// address, which changes nobody's cache and which whoever has the address
// answers.
func appendProbe(b []byte, from MAC, addr netip.Addr) []byte {
	b = append(b, 0, 1, 8, 0, 6, 4, 0, 1)
	b = append(b, from[:]...)
	b = append(b, 0, 0, 0, 0)
	b = append(b, 0, 0, 0, 0, 0, 0)
	a := addr.As4()
	return append(b, a[:]...)
}
