package vrrpnet

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"hakeep/vrrp"
)

// ip4 is an IPv4 packet as a raw socket reads it, changed by change.
func ip4(options int, payload string, change func(b []byte)) []byte {
	p := Packet{Src: a4, Dst: group4, Payload: []byte(payload)}
	b := make([]byte, ipv4Len+options+len(payload))
	putIPv4(b, &p)
	b[0] = 4<<4 | byte((ipv4Len+options)/4)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[ipv4Len+options:], payload)
	if change != nil {
		change(b)
	}
	return b
}

func TestParseIPv4(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		b    []byte
		cut  bool
		want string // "-": refused
	}{
		{"plain", ip4(0, "hello", nil), false, "hello"},
		{"empty payload", ip4(0, "", nil), false, ""},
		{"options", ip4(8, "hello", nil), false, "hello"},
		{"all options", ip4(40, "hello", nil), false, "hello"},
		{"don't fragment", ip4(0, "hello", func(b []byte) { b[6] = 0x40 }), false, "hello"},
		{"padding", append(ip4(0, "hello", nil), 0, 0, 0), false, "hello"},
		{"cut", ip4(0, "hello", func(b []byte) { b[3] = 255 }), true, "hello"},
		{"nothing", nil, false, "-"},
		{"short", ip4(0, "", nil)[:19], false, "-"},
		{"version 6", ip4(0, "hello", func(b []byte) { b[0] = 6<<4 | 5 }), false, "-"},
		{"header too short", ip4(0, "hello", func(b []byte) { b[0] = 4<<4 | 4 }), false, "-"},
		{"header longer than packet", ip4(0, "hello", func(b []byte) { b[0] = 4<<4 | 15 }), false, "-"},
		{"total shorter than header", ip4(8, "hello", func(b []byte) { b[3] = 24 }), false, "-"},
		{"total longer than packet", ip4(0, "hello", func(b []byte) { b[3]++ }), false, "-"},
		{"first fragment", ip4(0, "hello", func(b []byte) { b[6] = 0x20 }), false, "-"},
		{"later fragment", ip4(0, "hello", func(b []byte) { b[7] = 1 }), false, "-"},
		{"other protocol", ip4(0, "hello", func(b []byte) { b[9] = 17 }), false, "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var d Datagram
			ok := d.parseIPv4(tt.b, tt.cut)
			if ok != (tt.want != "-") || ok && string(d.Payload) != tt.want {
				t.Errorf("%v, payload %q; want %q", ok, d.Payload, tt.want)
			}
			if ok && (d.Src != a4 || d.Dst != group4 || d.TTL != 255) {
				t.Errorf("decoded %+v", d)
			}
		})
	}
}

func FuzzParseIPv4(f *testing.F) {
	f.Add(ip4(0, "hello", nil), false)
	f.Add(ip4(40, "hello", nil), true)
	f.Add(ip4(8, "", func(b []byte) { b[6] = 0x20 }), false)
	f.Fuzz(func(t *testing.T, b []byte, cut bool) {
		var d Datagram
		if !d.parseIPv4(b, cut) {
			return
		}
		head := int(b[0]&0xf) * 4
		if !bytes.HasPrefix(b[head:], d.Payload) || !d.Src.Is4() || !d.Dst.Is4() || d.TTL != int(b[8]) {
			t.Errorf("decoded %+v of %x", d, b)
		}
		if total := int(binary.BigEndian.Uint16(b[2:])); !cut && len(d.Payload) != total-head {
			t.Errorf("payload of %d bytes, want %d", len(d.Payload), total-head)
		}
	})
}

func control6(hops uint32, drops uint32) []byte {
	b := make([]byte, 0, recvControlLen)
	b = appendCmsg(b, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 4, func(b []byte) { binary.NativeEndian.PutUint32(b, drops) })
	b = appendCmsg(b, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo, func(b []byte) {
		raw := group6.As16()
		copy(b, raw[:])
		binary.NativeEndian.PutUint32(b[16:], 7)
	})
	return appendCmsg(b, unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, 4, func(b []byte) { binary.NativeEndian.PutUint32(b, hops) })
}

// What we write is what the system's own parser reads, and the other way round.
func TestAncillary(t *testing.T) {
	t.Parallel()
	b := control6(254, 3)
	parsed, err := unix.ParseSocketControlMessage(b)
	if err != nil || len(parsed) != 3 {
		t.Fatalf("parsed %v, %v", parsed, err)
	}
	var anc ancillary
	anc.parse(b)
	want := ancillary{link: 7, dst: group6.As16(), haveDst: true, hopLimit: 254, drops: 3, haveDrop: true}
	if anc != want {
		t.Errorf("got %+v, want %+v", anc, want)
	}
	var oob []byte
	oob = append(oob, unix.PktInfo4(&unix.Inet4Pktinfo{Ifindex: 9})...)
	anc.parse(oob)
	if anc != (ancillary{link: 9, hopLimit: -1}) {
		t.Errorf("got %+v", anc)
	}
	for n := range len(b) { // cut off anywhere: no panic, and nothing invented
		anc.parse(b[:n])
		if anc.hopLimit != -1 && anc.hopLimit != 254 {
			t.Errorf("%d bytes: %+v", n, anc)
		}
	}
}

func FuzzAncillary(f *testing.F) {
	f.Add(control6(255, 0))
	f.Add(control6(255, 1)[:50])
	f.Add(unix.PktInfo4(&unix.Inet4Pktinfo{Ifindex: 9}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var anc ancillary
		anc.parse(b)
		name := make([]byte, unix.SizeofSockaddrInet6)
		binary.NativeEndian.PutUint16(name, unix.AF_INET6)
		var d Datagram
		if d.parseIPv6(b, name, &anc) != anc.haveDst {
			t.Errorf("decoded %+v with %+v", d, anc)
		}
		d.parseIPv6(b, b, &anc)
	})
}

// The IPv4 filter, run by the interpreter of x/net. (What an IPv6 filter reads
// lies before the packet; TestDelivery and TestUnbound run it in the kernel.)
func TestDestinationFilter(t *testing.T) {
	t.Parallel()
	var many []netip.Addr
	for i := range byte(maxFiltered) {
		many = append(many, netip.AddrFrom4([4]byte{10, 0, 0, i}))
	}
	for _, tt := range []struct {
		name  string
		addrs []netip.Addr
		dst   netip.Addr
		want  bool
	}{
		{"only one", []netip.Addr{group4}, group4, true},
		{"other", []netip.Addr{group4}, other4, false},
		{"last of many", many, many[maxFiltered-1], true},
		{"none of many", many, group4, false},
		{"more than fit", append(slices.Clone(many), group4), other4, true},
		{"none", nil, group4, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			vm, err := bpf.NewVM(destinationFilter(vrrp.IPv4, tt.addrs))
			if err != nil {
				t.Fatal(err)
			}
			raw := tt.dst.As4()
			n, err := vm.Run(ip4(0, "hello", func(b []byte) { copy(b[16:], raw[:]) }))
			if err != nil || (n > 0) != tt.want {
				t.Errorf("keeps %d, %v; want %v", n, err, tt.want)
			}
			if n, err := vm.Run(make([]byte, 10)); len(tt.addrs) <= maxFiltered && (n != 0 || err != nil) {
				t.Errorf("keeps %d of a runt, %v", n, err)
			}
		})
	}
	if n := len(destinationFilter(vrrp.IPv6, many)); n > 4096 {
		t.Errorf("%d instructions for IPv6, at most 4096 are allowed", n)
	}
}

func TestAddrSet(t *testing.T) {
	t.Parallel()
	var all []netip.Addr
	for i := range byte(2 * smallSet) {
		s := newAddrSet(all)
		for j := range byte(2 * smallSet) {
			if got := s.has(netip.AddrFrom4([4]byte{10, 0, 0, j})); got != (j < i) {
				t.Errorf("%d of %d: %v", j, i, got)
			}
		}
		all = append(all, netip.AddrFrom4([4]byte{10, 0, 0, i}))
	}
}

// A drop counter is 32 bits wide in the kernel and wraps around.
func TestCountDrops(t *testing.T) {
	t.Parallel()
	n, s := &Net{}, &socket{drops: 1<<32 - 2}
	for _, drops := range []uint32{1<<32 - 2, 1<<32 - 1, 3, 2, 3} {
		n.countDrops(s, drops)
	}
	if n.stats.KernelDrops != 5 {
		t.Errorf("counted %d, want 5", n.stats.KernelDrops)
	}
}
