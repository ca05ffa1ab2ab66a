package vrrpnet

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	"hakeep/vrrp"
)

// Queue, Flush and Recv allocate nothing (design.md, 3: allocation-free steady
// path), also when packets fail.
func TestNoAllocations(t *testing.T) {
	a, b := pair(t)
	la, lb := a.link("eth0"), b.link("eth0")
	b.sync(append(everything(lb, b4, b6, gb), Endpoint{Family: vrrp.IPv4, Local: b4})...)
	a.OnSendError(func(uint32, int, SendError, unix.Errno) {})
	payload := make([]byte, 48)
	packets := []Packet{
		{Link: la, Src: a4, Dst: group4, Payload: payload},
		{Link: la, Src: a4, Dst: b4, Payload: payload},
		{Link: la, Src: a6, Dst: group6, Payload: payload},
		{Link: la, Src: a6, Dst: group6, SrcMAC: testMAC, Payload: payload},
		{Link: 9999, Src: a4, Dst: group4, Payload: payload},
		{},
	}
	var prepared []*Prepared
	for i := range packets[:5] {
		s, err := Prepare(&packets[i])
		if err != nil {
			t.Fatal(err)
		}
		prepared = append(prepared, s)
	}
	received := 0
	count := func(d *Datagram) { received += len(d.Payload) }
	allocs := testing.AllocsPerRun(200, func() {
		for i := range packets {
			a.Queue(&packets[i])
		}
		for _, s := range prepared {
			a.QueuePrepared(s)
		}
		_, _ = a.Flush()
		_, _, _ = b.RecvReady(100, count)
		_, _, _ = b.Recv(b.FDs()[0], 100, count)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
	if received < 200*48 {
		t.Errorf("received %d bytes only", received)
	}
}

// threadTime is the processor time of the calling thread.
func threadTime(tb testing.TB) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// links makes n interfaces of h that end in a namespace where nobody listens.
// The thread that sends also does the other end's work, up to the point where
// the packet is thrown away.
func links(b *testing.B, h *host, n int) (indexes []int) {
	b.Helper()
	far := nstest.Host(b, "far")
	for i := range n {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = fmt.Sprintf("eth%d", i)
		veth := &netlink.Veth{LinkAttrs: attrs, PeerName: attrs.Name, PeerNamespace: netlink.NsFd(far.Fd())}
		if err := h.ns.Netlink().LinkAdd(veth); err != nil {
			b.Fatal(err)
		}
		if err := h.ns.AddAddr(attrs.Name, netip.MustParsePrefix("fe80::a/64")); err != nil {
			b.Fatal(err)
		}
		for _, ns := range []*lab.Namespace{far, h.ns} {
			l, err := ns.Netlink().LinkByName(attrs.Name)
			if err != nil {
				b.Fatal(err)
			}
			if err := ns.Netlink().LinkSetUp(l); err != nil {
				b.Fatal(err)
			}
		}
		indexes = append(indexes, h.link(attrs.Name))
	}
	nstest.Eventually(b, 5*time.Second, func() error {
		for i := range n {
			l, err := h.ns.Netlink().LinkByName(fmt.Sprintf("eth%d", i))
			if err != nil || l.Attrs().OperState != netlink.OperUp {
				return fmt.Errorf("eth%d is not up: %w", i, err)
			}
		}
		return nil
	})
	return indexes
}

// BenchmarkSend sends adverts, 64 at a time, over 16 interfaces. "bare" is
// nothing but sendmmsg of the same descriptors again and again: what the kernel
// takes. "per link" are bound sockets, one for each interface, instead of one
// for all. The figure to look at is cpu-ns/advert.
func BenchmarkSend(b *testing.B) {
	const interfaces, batch = 16, 64
	for _, kind := range []string{"ipv4", "ipv6", "frame"} {
		h := newHost(b, "a")
		indexes := links(b, h, interfaces)
		packets := make([]Packet, batch)
		prepared := make([]*Prepared, batch)
		for i := range packets {
			p := Packet{Link: indexes[i%interfaces], Src: a4, Dst: group4, Payload: make([]byte, 12)}
			switch kind {
			case "ipv6":
				p.Src, p.Dst, p.Payload = a6, group6, make([]byte, 24)
			case "frame":
				p.SrcMAC = testMAC
			}
			packets[i] = p
			var err error
			if prepared[i], err = Prepare(&p); err != nil {
				b.Fatal(err)
			}
		}
		flush := func(b *testing.B) {
			if n, err := h.Flush(); n != batch || err != nil {
				b.Fatalf("sent %d, %v", n, err)
			}
		}
		measure(b, kind+"/bare", batch, func(b *testing.B) {
			q := &h.queues[prepared[0].via]
			for i, s := range prepared {
				q.msgs[i].hdr = s.msg.hdr
			}
			if n, errno := sendmmsg(q.fd, q.msgs[:batch]); n != batch {
				b.Fatal(n, errno)
			}
		})
		measure(b, kind+"/prepared", batch, func(b *testing.B) {
			for _, s := range prepared {
				h.QueuePrepared(s)
			}
			flush(b)
		})
		measure(b, kind+"/queue", batch, func(b *testing.B) {
			for i := range packets {
				h.Queue(&packets[i])
			}
			flush(b)
		})
		measure(b, kind+"/one by one", batch, func(b *testing.B) {
			for _, s := range prepared {
				h.QueuePrepared(s)
				if _, err := h.Flush(); err != nil {
					b.Fatal(err)
				}
			}
		})
		if kind == "ipv4" {
			perLink(b, h, indexes, packets[0])
		}
	}
}

// perLink measures the rejected design: a bound socket for each interface.
func perLink(b *testing.B, h *host, indexes []int, p Packet) {
	const each = 4
	fds := make([]int, len(indexes))
	p.Link = 0
	p.Dst = group4
	msgs := make([]mmsghdr, each)
	p.Link = indexes[0]
	s, err := Prepare(&p)
	if err != nil {
		b.Fatal(err)
	}
	for i := range msgs {
		msgs[i] = s.msg
		msgs[i].hdr.Control = nil
		msgs[i].hdr.SetControllen(0)
	}
	h.in(func() error {
		for i, link := range indexes {
			fd, err := openIPv4()
			if err != nil {
				return err
			}
			if err := bindTo(fd, link); err != nil {
				return err
			}
			fds[i] = fd
		}
		return nil
	})
	measure(b, "ipv4/bare per link", each*len(fds), func(b *testing.B) {
		for _, fd := range fds {
			if n, errno := sendmmsg(fd, msgs); n != each {
				b.Fatal(n, errno)
			}
		}
	})
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// measure runs fn, which handles batch adverts, for b.N adverts.
func measure(b *testing.B, name string, batch int, fn func(b *testing.B)) {
	b.Run(name, func(b *testing.B) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		b.ReportAllocs()
		start := threadTime(b)
		for n := 0; n < b.N; n += batch {
			fn(b)
		}
		b.ReportMetric(float64(threadTime(b)-start)/float64(max(b.N, batch)), "cpu-ns/advert")
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "adverts/s")
	})
}

// BenchmarkReceive reads adverts that are queued, 64 at a time. Sending is not
// counted.
func BenchmarkReceive(b *testing.B) {
	const batch = 64
	for _, f := range []vrrp.Family{vrrp.IPv4, vrrp.IPv6} {
		from, to := pair(b)
		p := Packet{Link: from.link("eth0"), Src: a4, Dst: group4, Payload: make([]byte, 12)}
		if f == vrrp.IPv6 {
			p.Src, p.Dst, p.Payload = a6, group6, make([]byte, 24)
		}
		to.sync(Endpoint{Family: f, Link: to.link("eth0"), Group: p.Dst})
		got := 0
		take := func(*Datagram) { got++ }
		b.Run(f.String(), func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			b.ReportAllocs()
			var spent time.Duration
			for n := 0; n < b.N; n += batch {
				b.StopTimer()
				for range batch {
					from.Queue(&p)
				}
				if _, err := from.Flush(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				start := threadTime(b)
				for got = 0; got < batch; {
					if _, _, err := to.RecvReady(batch, take); err != nil {
						b.Fatal(err)
					}
				}
				spent += threadTime(b) - start
			}
			b.ReportMetric(float64(spent)/float64(max(b.N, batch)), "cpu-ns/advert")
		})
	}
}
