package lab

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/bpf"
)

// Filter selects frames by protocol; filters are combined with |.
type Filter uint

// The protocols that a Filter can select.
const (
	// FilterVRRP: IP protocol or IPv6 next header 112.
	FilterVRRP Filter = 1 << iota
	// FilterARP: EtherType 0x0806.
	FilterARP
	// FilterND: ICMPv6 types 133 to 137 (RFC 4861).
	FilterND
)

const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd

	protoVRRP   = 112 // RFC 9568, 5.1.1.4
	protoICMPv6 = 58

	etherLen = 14
	ipv6Len  = 40
)

// program accepts frames without extension headers and VLAN tags, which
// VRRP, ARP and ND do not carry here.
func (f Filter) program() []bpf.Instruction {
	accept := bpf.RetConstant{Val: 1 << 18}
	drop := bpf.RetConstant{Val: 0}
	if f == 0 {
		return []bpf.Instruction{accept}
	}
	verdict := func(want Filter) bpf.Instruction {
		if f&want != 0 {
			return accept
		}
		return drop
	}
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherARP, SkipTrue: 1},
		verdict(FilterARP),
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherIPv4, SkipTrue: 4},
		bpf.LoadAbsolute{Off: etherLen + 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protoVRRP, SkipTrue: 1},
		verdict(FilterVRRP),
		drop,
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherIPv6, SkipTrue: 7},
		bpf.LoadAbsolute{Off: etherLen + 6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protoVRRP, SkipTrue: 1},
		verdict(FilterVRRP),
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protoICMPv6, SkipTrue: 3},
		bpf.LoadAbsolute{Off: etherLen + ipv6Len, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 133, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpLessOrEqual, Val: 137, SkipTrue: 1},
		drop,
		verdict(FilterND),
	}
}

// Frame is one Ethernet frame, from the destination address on.
type Frame struct {
	// Time is when the kernel saw the frame, by the wall clock.
	Time time.Time
	// Outgoing says that the interface sent it.
	Outgoing bool
	Data     []byte
}

// Source is the Ethernet source address.
func (f Frame) Source() net.HardwareAddr { return f.slice(6, 12) }

// Destination is the Ethernet destination address.
func (f Frame) Destination() net.HardwareAddr { return f.slice(0, 6) }

func (f Frame) slice(from, to int) []byte {
	if len(f.Data) < to {
		return nil
	}
	return f.Data[from:to]
}

// EtherType is the protocol of the payload, 0 for a short frame.
func (f Frame) EtherType() uint16 {
	b := f.slice(12, 14)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint16(b)
}

// IPPacket is what tests look at in an IP header.
type IPPacket struct {
	Src, Dst netip.Addr
	// Proto is the protocol or, for IPv6, the first next header.
	Proto uint8
	// TTL is the time to live or hop limit.
	TTL     uint8
	Payload []byte
}

// IP decodes an IPv4 or IPv6 header; ok is false for anything else.
func (f Frame) IP() (p IPPacket, ok bool) {
	if len(f.Data) < etherLen {
		return p, false
	}
	b := f.Data[etherLen:]
	switch f.EtherType() {
	case etherIPv4:
		if len(b) < 20 || b[0]>>4 != 4 {
			return p, false
		}
		ihl, total := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:]))
		if ihl < 20 || total < ihl || len(b) < total {
			return p, false
		}
		return IPPacket{
			Src: netip.AddrFrom4([4]byte(b[12:16])), Dst: netip.AddrFrom4([4]byte(b[16:20])),
			Proto: b[9], TTL: b[8], Payload: b[ihl:total],
		}, true
	case etherIPv6:
		if len(b) < ipv6Len || b[0]>>4 != 6 {
			return p, false
		}
		total := ipv6Len + int(binary.BigEndian.Uint16(b[4:]))
		if len(b) < total {
			return p, false
		}
		return IPPacket{
			Src: netip.AddrFrom16([16]byte(b[8:24])), Dst: netip.AddrFrom16([16]byte(b[24:40])),
			Proto: b[6], TTL: b[7], Payload: b[ipv6Len:total],
		}, true
	}
	return p, false
}

// VRRP is the IP packet of a VRRP advert.
func (f Frame) VRRP() (p IPPacket, ok bool) {
	p, ok = f.IP()
	return p, ok && p.Proto == protoVRRP
}

// ND is the IP packet of a neighbour discovery message; its payload begins
// with the ICMPv6 type.
func (f Frame) ND() (p IPPacket, ok bool) {
	p, ok = f.IP()
	return p, ok && p.Proto == protoICMPv6 && len(p.Payload) > 0 && p.Payload[0] >= 133 && p.Payload[0] <= 137
}

// ARPPacket is an ARP message for IPv4 over Ethernet.
type ARPPacket struct {
	// Op is 1 for a request, 2 for a reply.
	Op                 uint16
	SenderMAC          net.HardwareAddr
	Sender             netip.Addr
	TargetMAC          net.HardwareAddr
	Target             netip.Addr
	EtherSrc, EtherDst net.HardwareAddr
}

// Gratuitous reports whether the message announces its sender's address.
func (a ARPPacket) Gratuitous() bool { return a.Sender == a.Target }

// ARP decodes an ARP message; ok is false for anything else.
func (f Frame) ARP() (a ARPPacket, ok bool) {
	if f.EtherType() != etherARP || len(f.Data) < etherLen+28 {
		return a, false
	}
	b := f.Data[etherLen:]
	return ARPPacket{
		Op:        binary.BigEndian.Uint16(b[6:]),
		SenderMAC: net.HardwareAddr(b[8:14]), Sender: netip.AddrFrom4([4]byte(b[14:18])),
		TargetMAC: net.HardwareAddr(b[18:24]), Target: netip.AddrFrom4([4]byte(b[24:28])),
		EtherSrc: f.Source(), EtherDst: f.Destination(),
	}, true
}

// WritePcap writes frames as a pcap file with nanosecond times, which
// tcpdump and Wireshark read.
func WritePcap(w io.Writer, frames []Frame) error {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 0xa1b23c4d) // nanosecond resolution
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = le.AppendUint32(b, 1<<18)
	b = le.AppendUint32(b, 1) // LINKTYPE_ETHERNET
	for _, f := range frames {
		b = le.AppendUint32(b, uint32(f.Time.Unix()))
		b = le.AppendUint32(b, uint32(f.Time.Nanosecond()))
		b = le.AppendUint32(b, uint32(len(f.Data)))
		b = le.AppendUint32(b, uint32(len(f.Data)))
		b = append(b, f.Data...)
		if _, err := w.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	_, err := w.Write(b)
	return err
}
