package vrrpnet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The headers that we write.
const (
	protocol  = 112  // VRRP (RFC 9568, 5.1.1.4)
	tos       = 0xc0 // network control, precedence 6 (keepalived sends the same)
	maxTTL    = 255
	ethLen    = 14
	ipv4Len   = 20
	ipv6Len   = 40
	flagDF    = 0x4000
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd

	maxNameLen    = unix.SizeofSockaddrInet6 // the longest of the three that are used
	maxControlLen = 64                       // IPV6_PKTINFO and IPV6_HOPLIMIT
)

// sender is the socket that a packet leaves by.
type sender uint8

const (
	senderIPv4 sender = iota
	senderIPv6
	senderFrame
	numSenders
)

func (p *Packet) sender() sender {
	switch {
	case p.SrcMAC != [6]byte{}:
		return senderFrame
	case p.Dst.Is4():
		return senderIPv4
	}
	return senderIPv6
}

// wireLen is the number of bytes that the socket is given.
func (p *Packet) wireLen() int {
	switch s := p.sender(); {
	case s == senderIPv4:
		return ipv4Len + len(p.Payload)
	case s == senderIPv6:
		return len(p.Payload)
	case p.Dst.Is4():
		return ethLen + ipv4Len + len(p.Payload)
	}
	return ethLen + ipv6Len + len(p.Payload)
}

// Prepared is a packet ready to be queued any number of times. It must not be
// copied. It stays valid as long as the interface keeps its index and the
// source address stays ours.
type Prepared struct {
	msg     mmsghdr
	iov     unix.Iovec
	name    [maxNameLen]byte
	control [maxControlLen]byte
	via     sender
	link    int
	dst     netip.Addr
	tag     uint32
	wire    []byte // header and message as they are given to the socket
	packet  Packet // for MemNet
}

// Prepare builds the packet once for many sendings. It copies the payload. It
// returns an error for a packet that cannot be sent whatever the state of the
// host; Queue counts such a packet as SendInvalid.
func Prepare(p *Packet) (*Prepared, error) {
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("prepare packet to %v: %w", p.Dst, err)
	}
	s := new(Prepared)
	s.fill(p, make([]byte, p.wireLen()))
	s.packet = *p
	s.packet.Payload = s.wire[len(s.wire)-len(p.Payload):]
	return s, nil
}

// fill makes s the packet p, which was checked. wire has wireLen bytes and must
// not change before s was sent.
func (s *Prepared) fill(p *Packet, wire []byte) {
	s.via, s.link, s.dst, s.tag, s.wire = p.sender(), p.Link, p.Dst, p.Tag, wire
	head := wire[:len(wire)-len(p.Payload)]
	copy(wire[len(head):], p.Payload)
	var nameLen, controlLen int
	switch s.via {
	case senderIPv4:
		putIPv4(head, p)
		nameLen, controlLen = s.addressIPv4(p)
	case senderIPv6:
		nameLen, controlLen = s.addressIPv6(p)
	case senderFrame:
		putFrame(head, p)
		nameLen = s.addressFrame(p)
	}
	s.iov.Base = unsafe.SliceData(wire)
	s.iov.SetLen(len(wire))
	h := &s.msg.hdr
	h.Name = &s.name[0]
	h.Namelen = uint32(nameLen)
	h.Iov = &s.iov
	h.SetIovlen(1)
	h.Control = nil
	if controlLen > 0 {
		h.Control = &s.control[0]
	}
	h.SetControllen(controlLen)
}

// addressIPv4 names the destination, and by IP_PKTINFO the interface and, for
// policy routing, the source.
func (s *Prepared) addressIPv4(p *Packet) (nameLen, controlLen int) {
	dst, src := p.Dst.As4(), p.Src.As4()
	clear(s.name[:])
	binary.NativeEndian.PutUint16(s.name[0:], unix.AF_INET)
	copy(s.name[4:], dst[:])
	c := appendCmsg(s.control[:0], unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo, func(b []byte) {
		binary.NativeEndian.PutUint32(b, uint32(p.Link))
		copy(b[4:], src[:])
	})
	return unix.SizeofSockaddrInet4, len(c)
}

// addressIPv6 names the destination, and by IPV6_PKTINFO the source and the
// interface.
func (s *Prepared) addressIPv6(p *Packet) (nameLen, controlLen int) {
	dst, src := p.Dst.As16(), p.Src.As16()
	clear(s.name[:])
	binary.NativeEndian.PutUint16(s.name[0:], unix.AF_INET6)
	copy(s.name[8:], dst[:])
	if p.Dst.IsLinkLocalUnicast() || p.Dst.IsMulticast() {
		binary.NativeEndian.PutUint32(s.name[24:], uint32(p.Link))
	}
	c := appendCmsg(s.control[:0], unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo, func(b []byte) {
		copy(b, src[:])
		binary.NativeEndian.PutUint32(b[16:], uint32(p.Link))
	})
	if p.TTL >= 0 {
		c = appendCmsg(c, unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, 4, func(b []byte) {
			binary.NativeEndian.PutUint32(b, uint32(p.ttl()))
		})
	}
	return unix.SizeofSockaddrInet6, len(c)
}

// addressFrame names the interface and the destination MAC (packet(7)).
func (s *Prepared) addressFrame(p *Packet) (nameLen int) {
	clear(s.name[:])
	binary.NativeEndian.PutUint16(s.name[0:], unix.AF_PACKET)
	binary.BigEndian.PutUint16(s.name[2:], p.etherType())
	binary.NativeEndian.PutUint32(s.name[4:], uint32(p.Link))
	mac := groupMAC(p.Dst)
	s.name[11] = byte(len(mac))
	copy(s.name[12:], mac[:])
	return unix.SizeofSockaddrLinklayer
}

func (p *Packet) ttl() int {
	if p.TTL == 0 {
		return maxTTL
	}
	return p.TTL
}

func (p *Packet) etherType() uint16 {
	if p.Dst.Is4() {
		return etherIPv4
	}
	return etherIPv6
}

// groupMAC is the MAC of a multicast group (RFC 1112, 6.4; RFC 2464, 7).
func groupMAC(a netip.Addr) [6]byte {
	if a.Is4() {
		raw := a.As4()
		return [6]byte{0x01, 0x00, 0x5e, raw[1] & 0x7f, raw[2], raw[3]}
	}
	raw := a.As16()
	return [6]byte{0x33, 0x33, raw[12], raw[13], raw[14], raw[15]}
}

// putIPv4 writes an IPv4 header for all of p. The kernel fills in the checksum
// and, as it is zero, the identification of a header that it is given on a raw
// socket (raw(7)). Don't Fragment is not set, as keepalived: a unicast path may
// have a small MTU.
func putIPv4(b []byte, p *Packet) {
	src, dst := p.Src.As4(), p.Dst.As4()
	clear(b[:ipv4Len])
	b[0] = 4<<4 | ipv4Len/4
	b[1] = tos
	binary.BigEndian.PutUint16(b[2:], uint16(ipv4Len+len(p.Payload)))
	b[8] = byte(p.ttl())
	b[9] = protocol
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
}

// putFrame writes the Ethernet and IP headers of a frame. There nobody fills in
// anything. Identification 0 is right for what is not fragmented (RFC 6864, 4.1).
func putFrame(b []byte, p *Packet) {
	dst := groupMAC(p.Dst)
	copy(b, dst[:])
	copy(b[6:], p.SrcMAC[:])
	binary.BigEndian.PutUint16(b[12:], p.etherType())
	b = b[ethLen:]
	if p.Dst.Is4() {
		putIPv4(b, p)
		binary.BigEndian.PutUint16(b[6:], flagDF)
		binary.BigEndian.PutUint16(b[10:], headerChecksum(b[:ipv4Len]))
		return
	}
	from, to := p.Src.As16(), p.Dst.As16()
	binary.BigEndian.PutUint32(b, 6<<28|tos<<20)
	binary.BigEndian.PutUint16(b[4:], uint16(len(p.Payload)))
	b[6] = protocol
	b[7] = byte(p.ttl())
	copy(b[8:], from[:])
	copy(b[24:], to[:])
}

// headerChecksum is the checksum of an IPv4 header (RFC 1071).
func headerChecksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
