package arp

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	mdarp "github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
	"golang.org/x/net/ipv6"
	"pgregory.net/rapid"
)

// The codecs are our own because the time-critical path must not allocate,
// which those of mdlayher do; here these are the independent witness.

// oracleGratuitous builds the same announcement with the mdlayher codecs.
func oracleGratuitous(t testing.TB, mac [6]byte, addr netip.Addr) []byte {
	t.Helper()
	p, err := mdarp.NewPacket(mdarp.OperationRequest, mac[:], addr, ethernet.Broadcast, addr)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := p.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	frame := ethernet.Frame{
		Destination: ethernet.Broadcast, Source: mac[:], EtherType: ethernet.EtherTypeARP, Payload: payload,
	}
	b, err := frame.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// oracleNA builds the ICMPv6 part, checksum included, with the mdlayher codec.
func oracleNA(t testing.TB, mac [6]byte, addr netip.Addr, router bool) []byte {
	t.Helper()
	b, err := ndp.MarshalMessageChecksum(&ndp.NeighborAdvertisement{
		Router: router, Override: true, TargetAddress: addr,
		Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: mac[:]}},
	}, addr, netip.MustParseAddr("ff02::1"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAppendGratuitousAgainstOracle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		mac, addr := drawMAC(rt), drawIPv4(rt)
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(rt, "prefix")
		got := AppendGratuitous(bytes.Clone(prefix), mac, addr)
		if !bytes.HasPrefix(got, prefix) {
			rt.Fatalf("prefix %x is gone: %x", prefix, got)
		}
		got = got[len(prefix):]
		want := oracleGratuitous(t, mac, addr) // padded to the minimum of Ethernet
		if !bytes.Equal(got, want[:len(got)]) || len(got) != 42 {
			rt.Fatalf("got\n%x, want\n%x", got, want)
		}
		gotAddr, gotMAC, ok := ParseGratuitous(got)
		if gotAddr != addr || gotMAC != mac || ok == addr.IsUnspecified() {
			rt.Fatalf("read back %v %x %v", gotAddr, gotMAC, ok)
		}
	})
}

func TestAppendUnsolicitedNAAgainstOracle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		mac, addr, router := drawMAC(rt), drawIPv6(rt), rapid.Bool().Draw(rt, "router")
		zone := rapid.SampledFrom([]string{"", "eth0"}).Draw(rt, "zone")
		got := AppendUnsolicitedNA([]byte{9}, mac, addr.WithZone(zone), router)[1:]

		var frame ethernet.Frame
		if err := frame.UnmarshalBinary(got); err != nil {
			rt.Fatal(err)
		}
		if frame.Destination.String() != "33:33:00:00:00:01" || !bytes.Equal(frame.Source, mac[:]) ||
			frame.EtherType != ethernet.EtherTypeIPv6 || frame.VLAN != nil {
			rt.Fatalf("Ethernet header %+v", frame)
		}
		header, err := ipv6.ParseHeader(frame.Payload)
		if err != nil {
			rt.Fatal(err)
		}
		ip := addr.As16()
		want := &ipv6.Header{
			Version: 6, PayloadLen: 32, NextHeader: 58, HopLimit: 255,
			Src: net.IP(ip[:]), Dst: net.ParseIP("ff02::1"),
		}
		if diff := cmp.Diff(want, header); diff != "" {
			rt.Fatalf("IPv6 header (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(oracleNA(t, mac, addr, router), frame.Payload[40:]); diff != "" {
			rt.Fatalf("advertisement (-want +got):\n%s", diff)
		}
		gotAddr, gotMAC, gotRouter, ok := ParseUnsolicitedNA(got)
		if gotAddr != addr || gotMAC != mac || gotRouter != router || !ok {
			rt.Fatalf("read back %v %x %v %v", gotAddr, gotMAC, gotRouter, ok)
		}
	})
}

// FuzzParseGratuitousOracle: what is accepted is an announcement for the
// independent decoder as well.
func FuzzParseGratuitousOracle(f *testing.F) {
	seedGratuitous(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		addr, mac, ok := ParseGratuitous(frame)
		if !ok {
			return
		}
		var ether ethernet.Frame
		var packet mdarp.Packet
		// The decoder wants the padding that a short frame gets on the wire.
		if err := ether.UnmarshalBinary(append(bytes.Clone(frame), make([]byte, 18)...)); err != nil {
			t.Fatal(err)
		}
		if err := packet.UnmarshalBinary(ether.Payload); err != nil {
			t.Fatal(err)
		}
		if packet.SenderIP != addr || packet.TargetIP != addr || !bytes.Equal(packet.SenderHardwareAddr, mac[:]) {
			t.Fatalf("got %v %x, the oracle has %+v", addr, mac, packet)
		}
	})
}

// FuzzParseUnsolicitedNAOracle does the same for IPv6.
func FuzzParseUnsolicitedNAOracle(f *testing.F) {
	seedUnsolicitedNA(f)
	f.Fuzz(func(t *testing.T, frame []byte, sum bool) {
		if sum && len(frame) >= etherLen+ipv6Len+naLen {
			frame = resum(frame)
		}
		addr, _, router, ok := ParseUnsolicitedNA(frame)
		if !ok {
			return
		}
		length := int(binary.BigEndian.Uint16(frame[18:]))
		// The oracle refuses contents of options that we do not look at.
		if message, err := ndp.ParseMessage(frame[54 : 54+length]); err == nil {
			na, isNA := message.(*ndp.NeighborAdvertisement)
			if !isNA || na.Solicited || na.Router != router || na.TargetAddress != addr {
				t.Fatalf("got %v %v, the oracle has %+v", addr, router, message)
			}
		}
	})
}
