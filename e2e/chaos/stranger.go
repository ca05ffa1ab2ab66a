package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/lab"
	"hakeep/vrrp"
)

// strangerAddr is the host that has no part in any virtual router.
var strangerAddr = netip.MustParseAddr("192.0.2.66")

var mcast4 = netip.MustParseAddr("224.0.0.18")

// send sends packets of VRRP's protocol number, spread over a second.
func (w *world) send(packets []lab.RawPacket) error {
	return w.stranger.SendIPv4(112, strangerAddr, packets, time.Second)
}

// forged is an advert that would win if it were taken.
func forged(v *virtual, dst netip.Addr, priority uint8, change func(a *vrrp.Advert)) []byte {
	a := vrrp.Advert{
		Version: vrrp.Version(v.version), VRID: uint8(v.vrid), Priority: priority, Interval: v.interval, Form: vrrp.ChecksumPseudo,
	}
	if v.password != "" {
		a.Auth, a.Password = vrrp.AuthPass, vrrp.PasswordFrom(v.password)
	}
	for _, p := range v.addrs {
		a.Addrs = append(a.Addrs, netip.MustParsePrefix(p).Addr())
	}
	if change != nil {
		change(&a)
	}
	return a.Append(nil, strangerAddr, dst)
}

// byName finds a virtual router.
func byName(name string) *virtual {
	for i := range virtuals {
		if virtuals[i].name == name {
			return &virtuals[i]
		}
	}
	panic("chaos: no virtual router " + name)
}

const forgeries = 50

func (w *world) garbage() error {
	var out []lab.RawPacket
	for range forgeries {
		b := make([]byte, w.rnd.IntN(200))
		for i := range b {
			b[i] = byte(w.rnd.Uint32())
		}
		// A version that nobody speaks: what looks right by chance would be right.
		if len(b) > 0 {
			b[0] = b[0]&0x0f | 0x70
		}
		out = append(out, lab.RawPacket{Dst: mcast4, TTL: 255, Payload: b})
	}
	return w.send(out)
}

func (w *world) wrongTTL() error {
	var out []lab.RawPacket
	for range forgeries {
		out = append(out, lab.RawPacket{Dst: mcast4, TTL: 1 + w.rnd.IntN(254), Payload: forged(byName("V4"), mcast4, 254, nil)})
	}
	return w.send(out)
}

func (w *world) wrongChecksum() error {
	var out []lab.RawPacket
	for range forgeries {
		b := forged(byName("V4"), mcast4, 254, nil)
		b[6] ^= byte(1 + w.rnd.IntN(255))
		out = append(out, lab.RawPacket{Dst: mcast4, TTL: 255, Payload: b})
	}
	return w.send(out)
}

func (w *world) wrongPassword() error {
	v := byName("V2")
	var out []lab.RawPacket
	for i := range forgeries {
		out = append(out, lab.RawPacket{Dst: mcast4, TTL: 255, Payload: forged(v, mcast4, byte(254+i%2), func(a *vrrp.Advert) {
			if i%3 == 0 {
				a.Auth = vrrp.AuthNone
			}
			a.Password = vrrp.PasswordFrom(fmt.Sprint("wrong", i))
		})})
	}
	return w.send(out)
}

// unlistedPeer speaks to the routers that run hakeep: keepalived takes it.
func (w *world) unlistedPeer() error {
	var out []lab.RawPacket
	for i := range forgeries {
		dst := netip.MustParseAddr(w.routers[i%3].addr())
		out = append(out, lab.RawPacket{Dst: dst, TTL: 255, Payload: forged(byName("UNI"), dst, byte(254+i%2), nil)})
	}
	return w.send(out)
}

// neighbourFlood asks for the virtual addresses, from everywhere.
func (w *world) neighbourFlood() error {
	return w.stranger.Do(func() error {
		ifi, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		const etherARP = 0x0806
		proto := uint16(etherARP<<8&0xff00 | etherARP>>8)
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(proto))
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		to := &unix.SockaddrLinklayer{Protocol: proto, Ifindex: ifi.Index}
		begin := time.Now()
		for n := 0; time.Since(begin) < time.Second; n++ {
			target := netip.MustParsePrefix(virtuals[0].addrs[n%3]).Addr().As4()
			sender := [4]byte{192, 0, 2, byte(101 + n%100)}
			b := append([]byte{}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
			mac := []byte{2, 0, 0, 0, byte(n >> 8), byte(n)}
			b = append(b, mac...)
			b = binary.BigEndian.AppendUint16(b, etherARP)
			b = append(b, 0, 1, 8, 0, 6, 4, 0, 1)
			b = append(append(b, mac...), sender[:]...)
			b = append(append(b, 0, 0, 0, 0, 0, 0), target[:]...)
			if err := unix.Sendto(fd, b, 0, to); err != nil {
				return err
			}
			if n%10 == 9 {
				time.Sleep(2 * time.Millisecond)
			}
		}
		return nil
	})
}
