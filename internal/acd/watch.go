package acd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	// probeEvery is how often addresses are probed for that ask for it, probeFirst how
	// long after they became ours: when claims count.
	probeEvery = time.Minute
	probeFirst = settle
	// receiveRounds bounds what is read of a socket at a time.
	receiveRounds = 64
)

// Own says whether a hardware address is one of this host's, whose packets may
// come back to it, and which one a link has.
type Own interface {
	OwnMAC(MAC) bool
	LinkMAC(link int) (MAC, bool)
}

// Watch listens on all links of one network namespace.
type Watch struct {
	own    Own
	arp    int // packet socket for ARP
	na     int // raw socket for neighbour advertisements; -1 without IPv6
	advert int // packet socket for IPv4 adverts; -1 while there is nothing to watch
	wake   int // eventfd

	mu   sync.Mutex // guards next
	next *[]Address
}

// Open opens a Watch in the network namespace of the calling thread. It needs
// CAP_NET_RAW. It hears nothing until Set.
func Open(own Own) (*Watch, error) {
	w := &Watch{own: own, arp: -1, na: -1, advert: -1, wake: -1}
	var err error
	if w.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return nil, fmt.Errorf("watch for address conflicts: eventfd: %w", err)
	}
	if w.arp, err = packetSocket(unix.ETH_P_ARP); err == nil {
		err = w.openNA()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch for address conflicts: %w", err), w.Close())
	}
	return w, nil
}

// packetSocket opens a socket that gets nothing but packets of one protocol that
// come in, and none before its filter is set.
func packetSocket(protocol uint16) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("packet socket: %w", err)
	}
	if err = attach(fd, filter(nil, 0, nil)); err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: swap(protocol)})
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func swap(v uint16) uint16 { return v<<8 | v>>8 }

// openNA opens the socket for neighbour advertisements. A kernel without IPv6 has
// none.
func (w *Watch) openNA() error {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_ICMPV6)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("socket for neighbour advertisements: %w", err)
	}
	w.na = fd
	types := unix.ICMPv6Filter{}
	for i := range types.Data {
		types.Data[i] = 1<<32 - 1 // a bit blocks
	}
	types.Data[typeNA/32] &^= 1 << (typeNA % 32)
	err = unix.SetsockoptICMPv6Filter(fd, unix.SOL_ICMPV6, unix.ICMPV6_FILTER, &types)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	if err == nil {
		err = attach(fd, filter(nil, 0, nil))
	}
	return err
}

// Close closes the sockets, after Run has returned.
func (w *Watch) Close() error {
	var errs []error
	for _, fd := range []*int{&w.arp, &w.na, &w.advert, &w.wake} {
		if *fd >= 0 {
			errs = append(errs, unix.Close(*fd))
			*fd = -1
		}
	}
	return errors.Join(errs...)
}

// Set says which addresses are ours from now on. It never waits; any goroutine
// may call it, and keeps its hands off addrs afterwards.
func (w *Watch) Set(addrs []Address) {
	w.mu.Lock()
	w.next = &addrs
	w.mu.Unlock()
	w.signal()
}

func (w *Watch) signal() {
	one := [8]byte{1}
	_, _ = unix.Write(w.wake, one[:]) // fails only when it is full: awake already
}

func (w *Watch) take() ([]Address, bool) {
	var count [8]byte
	_, _ = unix.Read(w.wake, count[:])
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next == nil {
		return nil, false
	}
	addrs := *w.next
	w.next = nil
	return addrs, true
}

// Run calls emit for each conflict, at most once in confirm for an address, until
// ctx is done; then it returns nil. An error is one of the sockets. It calls claimed,
// at once, for each ARP packet and neighbour advertisement in which another host says
// that it has one of the addresses.
func (w *Watch) Run(ctx context.Context, emit func(Conflict), claimed func(link int, addr netip.Addr)) error {
	stop := context.AfterFunc(ctx, w.signal)
	defer stop()
	start := time.Now()
	r := &runner{w: w, claimed: claimed, judge: newJudge(), probes: map[place]time.Duration{}}
	for ctx.Err() == nil {
		now := time.Since(start)
		fds := []unix.PollFd{
			{Fd: int32(w.wake), Events: unix.POLLIN}, {Fd: int32(w.arp), Events: unix.POLLIN},
			{Fd: int32(w.na), Events: unix.POLLIN}, {Fd: int32(w.advert), Events: unix.POLLIN}, // a negative one is skipped
		}
		if _, err := unix.Poll(fds, r.timeout(now)); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for address conflicts: %w", err)
		}
		now = time.Since(start)
		if addrs, fresh := w.take(); fresh {
			if err := r.set(now, addrs); err != nil {
				return fmt.Errorf("watch for address conflicts: %w", err)
			}
		}
		r.receive(now)
		r.probe(now)
		for _, c := range r.judge.due(now) {
			emit(c)
		}
	}
	return nil
}

// runner is the state of Run.
type runner struct {
	w       *Watch
	claimed func(link int, addr netip.Addr)
	judge   *judge
	probes  map[place]time.Duration // when the next one is due
	// probing is when the first of probes is due, if there are any: looking through
	// thousands at each packet is most of what this thread would do.
	probing time.Duration
	buf     [512]byte
	oob     [64]byte
}

// timeout is for poll, in milliseconds.
func (r *runner) timeout(now time.Duration) int {
	next, ok := r.judge.next()
	if len(r.probes) > 0 && (!ok || r.probing < next) {
		next, ok = r.probing, true
	}
	if !ok {
		return -1
	}
	return int((max(next-now, 0) + time.Millisecond - 1) / time.Millisecond)
}

func (r *runner) set(now time.Duration, addrs []Address) error {
	r.judge.set(now, addrs)
	probes := map[place]time.Duration{}
	var four, six []netip.Addr
	for _, a := range addrs {
		switch {
		case a.Addr.Is6():
			six = append(six, a.Addr)
			continue
		case a.Probe:
			p := place{a.Link, a.Addr}
			at, known := r.probes[p]
			if !known {
				at = now + probeFirst
			}
			probes[p] = at
		}
		four = append(four, a.Addr)
	}
	r.probes = probes
	r.plan()
	const senderOfARP, targetOfNA, sourceOfIPv4 = 14, 20, 12
	errs := []error{attach(r.w.arp, filter([]bpf.Instruction{}, senderOfARP, four))}
	if r.w.na >= 0 {
		errs = append(errs, attach(r.w.na, filter(nil, targetOfNA, six)))
	}
	return errors.Join(append(errs, r.watchAdverts(four, sourceOfIPv4))...)
}

// watchAdverts opens the socket for adverts only while there is something to
// watch: every packet that comes in passes its filter.
func (r *runner) watchAdverts(four []netip.Addr, source uint32) error {
	if len(four) == 0 {
		if r.w.advert >= 0 {
			fd := r.w.advert
			r.w.advert = -1
			return unix.Close(fd)
		}
		return nil
	}
	if r.w.advert < 0 {
		fd, err := packetSocket(unix.ETH_P_IP)
		if err != nil {
			return err
		}
		r.w.advert = fd
	}
	return attach(r.w.advert, filter(advertGuard(), source, four))
}

// receive reads what the filters have let through, within bounds.
func (r *runner) receive(now time.Duration) {
	read := func(fd int, take func(n, oobn int, from unix.Sockaddr)) {
		for i := 0; fd >= 0 && i < receiveRounds; i++ {
			n, oobn, _, from, err := unix.Recvmsg(fd, r.buf[:], r.oob[:], 0)
			if err != nil {
				return
			}
			take(n, oobn, from)
		}
	}
	read(r.w.arp, func(n, _ int, from unix.Sockaddr) {
		if ll, ok := from.(*unix.SockaddrLinklayer); ok {
			addr, mac, ok := parseARP(r.buf[:n])
			r.claim(now, ok, ll.Ifindex, addr, mac, ARP)
		}
	})
	read(r.w.na, func(n, oobn int, _ unix.Sockaddr) {
		addr, mac, ok := parseNA(r.buf[:n])
		r.claim(now, ok, linkOf(r.oob[:oobn]), addr, mac, Neighbor)
	})
	read(r.w.advert, func(n, _ int, from unix.Sockaddr) {
		const shortest = 20
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && n >= shortest && ll.Halen == 6 {
			r.claim(now, true, ll.Ifindex, netip.AddrFrom4([4]byte(r.buf[12:16])), MAC(ll.Addr[:6]), Advert)
		}
	})
}

func (r *runner) claim(now time.Duration, ok bool, link int, addr netip.Addr, mac MAC, by Evidence) {
	if ok && mac != (MAC{}) && !r.w.own.OwnMAC(mac) {
		r.judge.claim(now, Conflict{Link: link, Addr: addr, MAC: mac, By: by})
		if by != Advert {
			r.claimed(link, addr)
		}
	}
}

// linkOf finds the interface in control messages (RFC 3542, 6.2).
func linkOf(oob []byte) int {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0
	}
	for _, m := range msgs {
		if m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo {
			return int(binary.NativeEndian.Uint32(m.Data[16:]))
		}
	}
	return 0
}

// probe asks for the addresses whose turn it is. One that cannot be sent is sent
// again a minute later.
func (r *runner) probe(now time.Duration) {
	if len(r.probes) == 0 || now < r.probing {
		return
	}
	defer r.plan()
	for p, at := range r.probes {
		if at > now {
			continue
		}
		r.probes[p] = now + probeEvery
		mac, ok := r.w.own.LinkMAC(p.link)
		if !ok {
			continue
		}
		to := unix.SockaddrLinklayer{Protocol: swap(unix.ETH_P_ARP), Ifindex: p.link, Halen: 6}
		copy(to.Addr[:], []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
		_ = unix.Sendto(r.w.arp, appendProbe(nil, mac, p.addr), 0, &to)
	}
}

// plan notes when the first address is due.
func (r *runner) plan() {
	first := true
	for _, at := range r.probes {
		if first || at < r.probing {
			r.probing, first = at, false
		}
	}
}
