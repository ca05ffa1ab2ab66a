package arp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
)

// edit returns a copy of the frame with other bytes at an offset.
func edit(frame []byte, at int, b ...byte) []byte {
	frame = bytes.Clone(frame)
	copy(frame[at:], b)
	return frame
}

// resum returns the NA frame, cut or changed, with its lengths and checksum put
// right.
func resum(frame []byte) []byte {
	frame = bytes.Clone(frame)
	packet := frame[etherLen:]
	binary.BigEndian.PutUint16(packet[4:], uint16(len(packet)-ipv6Len))
	binary.BigEndian.PutUint16(packet[ipv6Len+2:], 0)
	binary.BigEndian.PutUint16(packet[ipv6Len+2:], ^sumICMPv6(packet))
	return frame
}

func TestParseGratuitous(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr("192.0.2.10")
	good := AppendGratuitous(nil, macA, addr)
	for _, tc := range []struct {
		name  string
		frame []byte
		ok    bool
	}{
		{"own form", good, true},
		{"padded", append(bytes.Clone(good), make([]byte, 18)...), true},
		{"reply form", edit(good, 20, 0, 2), true},
		{"target hardware address zero", edit(good, 32, 0, 0, 0, 0, 0, 0), true},
		{"unicast destination", edit(good, 0, 2, 0, 0, 0, 0, 1), true},
		{"empty", nil, false},
		{"one byte short", good[:41], false},
		{"other ether type", edit(good, 12, 0x08, 0x00), false},
		{"other hardware type", edit(good, 14, 0, 6), false},
		{"other protocol type", edit(good, 16, 0x86, 0xdd), false},
		{"other hardware length", edit(good, 18, 8), false},
		{"other protocol length", edit(good, 19, 16), false},
		{"RARP", edit(good, 20, 0, 3), false},
		{"ordinary request", edit(good, 38, 192, 0, 2, 11), false},
		{"probe", edit(good, 28, 0, 0, 0, 0), false},
		{"all zero address", edit(edit(good, 28, 0, 0, 0, 0), 38, 0, 0, 0, 0), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			gotAddr, gotMAC, ok := ParseGratuitous(tc.frame)
			wantAddr, wantMAC := addr, macA
			if !tc.ok {
				wantAddr, wantMAC = netip.Addr{}, [6]byte{}
			}
			if gotAddr != wantAddr || gotMAC != wantMAC || ok != tc.ok {
				t.Errorf("got %v %x %v, want %v %x %v", gotAddr, gotMAC, ok, wantAddr, wantMAC, tc.ok)
			}
		})
	}
}

func TestParseUnsolicitedNA(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr("2001:db8::10")
	good := AppendUnsolicitedNA(nil, macA, addr, true)
	option := good[78:]
	nonce := []byte{14, 1, 1, 2, 3, 4, 5, 6}
	with := func(options ...[]byte) []byte {
		return resum(append(bytes.Clone(good[:78]), bytes.Join(options, nil)...))
	}
	for _, tc := range []struct {
		name  string
		frame []byte
		ok    bool
	}{
		{"own form", good, true},
		{"bytes after the packet", append(bytes.Clone(good), 1, 2, 3), true},
		{"traffic class and flow label", edit(good, 14, 0x6c, 0x01, 2, 3), true},
		{"override clear", resum(edit(good, 58, flagRouter)), true},
		{"another option before", with(nonce, option), true},
		{"another option after", with(option, nonce), true},
		{"empty", nil, false},
		{"one byte short", good[:85], false},
		{"header only", good[:54], false},
		{"other ether type", edit(good, 12, 0x08, 0x00), false},
		{"IP version", edit(good, 14, 0x40), false},
		{"payload length too short", edit(good, 18, 0, 23), false},
		{"payload length too long", edit(good, 18, 0, 33), false},
		{"extension header", edit(good, 20, 0), false},
		{"hop limit", edit(good, 21, 254), false},
		{"neighbour solicitation", resum(edit(good, 54, 135)), false},
		{"code", resum(edit(good, 55, 1)), false},
		{"checksum", edit(good, 56, good[56]^1), false},
		{"solicited", resum(edit(good, 58, flagSolicited|flagOverride)), false},
		{"multicast target", resum(edit(good, 62, 0xff, 2)), false},
		{"unspecified target", resum(edit(good, 62, make([]byte, 16)...)), false},
		{"no option", with(), false},
		{"only another option", with(nonce), false},
		{"source link-layer option", resum(edit(good, 78, 1)), false},
		{"option of length zero", resum(edit(good, 79, 0)), false},
		{"option longer than the packet", resum(edit(good, 79, 2)), false},
		{"malformed option after", with(option, []byte{14, 0, 0, 0, 0, 0, 0, 0}), false},
		{"half an option after", with(option, []byte{14}), false},
		{"longer target option", with([]byte{2, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			gotAddr, gotMAC, router, ok := ParseUnsolicitedNA(tc.frame)
			wantAddr, wantMAC := addr, macA
			if !tc.ok {
				wantAddr, wantMAC = netip.Addr{}, [6]byte{}
			}
			if gotAddr != wantAddr || gotMAC != wantMAC || router != tc.ok || ok != tc.ok {
				t.Errorf("got %v %x router %v %v, want %v %x %v", gotAddr, gotMAC, router, ok, wantAddr, wantMAC, tc.ok)
			}
		})
	}
}

// FuzzParseGratuitous: what is accepted is the same after writing it again.
func FuzzParseGratuitous(f *testing.F) {
	seedGratuitous(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		addr, mac, ok := ParseGratuitous(frame)
		if !ok {
			if addr.IsValid() || mac != [6]byte{} {
				t.Fatalf("refused, but %v %x", addr, mac)
			}
			return
		}
		addr2, mac2, ok2 := ParseGratuitous(AppendGratuitous(nil, mac, addr))
		if addr2 != addr || mac2 != mac || !ok2 {
			t.Fatalf("%v %x written and read again: %v %x %v", addr, mac, addr2, mac2, ok2)
		}
	})
}

// FuzzParseUnsolicitedNA does the same for IPv6. The checksum is put right
// before, or the fuzzer would hardly ever get past it.
func FuzzParseUnsolicitedNA(f *testing.F) {
	seedUnsolicitedNA(f)
	f.Fuzz(func(t *testing.T, frame []byte, sum bool) {
		if sum && len(frame) >= etherLen+ipv6Len+naLen {
			frame = resum(frame)
		}
		addr, mac, router, ok := ParseUnsolicitedNA(frame)
		if !ok {
			if addr.IsValid() || mac != [6]byte{} || router {
				t.Fatalf("refused, but %v %x %v", addr, mac, router)
			}
			return
		}
		if addr.Is4In6() {
			return // not announced this way
		}
		addr2, mac2, router2, ok2 := ParseUnsolicitedNA(AppendUnsolicitedNA(nil, mac, addr, router))
		if addr2 != addr || mac2 != mac || router2 != router || !ok2 {
			t.Fatalf("%v %x %v written and read again: %v %x %v %v", addr, mac, router, addr2, mac2, router2, ok2)
		}
	})
}

func seedGratuitous(f *testing.F) {
	good := AppendGratuitous(nil, macA, netip.MustParseAddr("192.0.2.10"))
	f.Add(good)
	f.Add(edit(good, 20, 0, 2))
	f.Add(good[:41])
	f.Add([]byte{})
}

func seedUnsolicitedNA(f *testing.F) {
	good := AppendUnsolicitedNA(nil, macA, netip.MustParseAddr("2001:db8::10"), true)
	f.Add(good, true)
	f.Add(append(bytes.Clone(good), 14, 1, 0, 0, 0, 0, 0, 0), true)
	f.Add(good[:78], true)
	f.Add(good, false)
}
