package lab

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ProbeOptions are the settings of a probe; the zero value is usable.
type ProbeOptions struct {
	// Interval between two echo requests; 0 means 1 ms.
	Interval time.Duration
	// Source address; the zero value lets the kernel choose.
	Source netip.Addr
	// MinOutage is the shortest gap between answers that counts as an
	// outage; 0 means four intervals, and at least 4 ms.
	MinOutage time.Duration
	// Grace is how long Stop waits for answers that are still missing; 0
	// means 100 ms.
	Grace time.Duration
}

func (o ProbeOptions) withDefaults() ProbeOptions {
	if o.Interval <= 0 {
		o.Interval = time.Millisecond
	}
	if o.MinOutage <= 0 {
		o.MinOutage = max(4*o.Interval, 4*time.Millisecond)
	}
	if o.Grace <= 0 {
		o.Grace = 100 * time.Millisecond
	}
	return o
}

// Probe is a client that sends a numbered ICMP echo request every interval
// and notes when it was sent and when the kernel received the answer.
//
// A request that cannot be sent counts as lost. A request that waited in the
// kernel for an address resolution and is answered late counts as late, and
// the time without answers before it as outage.
type Probe struct {
	target netip.Addr
	opts   ProbeOptions
	cookie uint64
	ident  uint16

	fd    int // raw socket
	wake  int // eventfd: stop
	to    unix.Sockaddr
	buf   [2048]byte
	oob   [128]byte
	start time.Time

	mu       sync.Mutex
	samples  []sample
	answered int
	dups     int
	sendErrs int
	late     time.Duration // latest send
	marks    []Mark
	changed  chan struct{} // closed and renewed at every first answer while somebody waits
	waiting  bool

	done       chan struct{}
	stopOnce   sync.Once
	unregister func()
	result     *ProbeResult
}

// StartProbe starts probing an IPv4 or IPv6 address from inside a namespace.
// A link-local target carries its zone. The caller stops it with Stop.
func StartProbe(ns *Namespace, target netip.Addr, opts ProbeOptions) (*Probe, error) {
	p := &Probe{
		target: target, opts: opts.withDefaults(), fd: -1, wake: -1,
		changed: make(chan struct{}), done: make(chan struct{}),
	}
	var seed [10]byte
	_, _ = rand.Read(seed[:]) // never fails
	p.cookie = binary.BigEndian.Uint64(seed[:8])
	p.ident = binary.BigEndian.Uint16(seed[8:])
	if err := ns.Do(p.open); err != nil {
		p.close()
		return nil, fmt.Errorf("probe %v from %s: %w", target, ns.name, err)
	}
	unregister, ok := ns.onClose(func() { p.Stop() })
	if !ok {
		p.close()
		return nil, fmt.Errorf("probe %v from %s: %w", target, ns.name, net.ErrClosed)
	}
	p.unregister = unregister
	p.start = time.Now()
	go onThread(p.loop)
	return p, nil
}

// icmp types, RFC 792 and RFC 4443.
const (
	icmpEchoReply     = 0
	icmpEchoRequest   = 8
	icmpv6EchoRequest = 128
	icmpv6EchoReply   = 129
	icmpFilter        = 1 // option ICMP_FILTER of SOL_RAW, uapi/linux/icmp.h
)

func (p *Probe) open() error {
	var err error
	family, proto := unix.AF_INET, unix.IPPROTO_ICMP
	if p.target.Is6() {
		family, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	if p.fd, err = unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, proto); err != nil {
		return fmt.Errorf("open raw socket: %w", err)
	}
	if p.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("open eventfd: %w", err)
	}
	if p.target.Is4() {
		err = unix.SetsockoptInt(p.fd, unix.SOL_RAW, icmpFilter, ^(1 << icmpEchoReply))
	} else {
		var f unix.ICMPv6Filter
		for i := range f.Data {
			f.Data[i] = ^uint32(0)
		}
		f.Data[icmpv6EchoReply/32] &^= 1 << (icmpv6EchoReply % 32)
		err = unix.SetsockoptICMPv6Filter(p.fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &f)
	}
	if err != nil {
		return fmt.Errorf("filter echo replies: %w", err)
	}
	if err := unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return fmt.Errorf("ask for timestamps: %w", err)
	}
	// A burst of late answers must not be lost here.
	_ = unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
	if p.opts.Source.IsValid() {
		src, err := sockaddr(p.opts.Source)
		if err != nil {
			return err
		}
		if err := unix.Bind(p.fd, src); err != nil {
			return fmt.Errorf("bind to %v: %w", p.opts.Source, err)
		}
	}
	p.to, err = sockaddr(p.target)
	return err
}

// sockaddr resolves zones in the calling thread's namespace.
func sockaddr(a netip.Addr) (unix.Sockaddr, error) {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4()}, nil
	}
	sa := &unix.SockaddrInet6{Addr: a.As16()}
	if a.Zone() != "" {
		ifi, err := net.InterfaceByName(a.Zone())
		if err != nil {
			return nil, fmt.Errorf("find interface %s: %w", a.Zone(), err)
		}
		sa.ZoneId = uint32(ifi.Index)
	}
	return sa, nil
}

func (p *Probe) close() {
	for _, fd := range []int{p.fd, p.wake} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// loop owns the socket until Stop; then it waits for missing answers.
func (p *Probe) loop() {
	defer close(p.done)
	next := time.Now()
	for {
		now := time.Now()
		if !now.Before(next) {
			p.send(now, now.Sub(next))
			next = next.Add(p.opts.Interval)
			if now.Sub(next) > 10*p.opts.Interval {
				next = now // the thread was stalled: do not catch up with a burst
			}
		}
		if p.poll(time.Until(next)) {
			break
		}
		p.receive()
	}
	for end := time.Now().Add(p.opts.Grace); p.missing(); {
		left := time.Until(end)
		if left <= 0 {
			return
		}
		p.pollSocket(left)
		p.receive()
	}
}

// poll waits for answers, the stop signal, or the time.
func (p *Probe) poll(d time.Duration) (stop bool) {
	fds := [2]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}, {Fd: int32(p.wake), Events: unix.POLLIN}}
	ts := unix.NsecToTimespec(int64(max(d, 0)))
	_, _ = unix.Ppoll(fds[:], &ts, nil) // EINTR: the loop looks again
	return fds[1].Revents != 0
}

func (p *Probe) pollSocket(d time.Duration) {
	fds := [1]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
	ts := unix.NsecToTimespec(int64(max(d, 0)))
	_, _ = unix.Ppoll(fds[:], &ts, nil)
}

// echoLen is the ICMP header and our payload: cookie and number.
const echoLen = 8 + 16

func (p *Probe) send(now time.Time, late time.Duration) {
	p.mu.Lock()
	number := len(p.samples)
	p.samples = append(p.samples, sample{sent: now.UnixNano()})
	p.late = max(p.late, late)
	p.mu.Unlock()

	var b [echoLen]byte
	b[0] = icmpEchoRequest
	if p.target.Is6() {
		b[0] = icmpv6EchoRequest
	}
	binary.BigEndian.PutUint16(b[4:], p.ident)
	binary.BigEndian.PutUint16(b[6:], uint16(number))
	binary.BigEndian.PutUint64(b[8:], p.cookie)
	binary.BigEndian.PutUint64(b[16:], uint64(number))
	if p.target.Is4() { // the kernel computes ICMPv6's
		binary.BigEndian.PutUint16(b[2:], internetChecksum(b[:]))
	}
	err := unix.Sendto(p.fd, b[:], unix.MSG_DONTWAIT, p.to)
	if err != nil {
		p.mu.Lock()
		p.sendErrs++
		p.mu.Unlock()
	}
}

// internetChecksum is that of RFC 1071.
func internetChecksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// receive reads all that is queued.
func (p *Probe) receive() {
	for {
		n, oobn, _, _, err := unix.Recvmsg(p.fd, p.buf[:], p.oob[:], unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return // EAGAIN, or a queued error of an earlier packet
		}
		at, ok := kernelTime(p.oob[:oobn])
		if !ok {
			at = time.Now()
		}
		if number, ok := p.parse(p.buf[:n]); ok {
			p.note(number, at)
		}
	}
}

// parse returns the number of one of our echo requests that b answers.
func (p *Probe) parse(b []byte) (number int, ok bool) {
	reply := byte(icmpv6EchoReply)
	if p.target.Is4() { // a raw IPv4 socket shows the IP header
		reply = icmpEchoReply
		if len(b) < 20 {
			return 0, false
		}
		ihl := int(b[0]&0x0f) * 4
		if len(b) < ihl {
			return 0, false
		}
		b = b[ihl:]
	}
	if len(b) < echoLen || b[0] != reply ||
		binary.BigEndian.Uint16(b[4:]) != p.ident || binary.BigEndian.Uint64(b[8:]) != p.cookie {
		return 0, false
	}
	return int(binary.BigEndian.Uint64(b[16:])), true
}

func (p *Probe) note(number int, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if number < 0 || number >= len(p.samples) {
		return
	}
	s := &p.samples[number]
	if s.answered != 0 {
		p.dups++
		return
	}
	s.answered = at.UnixNano()
	p.answered++
	if p.waiting {
		p.waiting = false
		close(p.changed)
		p.changed = make(chan struct{})
	}
}

// kernelTime finds the receive time among control messages.
func kernelTime(oob []byte) (time.Time, bool) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return time.Time{}, false
	}
	for _, m := range msgs {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS &&
			len(m.Data) >= int(unsafe.Sizeof(unix.Timespec{})) {
			ts := (*unix.Timespec)(unsafe.Pointer(&m.Data[0]))
			return time.Unix(ts.Unix()), true
		}
	}
	return time.Time{}, false
}

func (p *Probe) missing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answered < len(p.samples)
}

// Mark notes a moment in the timeline and returns it.
func (p *Probe) Mark(name string) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now().Round(0)
	p.marks = append(p.marks, Mark{Name: name, At: now})
	return now
}

// AwaitAnswers waits until n requests that were sent after the call have been
// answered.
func (p *Probe) AwaitAnswers(ctx context.Context, n int) error {
	p.mu.Lock()
	first := len(p.samples)
	p.mu.Unlock()
	for {
		p.mu.Lock()
		got := 0
		for _, s := range p.samples[first:] {
			if s.answered != 0 {
				got++
			}
		}
		p.waiting = true
		changed := p.changed
		p.mu.Unlock()
		if got >= n {
			return nil
		}
		select {
		case <-changed:
		case <-p.done:
			return fmt.Errorf("await answers of %v: %w", p.target, net.ErrClosed)
		case <-ctx.Done():
			return fmt.Errorf("await %d answers of %v, got %d: %w", n, p.target, got, ctx.Err())
		}
	}
}

// Stop ends the probe, waits up to the grace for missing answers, and returns
// the result. A second call returns the same result.
func (p *Probe) Stop() *ProbeResult {
	p.stopOnce.Do(func() {
		end := time.Now().Round(0)
		one := binary.NativeEndian.AppendUint64(nil, 1)
		_, _ = unix.Write(p.wake, one)
		<-p.done
		p.unregister()
		p.close()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.result = p.summarize(end)
	})
	return p.result
}

func (p *Probe) summarize(end time.Time) *ProbeResult {
	r := &ProbeResult{
		Target: p.target, Interval: p.opts.Interval,
		Start: p.start.Round(0), End: end,
		Sent: len(p.samples), Answered: p.answered, Lost: len(p.samples) - p.answered,
		SendErrors: p.sendErrs, Duplicates: p.dups, MaxSendDelay: p.late, Marks: p.marks,
	}
	for _, s := range p.samples {
		if s.answered != 0 {
			r.MaxRTT = max(r.MaxRTT, time.Duration(s.answered-s.sent))
		}
	}
	r.Outages = findOutages(p.samples, r.Start.UnixNano(), end.UnixNano(), p.opts.MinOutage)
	return r
}
