package arp

import (
	"encoding/binary"
	"net/netip"
)

// Sizes and numbers of the frames.
const (
	etherLen  = 14 // IEEE 802.3: destination, source, type
	arpLen    = 28 // RFC 826 with 6-byte hardware and 4-byte protocol addresses
	ipv6Len   = 40 // RFC 8200, 3
	naLen     = 24 // RFC 4861, 4.4, without options
	optionLen = 8  // RFC 4861, 4.6.1, for 6-byte hardware addresses

	gratuitousLen = etherLen + arpLen
	naFrameLen    = etherLen + ipv6Len + naLen + optionLen

	etherTypeARP  = 0x0806 // RFC 826
	etherTypeIPv4 = 0x0800 // RFC 826: the protocol type in ARP
	etherTypeIPv6 = 0x86dd // RFC 2464, 3

	arpHardwareEthernet = 1 // RFC 826
	arpRequest          = 1 // RFC 826
	arpReply            = 2 // RFC 826

	protocolICMPv6 = 58  // RFC 4443, 1
	typeNA         = 136 // RFC 4861, 4.4
	hopLimitND     = 255 // RFC 4861, 7.1.2
	flagRouter     = 0x80
	flagSolicited  = 0x40
	flagOverride   = 0x20
	optionTLLA     = 2 // RFC 4861, 4.6.1: target link-layer address
)

// AppendGratuitous appends to b the Ethernet frame that announces the IPv4
// address addr at the hardware address mac, and returns the longer slice. The
// frame has 42 bytes: it is not padded and has no checksum; the driver does
// both. It does not allocate when b has room.
//
// The form is that of keepalived: an ARP request whose sender and target
// address are addr, from mac to the broadcast address, with the broadcast
// address as target hardware address too (RFC 826 leaves that field open in a
// request, RFC 5227, 3 asks only for sender and target address to be equal).
//
// When addr is not an IPv4 address, mapped ones included, b is returned as it
// is.
func AppendGratuitous(b []byte, mac [6]byte, addr netip.Addr) []byte {
	addr = addr.Unmap()
	if !addr.Is4() {
		return b
	}
	ip := addr.As4()
	b = append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	b = append(b, mac[:]...)
	b = binary.BigEndian.AppendUint16(b, etherTypeARP)

	b = binary.BigEndian.AppendUint16(b, arpHardwareEthernet)
	b = binary.BigEndian.AppendUint16(b, etherTypeIPv4)
	b = append(b, 6, 4)
	b = binary.BigEndian.AppendUint16(b, arpRequest)
	b = append(b, mac[:]...)
	b = append(b, ip[:]...)
	b = append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	return append(b, ip[:]...)
}

// AppendUnsolicitedNA appends to b the Ethernet frame that announces the IPv6
// address addr at the hardware address mac, and returns the longer slice. The
// frame has 86 bytes. It does not allocate when b has room.
//
// The frame carries a neighbour advertisement from addr to all nodes (ff02::1)
// with hop limit 255, Solicited clear, Override set, the Router flag as given,
// the target link-layer address option and a valid checksum (RFC 9568, 8.2.2;
// RFC 4861, 4.4 and 7.2.6). A zone of addr is ignored.
//
// When addr is not an IPv6 address, b is returned as it is; an IPv4-mapped
// address counts as IPv4.
func AppendUnsolicitedNA(b []byte, mac [6]byte, addr netip.Addr, router bool) []byte {
	if !addr.Is6() || addr.Is4In6() {
		return b
	}
	ip := addr.As16()
	start := len(b)
	b = append(b, 0x33, 0x33, 0, 0, 0, 1) // RFC 2464, 7
	b = append(b, mac[:]...)
	b = binary.BigEndian.AppendUint16(b, etherTypeIPv6)

	b = append(b, 6<<4, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, naLen+optionLen)
	b = append(b, protocolICMPv6, hopLimitND)
	b = append(b, ip[:]...)
	b = append(b, 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)

	flags := byte(flagOverride)
	if router {
		flags |= flagRouter
	}
	b = append(b, typeNA, 0, 0, 0, flags, 0, 0, 0)
	b = append(b, ip[:]...)
	b = append(b, optionTLLA, 1)
	b = append(b, mac[:]...)

	packet := b[start+etherLen:]
	binary.BigEndian.PutUint16(packet[ipv6Len+2:], ^sumICMPv6(packet))
	return b
}

// sumICMPv6 returns the ones' complement sum over the pseudo-header (RFC 8200,
// 8.1) and the payload of an IPv6 packet that begins with its header, is
// exactly as long as the header says and has ICMPv6 directly after the header.
// It is 0xffff when the payload carries a right checksum.
func sumICMPv6(packet []byte) uint16 {
	payload := packet[ipv6Len:]
	sum := uint32(len(payload)) + protocolICMPv6
	for b := packet[8:]; len(b) > 0; {
		if len(b) == 1 {
			sum += uint32(b[0]) << 8
			break
		}
		sum += uint32(b[0])<<8 | uint32(b[1])
		b = b[2:]
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
