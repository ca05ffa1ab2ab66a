package vrrpnet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	"hakeep/vrrp"
)

// Every way to send, as the other host receives it and as it is on the wire.
//
//	a (eth0) ---- switch ---- (eth0) b
func TestDelivery(t *testing.T) {
	a, b := pair(t)
	la, lb := a.link("eth0"), b.link("eth0")
	a.sync(everything(la, a4, a6, ga)...)
	b.sync(everything(lb, b4, b6, gb)...)
	capture := nstest.Capture(t, b.ns, "eth0", lab.FilterVRRP)
	for _, tt := range []struct {
		name     string
		from, to *host
		p        Packet
		ttl      int // received
	}{
		{"multicast ipv4", a, b, Packet{Link: la, Src: a4, Dst: group4}, 255},
		{"multicast ipv4 back", b, a, Packet{Link: lb, Src: b4, Dst: group4}, 255},
		{"multicast ipv4 from another address", a, b, Packet{Link: la, Src: netip.MustParseAddr("198.51.100.7"), Dst: group4}, 255},
		{"multicast ipv6", a, b, Packet{Link: la, Src: a6, Dst: group6}, 255},
		{"multicast ipv6 back", b, a, Packet{Link: lb, Src: b6, Dst: group6}, 255},
		{"unicast ipv4", a, b, Packet{Link: la, Src: a4, Dst: b4, TTL: 7}, 7},
		{"unicast ipv4 back", b, a, Packet{Link: lb, Src: b4, Dst: a4, TTL: 255}, 255},
		{"unicast ipv4 by route", a, b, Packet{Src: a4, Dst: b4}, 255},
		{"unicast ipv6 link-local", a, b, Packet{Link: la, Src: a6, Dst: b6, TTL: 3}, 3},
		{"unicast ipv6", a, b, Packet{Link: la, Src: ga, Dst: gb}, 255},
		{"unicast ipv6 by route", b, a, Packet{Src: gb, Dst: ga, TTL: 9}, 9},
		{"unicast ipv6 kernel's hop limit", a, b, Packet{Src: ga, Dst: gb, TTL: -1}, 64},
		{"vmac ipv4", a, b, Packet{Link: la, Src: a4, Dst: group4, SrcMAC: testMAC}, 255},
		{"vmac ipv6", a, b, Packet{Link: la, Src: a6, Dst: group6, SrcMAC: testMAC}, 255},
	} {
		for _, prepared := range []bool{false, true} {
			name := fmt.Sprintf("%s, prepared %v", tt.name, prepared)
			p := tt.p
			p.Payload = []byte(name)
			if prepared {
				s, err := Prepare(&p)
				if err != nil {
					t.Fatal(err)
				}
				p.Payload[0] = '?' // it was copied
				p.Payload = []byte(name)
				tt.from.QueuePrepared(s)
			} else {
				tt.from.Queue(&p)
			}
			if n, err := tt.from.Flush(); n != 1 || err != nil {
				t.Fatalf("%s: sent %d, %v", name, n, err)
			}
			got := tt.to.recv(1)
			want := Datagram{Link: tt.to.link("eth0"), Src: p.Src, Dst: p.Dst, TTL: tt.ttl, Payload: []byte(name)}
			if len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
				t.Errorf("%s: received %v, want %v", name, got, want)
			}
			frame, err := capture.Wait(nstest.Context(t, 5*time.Second), func(f lab.Frame) bool {
				ip, ok := f.VRRP()
				return ok && bytes.Equal(ip.Payload, p.Payload)
			})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			checkFrame(t, name, frame, &p)
		}
	}
	for _, h := range []*host{a, b} {
		if st := h.Stats(); st.Malformed+st.Foreign+st.KernelDrops+st.RecvErrors != 0 || st.SendErrors != [NumSendErrors]uint64{} {
			t.Errorf("counters: %+v", st)
		}
	}
}

// checkFrame checks what the receiver is not told.
func checkFrame(t *testing.T, name string, f lab.Frame, p *Packet) {
	t.Helper()
	ip := f.Data[ethLen:]
	class := ip[1]
	if p.Dst.Is6() {
		class = byte(binary.BigEndian.Uint16(ip) >> 4)
	} else if sum := headerChecksum(ip[:ipv4Len]); sum != 0 {
		t.Errorf("%s: IPv4 header checksum is off by %#x", name, sum)
	}
	if class != 0xc0 {
		t.Errorf("%s: TOS or traffic class %#x, want 0xc0", name, class)
	}
	if mac := groupMAC(p.Dst); p.Dst.IsMulticast() && !bytes.Equal(f.Destination(), mac[:]) {
		t.Errorf("%s: to MAC %v, want %x", name, f.Destination(), mac)
	}
	if virtual := bytes.Equal(f.Source(), testMAC[:]); virtual != (p.SrcMAC == testMAC) {
		t.Errorf("%s: from MAC %v", name, f.Source())
	}
}

// What we send is not received by ourselves nor by another daemon on the host.
func TestOwnPacketsStayAway(t *testing.T) {
	a, b := pair(t)
	la, lb := a.link("eth0"), b.link("eth0")
	a.sync(everything(la, a4, a6, ga)...)
	b.sync(everything(lb, b4, b6, gb)...)
	var second *Net
	a.in(func() (err error) {
		if second, err = Open(); err != nil {
			return err
		}
		return second.Sync(everything(la, a4, a6, ga))
	})
	defer second.Close()
	a.send(Packet{Link: la, Src: a4, Dst: group4, Payload: []byte("4")})
	a.send(Packet{Link: la, Src: a6, Dst: group6, Payload: []byte("6")})
	a.send(Packet{Link: la, Src: a6, Dst: group6, SrcMAC: testMAC, Payload: []byte("vmac")})
	b.recv(3)
	for i, n := range []*Net{a.Net, second} {
		if got, _, err := n.RecvReady(10, func(d *Datagram) { t.Errorf("net %d received %v", i, *d) }); got != 0 || err != nil {
			t.Errorf("net %d: received %d, %v", i, got, err)
		}
	}
	// Both daemons hear the peer.
	b.send(Packet{Link: lb, Src: b6, Dst: group6, Payload: []byte("hello")})
	a.expect("hello")
	if n, _, err := second.RecvReady(10, func(*Datagram) {}); n != 1 || err != nil {
		t.Errorf("the second daemon received %d, %v", n, err)
	}
}

// A burst of 1,000 adverts while nobody reads is not lost (pitfalls: a default
// buffer keeps 256), and what a small buffer loses is counted.
func TestBurst(t *testing.T) {
	const burst = 1000
	for _, f := range []vrrp.Family{vrrp.IPv4, vrrp.IPv6} {
		t.Run(f.String(), func(t *testing.T) {
			a, b := pair(t)
			p := Packet{Link: a.link("eth0"), Src: a4, Dst: group4}
			if f == vrrp.IPv6 {
				p.Src, p.Dst = a6, group6
			}
			b.sync(Endpoint{Family: f, Link: b.link("eth0"), Group: p.Dst})
			blast := func() {
				for i := range burst {
					p.Payload = sequence(i)
					for !a.Queue(&p) {
						if _, err := a.Flush(); err != nil {
							t.Fatal(err)
						}
					}
				}
				if _, err := a.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			blast()
			for i, d := range b.recv(burst) {
				if got, err := sequenceOf(d.Payload); err != nil || got != i {
					t.Fatalf("datagram %d is %d, %v", i, got, err)
				}
			}
			if st := b.Stats(); st.KernelDrops != 0 || st.Received != burst || st.ReceiveBuffer < recvBuffer {
				t.Errorf("counters: %+v", st)
			}
			fd := b.FDs()[0]
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<16); err != nil {
				t.Fatal(err)
			}
			blast()
			nstest.Eventually(t, 5*time.Second, func() error {
				if drops := b.Stats().KernelDrops; drops < burst/2 || drops >= burst {
					return fmt.Errorf("%d drops", drops)
				}
				return nil
			})
			before := b.Stats()
			got := len(b.recv(burst - int(before.KernelDrops)))
			if after := b.Stats(); got+int(after.KernelDrops) != burst {
				t.Errorf("received %d and lost %d, want %d together", got, after.KernelDrops, burst)
			}
		})
	}
}

// The budget bounds one call, and nothing is lost by it.
func TestBudget(t *testing.T) {
	a, b := pair(t)
	b.sync(everything(b.link("eth0"), b4, b6, gb)...)
	const count = 150
	for i := range count {
		a.send(Packet{Link: a.link("eth0"), Src: a4, Dst: group4, Payload: sequence(i)})
		a.send(Packet{Link: a.link("eth0"), Src: a6, Dst: group6, Payload: sequence(i)})
	}
	nstest.Eventually(t, 5*time.Second, func() error {
		n, more, err := b.RecvReady(7, func(*Datagram) {})
		if n != 7 || !more || err != nil {
			return fmt.Errorf("received %d, more %v, %v", n, more, err)
		}
		return nil
	})
	// The IPv4 socket is first.
	n, more, err := b.Recv(b.FDs()[0], 10, func(d *Datagram) {
		if !d.Dst.Is4() {
			t.Errorf("socket of IPv4 received %v", *d)
		}
	})
	if n != 10 || !more || err != nil {
		t.Errorf("received %d, more %v, %v", n, more, err)
	}
	seen := int(b.Stats().Received)
	b.recv(2*count - seen)
	if n, more, err := b.RecvReady(1000, func(*Datagram) {}); n != 0 || more || err != nil {
		t.Errorf("at the end received %d, more %v, %v", n, more, err)
	}
	if _, _, err := b.Recv(4711, 1, func(*Datagram) {}); !errors.Is(err, unix.EBADF) {
		t.Errorf("unknown descriptor: %v", err)
	}
}

// Failures are counted by kind, told to the hook, and hold up nobody.
func TestSendErrors(t *testing.T) {
	a, b := pair(t)
	la := a.link("eth0")
	b.sync(everything(b.link("eth0"), b4, b6, gb)...)
	// A second interface that is down, with addresses.
	nstest.Attach(t, nstest.LAN(t), a.ns, "down0", "198.51.100.1/24")
	down, err := a.ns.Netlink().LinkByName("down0")
	if err != nil {
		t.Fatal(err)
	}
	ld := down.Attrs().Index
	if err := a.ns.Netlink().LinkSetDown(down); err != nil {
		t.Fatal(err)
	}
	type failure struct {
		tag  uint32
		kind SendError
	}
	var told []failure
	a.OnSendError(func(tag uint32, _ int, kind SendError, _ unix.Errno) { told = append(told, failure{tag, kind}) })
	big := bytes.Repeat([]byte{1}, 2000)
	bad := []Packet{
		{Tag: 1, Link: ld, Src: a4, Dst: group4},
		{Tag: 2, Link: 9999, Src: a4, Dst: group4},
		{Tag: 3, Link: 0, Src: a4, Dst: netip.MustParseAddr("203.0.113.1")},
		{Tag: 4, Link: la, Src: a4, Dst: group4, Payload: big},
		{Tag: 5, Link: la, Src: netip.MustParseAddr("fe80::1234"), Dst: group6},
		{Tag: 6, Link: 9999, Src: a6, Dst: group6},
		{Tag: 7, Link: ld, Src: a4, Dst: group4, SrcMAC: testMAC},
		{Tag: 8, Link: 9999, Src: a4, Dst: group4, SrcMAC: testMAC},
		{Tag: 9, Link: la, Src: a4, Dst: group4, SrcMAC: testMAC, Payload: big},
	}
	good := []Packet{
		{Link: la, Src: a4, Dst: group4, Payload: []byte("good")},
		{Link: la, Src: a6, Dst: group6, Payload: []byte("good")},
		{Link: la, Src: a4, Dst: group4, Payload: []byte("good"), SrcMAC: testMAC},
	}
	for i := range bad {
		for j := range good {
			a.Queue(&good[j])
		}
		a.Queue(&bad[i])
	}
	for j := range good {
		a.Queue(&good[j])
	}
	want := len(good) * (len(bad) + 1)
	n, err := a.Flush()
	if n != want || err == nil {
		t.Errorf("sent %d, %v; want %d and an error", n, err, want)
	}
	b.recv(want)
	slices.SortFunc(told, func(x, y failure) int { return int(x.tag) - int(y.tag) })
	expected := []failure{
		{1, SendUnreachable}, {2, SendNoLink}, {3, SendUnreachable}, {4, SendTooBig}, {5, SendAddress},
		{6, SendNoLink}, {7, SendLinkDown}, {8, SendNoLink}, {9, SendTooBig},
	}
	if !slices.Equal(told, expected) {
		t.Errorf("failures %v, want %v", told, expected)
	}
	st := a.Stats()
	for _, f := range expected {
		if st.SendErrors[f.kind] == 0 {
			t.Errorf("%v is not counted", f.kind)
		}
	}
	if st.Sent != uint64(want) {
		t.Errorf("counted %d sent, want %d", st.Sent, want)
	}
	if n, err := a.Flush(); n != 0 || err != nil {
		t.Errorf("empty queue: sent %d, %v", n, err)
	}
}

// A tentative link-local address cannot be sent from (RFC 4862, 5.4).
func TestTentativeSource(t *testing.T) {
	a, b := pair(t)
	for _, key := range []string{"all", "default", "eth0"} {
		if err := a.ns.Sysctl("net.ipv6.conf."+key+".accept_dad", "1"); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"default", "eth0"} {
		if err := a.ns.Sysctl("net.ipv6.conf."+key+".dad_transmits", "100"); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.ns.Do(func() error {
		link, err := a.ns.Netlink().LinkByName("eth0")
		if err != nil {
			return err
		}
		return a.ns.Netlink().AddrAdd(link, mustAddr("fe80::77/64"))
	}); err != nil {
		t.Fatal(err)
	}
	b.sync(everything(b.link("eth0"), b4, b6, gb)...)
	la := a.link("eth0")
	tentative := netip.MustParseAddr("fe80::77")
	a.Queue(&Packet{Link: la, Src: tentative, Dst: group6, Payload: []byte("no")})
	if n, err := a.Flush(); n != 0 || !errors.Is(err, unix.EINVAL) {
		t.Errorf("sent %d, %v; want EINVAL", n, err)
	}
	a.send(Packet{Link: la, Src: a6, Dst: group6, Payload: []byte("yes")})
	b.expect("yes")
}

// A firewall of the host may forbid VRRP: EPERM, counted as refused.
func TestFirewall(t *testing.T) {
	nstest.Require(t)
	nstest.RequireTool(t, "nft")
	a, b := pair(t)
	la := a.link("eth0")
	b.sync(everything(b.link("eth0"), b4, b6, gb)...)
	nstest.Run(t, a.ns, "nft", "add table inet t; add chain inet t o { type filter hook output priority 0; }; "+
		"add rule inet t o meta l4proto 112 drop")
	for range 2 {
		a.Queue(&Packet{Link: la, Src: a4, Dst: group4, Payload: []byte("4")})
		a.Queue(&Packet{Link: la, Src: a6, Dst: group6, Payload: []byte("6")})
	}
	if n, err := a.Flush(); n != 0 || !errors.Is(err, unix.EPERM) {
		t.Errorf("sent %d, %v; want EPERM", n, err)
	}
	if got := a.Stats().SendErrors[SendRefused]; got != 4 {
		t.Errorf("%d refused, want 4", got)
	}
}

// Without room Queue says so and nothing is lost.
func TestQueueFull(t *testing.T) {
	a, b := pair(t)
	b.sync(everything(b.link("eth0"), b4, b6, gb)...)
	for _, size := range []int{8, maxMessage} {
		p := Packet{Link: a.link("eth0"), Src: a6, Dst: group6, Payload: bytes.Repeat([]byte{7}, size)}
		queued := 0
		for a.Queue(&p) {
			queued++
		}
		if max := arenaLen / size; queued != min(queueLen, max) {
			t.Errorf("%d bytes: %d packets fit, want %d", size, queued, min(queueLen, max))
		}
		if n, err := a.Flush(); n != queued || err != nil {
			t.Fatalf("%d bytes: sent %d, %v", size, n, err)
		}
		for _, d := range b.recv(queued) {
			if len(d.Payload) != size {
				t.Fatalf("received %d bytes, want %d", len(d.Payload), size)
			}
		}
	}
	if st := b.Stats(); st.Truncated != 0 {
		t.Errorf("counters: %+v", st)
	}
}

func TestRefusedPackets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		p    Packet
		want error
	}{
		{"no destination", Packet{Link: 1, Src: a4}, errFamily},
		{"no source", Packet{Link: 1, Dst: group4}, errFamily},
		{"two families", Packet{Link: 1, Src: a4, Dst: group6}, errFamily},
		{"other family", Packet{Family: vrrp.IPv6, Link: 1, Src: a4, Dst: group4}, errFamily},
		{"mapped", Packet{Link: 1, Src: a4, Dst: netip.MustParseAddr("::ffff:192.0.2.2")}, errFamily},
		{"large ttl", Packet{Link: 1, Src: a4, Dst: group4, TTL: 256}, errTTL},
		{"default ttl for ipv4", Packet{Link: 1, Src: a4, Dst: b4, TTL: -1}, errTTL},
		{"default ttl for multicast", Packet{Link: 1, Src: a6, Dst: group6, TTL: -1}, errTTL},
		{"multicast without link", Packet{Src: a4, Dst: group4}, errLink},
		{"negative link", Packet{Link: -1, Src: a4, Dst: b4}, errLink},
		{"unicast with a mac", Packet{Link: 1, Src: a4, Dst: b4, SrcMAC: testMAC}, errMAC},
		{"long", Packet{Link: 1, Src: a6, Dst: group6, Payload: make([]byte, maxMessage+1)}, errPayload},
		{"fine", Packet{Family: vrrp.IPv6, Link: 1, Src: a6, Dst: group6, TTL: 1}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := Prepare(&tt.p)
			if !errors.Is(err, tt.want) || (s == nil) != (err != nil) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			n := &Net{}
			if tt.want != nil && (!n.Queue(&tt.p) || n.stats.SendErrors[SendInvalid] != 1) {
				t.Errorf("Queue: %+v", n.stats)
			}
		})
	}
}

// Kinds have distinct names, which are labels.
func TestSendErrorNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for k := SendError(1); k < NumSendErrors; k++ {
		name := k.String()
		if name == "" || name == "unknown" || seen[name] || strings.ToLower(name) != name {
			t.Errorf("kind %d is %q", k, name)
		}
		seen[name] = true
	}
	if SendError(0).String() != "unknown" || NumSendErrors.String() != "unknown" {
		t.Error("values that are not kinds have names")
	}
}

// An error of the socket hides nothing that is queued behind it. Receive
// sockets ask for no errors; here one does, and gets what its peer's kernel
// answers where nobody listens to protocol 112.
func TestReceiveError(t *testing.T) {
	a, b := pair(t)
	b.sync(Endpoint{Family: vrrp.IPv4, Link: b.link("eth0"), Group: group4})
	fd := b.FDs()[0]
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1); err != nil {
		t.Fatal(err)
	}
	b.send(Packet{Link: b.link("eth0"), Src: b4, Dst: a4, Payload: make([]byte, 8)}) // ICMP must quote 8 bytes
	nstest.Eventually(t, 5*time.Second, func() error {
		poll := []unix.PollFd{{Fd: int32(fd)}}
		if _, err := unix.Poll(poll, 0); err != nil || poll[0].Revents&unix.POLLERR == 0 {
			return fmt.Errorf("no error is pending: %v", err)
		}
		return nil
	})
	a.send(Packet{Link: a.link("eth0"), Src: a4, Dst: group4, Payload: []byte("behind")})
	nstest.Eventually(t, 5*time.Second, func() error {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, 0); err != nil || poll[0].Revents&unix.POLLIN == 0 {
			return fmt.Errorf("nothing to read: %v", err)
		}
		return nil
	})
	n, more, err := b.RecvReady(10, func(d *Datagram) {
		if string(d.Payload) != "behind" {
			t.Errorf("received %q", d.Payload)
		}
	})
	if n != 1 || more || !errors.Is(err, unix.ENOPROTOOPT) || b.Stats().RecvErrors != 1 {
		t.Errorf("received %d, more %v, %v; %+v", n, more, err, b.Stats())
	}
}
