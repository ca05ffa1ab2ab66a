package vrrpnet

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"hakeep/internal/nstest"
	"hakeep/vrrp"
)

// The interface is deleted and made again, with another index and with the same.
func TestLinkRecreated(t *testing.T) {
	a, b := newHost(t, "a"), newHost(t, "b")
	plug := func(index int) {
		t.Helper()
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.Index = "eth0", index
		if err := b.ns.Netlink().LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(a.ns.Fd())}); err != nil {
			t.Fatal(err)
		}
		for h, addr := range map[*host]string{a: "fe80::a/64", b: "fe80::b/64"} {
			if err := h.ns.AddAddr("eth0", netip.MustParsePrefix(addr)); err != nil {
				t.Fatal(err)
			}
			l, err := h.ns.Netlink().LinkByName("eth0")
			if err != nil {
				t.Fatal(err)
			}
			if err := h.ns.Netlink().LinkSetUp(l); err != nil {
				t.Fatal(err)
			}
		}
	}
	unplug := func() {
		t.Helper()
		l, err := b.ns.Netlink().LinkByName("eth0")
		if err != nil {
			t.Fatal(err)
		}
		if err := b.ns.Netlink().LinkDel(l); err != nil {
			t.Fatal(err)
		}
	}
	want := func(index int) []Endpoint {
		return []Endpoint{{Family: vrrp.IPv4, Link: index, Group: group4}, {Family: vrrp.IPv6, Link: index, Group: group6}}
	}
	hear := func(what string) {
		t.Helper()
		la := a.link("eth0")
		// Carrier comes after LinkSetUp.
		nstest.Eventually(t, 5*time.Second, func() error {
			a.Queue(&Packet{Link: la, Src: a4, Dst: group4, Payload: []byte(what)})
			a.Queue(&Packet{Link: la, Src: a6, Dst: group6, Payload: []byte(what)})
			if _, err := a.Flush(); err != nil {
				return err
			}
			got := 0
			for _, fd := range b.FDs() {
				n, _, err := b.Recv(fd, 10, func(d *Datagram) {
					if string(d.Payload) != what {
						t.Errorf("received %q, want %q", d.Payload, what)
					}
				})
				if err != nil {
					return err
				}
				if n > 0 {
					got++
				}
			}
			if got != 2 {
				return fmt.Errorf("%d of 2 sockets received", got)
			}
			return nil
		})
	}
	plug(100)
	b.sync(want(100)...)
	hear("first")
	unplug()
	b.sync(want(100)...) // wanted, but gone: no error
	if fds := b.FDs(); len(fds) != 0 {
		t.Errorf("descriptors of a link that is gone: %v", fds)
	}
	plug(101)
	b.sync(want(101)...)
	hear("other index")
	unplug()
	b.Forget(101)
	plug(101)
	b.sync(want(101)...)
	hear("same index")
}

// Parents that are not plain interfaces.
//
//	a (eth0) ---- switch ---- (eth0) b, and on each eth0: a VLAN; eth0 in a bridge; eth0 in a VRF
func TestParents(t *testing.T) {
	nstest.Require(t)
	nstest.RequireTool(t, "ip")
	setup := func(t *testing.T, h *host, last string, lines ...string) {
		for _, line := range lines {
			if out, err := h.ns.Run("ip", strings.Fields(strings.ReplaceAll(line, "LAST", last))...); err != nil {
				if strings.Contains(err.Error(), "Unknown device type") || strings.Contains(out, "Unknown device type") {
					// Not SkipOrFail: nothing that can be installed is missing.
					t.Skipf("this kernel has no such interface: ip %s: %v", line, err)
				}
				t.Fatalf("ip %s: %v", line, err)
			}
		}
	}
	for _, tt := range []struct {
		name, link string
		lines      []string
	}{
		{"vlan", "eth0.7", []string{
			"link add link eth0 name eth0.7 type vlan id 7", "link set eth0.7 up",
			"addr add 198.51.100.LAST/24 dev eth0.7", "addr add fe80::LAST/64 dev eth0.7 nodad"}},
		{"bridge", "br0", []string{
			"link add br0 type bridge", "link set eth0 master br0", "link set br0 up",
			"addr add 198.51.100.LAST/24 dev br0", "addr add fe80::LAST/64 dev br0 nodad"}},
		{"vrf", "eth0", []string{
			"link add red type vrf table 10", "link set red up", "link set eth0 master red",
			"addr add 198.51.100.LAST/24 dev eth0", "addr add fe80::LAST/64 dev eth0 nodad"}},
		{"macvlan", "mv0", []string{
			"link add link eth0 name mv0 type macvlan mode bridge", "link set mv0 up",
			"addr add 198.51.100.LAST/24 dev mv0", "addr add fe80::LAST/64 dev mv0 nodad"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lan := nstest.LAN(t)
			a, b := newHost(t, "a"), newHost(t, "b")
			for h, last := range map[*host]string{a: "1", b: "2"} {
				nstest.Attach(t, lan, h.ns, "eth0")
				// The parent must not answer ARP for the macvlan's address.
				if err := h.ns.Sysctl("net.ipv4.conf.eth0.arp_ignore", "1"); err != nil {
					t.Fatal(err)
				}
				setup(t, h, last, tt.lines...)
			}
			src4, dst4 := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
			src6, dst6 := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("fe80::2")
			la, lb := a.link(tt.link), b.link(tt.link)
			b.sync(everything(lb, dst4, dst6, gb)...)
			packets := []Packet{
				{Link: la, Src: src4, Dst: group4},
				{Link: la, Src: src4, Dst: dst4},
				{Link: la, Src: src6, Dst: group6},
				{Link: la, Src: src6, Dst: dst6},
				{Link: la, Src: src4, Dst: group4, SrcMAC: testMAC},
			}
			for i := range packets {
				p := packets[i]
				p.Payload = sequence(i)
				// A new bridge does not forward at once.
				nstest.Eventually(t, 5*time.Second, func() error {
					a.Queue(&p)
					if _, err := a.Flush(); err != nil {
						return err
					}
					got, _, err := b.RecvReady(100, func(d *Datagram) {
						if n, _ := sequenceOf(d.Payload); n == i && (d.Link != lb || d.Dst != p.Dst || d.Src != p.Src || d.TTL != 255) {
							t.Errorf("packet %d: %v", i, *d)
						}
					})
					if got == 0 && err == nil {
						err = fmt.Errorf("packet %d did not arrive", i)
					}
					return err
				})
			}
		})
	}
}
