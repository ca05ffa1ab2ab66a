package arp

import (
	"encoding/binary"
	"net/netip"
)

// ParseGratuitous reads an announcement of an IPv4 address from an untagged
// Ethernet frame: which address is announced and at which hardware address. It
// accepts requests and replies, since both forms are in use (RFC 5227, 3), as
// long as sender and target address are equal and not 0.0.0.0. What follows
// the ARP packet, such as padding, is ignored. For everything else ok is false
// and the other results are zero. It does not allocate and never panics.
func ParseGratuitous(frame []byte) (addr netip.Addr, mac [6]byte, ok bool) {
	if len(frame) < gratuitousLen || binary.BigEndian.Uint16(frame[12:]) != etherTypeARP {
		return netip.Addr{}, mac, false
	}
	p := frame[etherLen:gratuitousLen]
	operation := binary.BigEndian.Uint16(p[6:])
	if binary.BigEndian.Uint16(p) != arpHardwareEthernet ||
		binary.BigEndian.Uint16(p[2:]) != etherTypeIPv4 ||
		p[4] != 6 || p[5] != 4 ||
		operation != arpRequest && operation != arpReply {
		return netip.Addr{}, mac, false
	}
	sender, target := [4]byte(p[14:18]), [4]byte(p[24:28])
	if sender != target || sender == [4]byte{} {
		return netip.Addr{}, mac, false
	}
	return netip.AddrFrom4(sender), [6]byte(p[8:14]), true
}

// ParseUnsolicitedNA reads an announcement of an IPv6 address from an untagged
// Ethernet frame: which address is announced, at which hardware address, and
// whether the sender calls itself a router. It accepts what RFC 4861, 7.1.2
// lets a node accept (hop limit 255, right checksum, well-formed options,
// target not multicast), provided that the Solicited flag is clear and the
// target link-layer address option is there. The Override flag may be either
// way. Frames with IPv6 extension headers are not understood. What follows the
// IPv6 packet is ignored. For everything else ok is false and the other
// results are zero. It does not allocate and never panics.
func ParseUnsolicitedNA(frame []byte) (addr netip.Addr, mac [6]byte, router, ok bool) {
	if len(frame) < etherLen+ipv6Len+naLen || binary.BigEndian.Uint16(frame[12:]) != etherTypeIPv6 {
		return netip.Addr{}, mac, false, false
	}
	packet := frame[etherLen:]
	length := int(binary.BigEndian.Uint16(packet[4:]))
	if packet[0]>>4 != 6 || packet[6] != protocolICMPv6 || packet[7] != hopLimitND ||
		length < naLen || len(packet) < ipv6Len+length {
		return netip.Addr{}, mac, false, false
	}
	packet = packet[:ipv6Len+length]
	na := packet[ipv6Len:]
	if na[0] != typeNA || na[1] != 0 || na[4]&flagSolicited != 0 || sumICMPv6(packet) != 0xffff {
		return netip.Addr{}, mac, false, false
	}
	target := netip.AddrFrom16([16]byte(na[8:24]))
	mac, found := targetLinkLayer(na[naLen:])
	if !found || target.IsMulticast() || target.IsUnspecified() {
		return netip.Addr{}, [6]byte{}, false, false
	}
	return target, mac, na[4]&flagRouter != 0, true
}

// targetLinkLayer returns the first Ethernet target link-layer address of the
// options. It is not found either when any option is malformed: such a message
// is to be discarded as a whole (RFC 4861, 7.1.2).
func targetLinkLayer(options []byte) (mac [6]byte, found bool) {
	for len(options) > 0 {
		if len(options) < 2 || options[1] == 0 || len(options) < int(options[1])*8 {
			return [6]byte{}, false
		}
		if options[0] == optionTLLA && options[1] == 1 && !found {
			mac, found = [6]byte(options[2:8]), true
		}
		options = options[int(options[1])*8:]
	}
	return mac, found
}
