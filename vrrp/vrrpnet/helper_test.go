package vrrpnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	"hakeep/vrrp"
)

// What a consumer needs; both implementations have it.
type consumer interface {
	Sync([]Endpoint) error
	Forget(link int)
	FDs() []int
	PollFD() int
	Recv(fd, budget int, f func(*Datagram)) (int, bool, error)
	RecvReady(budget int, f func(*Datagram)) (int, bool, error)
	Queue(*Packet) bool
	QueuePrepared(*Prepared) bool
	OnSendError(func(tag uint32, link int, kind SendError, err unix.Errno))
	Flush() (int, error)
	Stats() Stats
	Close() error
}

var (
	_ consumer = (*Net)(nil)
	_ consumer = (*MemNet)(nil)
)

var (
	group4  = netip.MustParseAddr("224.0.0.18")
	group6  = netip.MustParseAddr("ff02::12")
	other4  = netip.MustParseAddr("224.0.0.99")
	other6  = netip.MustParseAddr("ff02::99")
	a4, b4  = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	a6, b6  = netip.MustParseAddr("fe80::a"), netip.MustParseAddr("fe80::b")
	ga, gb  = netip.MustParseAddr("2001:db8::a"), netip.MustParseAddr("2001:db8::b")
	testMAC = [6]byte{0, 0, 0x5e, 0, 1, 51}
)

// host is a namespace with a Net in it.
type host struct {
	*Net
	ns *lab.Namespace
	tb testing.TB
}

func newHost(tb testing.TB, name string) *host {
	tb.Helper()
	h := &host{ns: nstest.Host(tb, name), tb: tb}
	h.in(func() (err error) {
		h.Net, err = Open()
		return err
	})
	tb.Cleanup(func() {
		if err := h.Close(); err != nil {
			tb.Error(err)
		}
	})
	return h
}

// in runs fn on a thread in the host's namespace.
func (h *host) in(fn func() error) {
	h.tb.Helper()
	if err := h.ns.Do(fn); err != nil {
		h.tb.Fatal(err)
	}
}

func (h *host) sync(want ...Endpoint) {
	h.tb.Helper()
	h.in(func() error { return h.Sync(want) })
}

func (h *host) link(name string) int {
	h.tb.Helper()
	l, err := h.ns.Netlink().LinkByName(name)
	if err != nil {
		h.tb.Fatal(err)
	}
	return l.Attrs().Index
}

// send queues and flushes one packet.
func (h *host) send(p Packet) {
	h.tb.Helper()
	if !h.Queue(&p) {
		h.tb.Fatal("queue is full")
	}
	if _, err := h.Flush(); err != nil {
		h.tb.Fatalf("send to %v: %v", p.Dst, err)
	}
}

// got is a received datagram that is kept.
func kept(d *Datagram) Datagram {
	c := *d
	c.Payload = slices.Clone(d.Payload)
	return c
}

// recv waits until want datagrams have come and returns them.
func (h *host) recv(want int) []Datagram {
	h.tb.Helper()
	var got []Datagram
	deadline := time.Now().Add(5 * time.Second)
	for len(got) < want {
		if time.Now().After(deadline) {
			h.tb.Fatalf("%d datagrams after 5 s, want %d; %+v", len(got), want, h.Stats())
		}
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(h.PollFD()), Events: unix.POLLIN}}, 100); err != nil && !errors.Is(err, unix.EINTR) {
			h.tb.Fatal(err)
		}
		if _, _, err := h.RecvReady(1<<20, func(d *Datagram) { got = append(got, kept(d)) }); err != nil {
			h.tb.Fatal(err)
		}
	}
	return got
}

// expect receives and compares in order.
func (h *host) expect(want ...string) {
	h.tb.Helper()
	var got []string
	for _, d := range h.recv(len(want)) {
		got = append(got, string(d.Payload))
	}
	if !slices.Equal(got, want) {
		h.tb.Fatalf("received %q, want %q", got, want)
	}
}

// pair is two hosts, a and b, on one switch, each with eth0 and addresses.
func pair(tb testing.TB) (a, b *host) {
	tb.Helper()
	lan := nstest.LAN(tb)
	a, b = newHost(tb, "a"), newHost(tb, "b")
	nstest.Attach(tb, lan, a.ns, "eth0", "192.0.2.1/24", "fe80::a/64", "2001:db8::a/64")
	nstest.Attach(tb, lan, b.ns, "eth0", "192.0.2.2/24", "fe80::b/64", "2001:db8::b/64")
	return a, b
}

// everything is the endpoints of a host that listens to all it can on eth0.
func everything(link int, local4, local6, global netip.Addr) []Endpoint {
	return []Endpoint{
		{Family: vrrp.IPv4, Link: link, Group: group4},
		{Family: vrrp.IPv4, Link: link, Local: local4},
		{Family: vrrp.IPv6, Link: link, Group: group6},
		{Family: vrrp.IPv6, Link: link, Local: local6},
		{Family: vrrp.IPv6, Link: link, Local: global},
	}
}

func sequence(i int) []byte { return binary.BigEndian.AppendUint32([]byte("seq "), uint32(i)) }

func sequenceOf(b []byte) (int, error) {
	if len(b) != 8 || string(b[:4]) != "seq " {
		return 0, fmt.Errorf("payload %q", b)
	}
	return int(binary.BigEndian.Uint32(b[4:])), nil
}

func mustAddr(s string) *netlink.Addr {
	a, err := netlink.ParseAddr(s)
	if err != nil {
		panic(err)
	}
	return a
}
