package vrrpnet

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"hakeep/vrrp"
)

// Mem is a network of virtual hosts in memory, for tests of loops. Interfaces
// of hosts are attached to segments; what one host flushes is in the receive
// queues of the others when Flush returns. Nothing is lost unless a test asks
// for it. Its methods and those of different hosts may be called concurrently.
type Mem struct {
	mu    sync.Mutex
	hosts []*MemNet
	drop  func(from, to *MemNet, p *Packet) bool
}

// NewMem returns a network without hosts.
func NewMem() *Mem { return &Mem{} }

// MemNet is one virtual host's network. It has the methods of a Net, of which
// the consumer picks those of its interface. Descriptors are negative, so that
// poll(2) passes over them; Notify and Pending take the place of waiting.
type MemNet struct {
	mem      *Mem
	segments map[int]string // by interface index; guarded by mem.mu, as all below
	sockets  map[socketKey]*memSocket
	fds      []int
	queue    []Packet
	stats    Stats
	notify   func()
	onError  func(tag uint32, link int, kind SendError, err unix.Errno)
}

type memSocket struct {
	socketKey
	fd     int
	wanted addrSet
	queue  []Datagram
}

// memQueueLen is how many datagrams a virtual receive buffer holds.
const memQueueLen = 1 << 14

// Host returns a new host without interfaces. Notify, unless nil, is called
// for each datagram that came into its receive queues, by the goroutine of the
// host that sent it.
func (m *Mem) Host(notify func()) *MemNet {
	h := &MemNet{mem: m, segments: map[int]string{}, sockets: map[socketKey]*memSocket{}, notify: notify}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hosts = append(m.hosts, h)
	return h
}

// Drop has packets lost for which f returns true. Nil loses none.
func (m *Mem) Drop(f func(from, to *MemNet, p *Packet) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop = f
}

// Attach connects interface link of the host to a segment, instead of the one
// before. The empty segment pulls the cable.
func (h *MemNet) Attach(link int, segment string) {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	h.segments[link] = segment
}

// Detach deletes the interface.
func (h *MemNet) Detach(link int) {
	h.mem.mu.Lock()
	delete(h.segments, link)
	h.mem.mu.Unlock()
	h.Forget(link)
}

// Sync is [Net.Sync].
func (h *MemNet) Sync(want []Endpoint) error {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	var errs []error
	plan := map[socketKey][]*Endpoint{}
	for i := range want {
		e := &want[i]
		if err := e.check(); err != nil {
			errs = append(errs, &EndpointError{Endpoint: *e, Err: err})
			continue
		}
		if _, ok := h.segments[e.Link]; ok || e.Link == 0 {
			k := socketKey{e.Family, e.Link}
			plan[k] = append(plan[k], e)
		}
	}
	for k := range h.sockets {
		if _, ok := plan[k]; !ok {
			delete(h.sockets, k)
		}
	}
	for k, ends := range plan {
		s := h.sockets[k]
		if s == nil {
			s = &memSocket{socketKey: k, fd: -2 - 2*k.link - int(k.family-vrrp.IPv4)}
			h.sockets[k] = s
		}
		dsts, _ := destinations(ends)
		s.wanted = newAddrSet(dsts)
	}
	h.listFDs()
	return errors.Join(errs...)
}

// Forget is [Net.Forget].
func (h *MemNet) Forget(link int) {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	for k := range h.sockets {
		if k.link == link && link != 0 {
			delete(h.sockets, k)
		}
	}
	h.listFDs()
}

func (h *MemNet) listFDs() {
	h.fds = nil
	for _, s := range h.ordered() {
		h.fds = append(h.fds, s.fd)
	}
}

// ordered returns the sockets in the order of FDs.
func (h *MemNet) ordered() []*memSocket {
	list := make([]*memSocket, 0, len(h.sockets))
	for _, s := range h.sockets {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *memSocket) int {
		return cmp.Or(cmp.Compare(a.family, b.family), cmp.Compare(a.link, b.link))
	})
	return list
}

// FDs is [Net.FDs].
func (h *MemNet) FDs() []int {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	return h.fds
}

// PollFD returns -1, which poll(2) passes over.
func (h *MemNet) PollFD() int { return -1 }

// Pending reports whether something is in the receive queues.
func (h *MemNet) Pending() bool {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	for _, s := range h.sockets {
		if len(s.queue) > 0 {
			return true
		}
	}
	return false
}

// Recv is [Net.Recv].
func (h *MemNet) Recv(fd, budget int, f func(*Datagram)) (count int, more bool, err error) {
	h.mem.mu.Lock()
	for _, s := range h.sockets {
		if s.fd == fd {
			got, left := s.take(budget)
			h.stats.Received += uint64(len(got))
			h.mem.mu.Unlock()
			for i := range got {
				f(&got[i])
			}
			return len(got), left, nil
		}
	}
	h.mem.mu.Unlock()
	return 0, false, fmt.Errorf("receive from descriptor %d: %w", fd, unix.EBADF)
}

func (s *memSocket) take(budget int) (got []Datagram, more bool) {
	k := min(max(budget, 0), len(s.queue))
	got, s.queue = s.queue[:k:k], s.queue[k:]
	return got, k == budget
}

// RecvReady is [Net.RecvReady].
func (h *MemNet) RecvReady(budget int, f func(*Datagram)) (count int, more bool, err error) {
	for _, fd := range h.FDs() {
		got, left, err := h.Recv(fd, budget-count, f)
		count += got
		if err != nil || left {
			return count, true, err
		}
	}
	return count, false, nil
}

// Queue is [Net.Queue].
func (h *MemNet) Queue(p *Packet) bool {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	if p.check() != nil {
		h.stats.SendErrors[SendInvalid]++
		return true
	}
	if len(h.queue) == queueLen {
		return false
	}
	c := *p
	c.Payload = slices.Clone(p.Payload)
	h.queue = append(h.queue, c)
	return true
}

// QueuePrepared is [Net.QueuePrepared].
func (h *MemNet) QueuePrepared(s *Prepared) bool { return h.Queue(&s.packet) }

// OnSendError is [Net.OnSendError].
func (h *MemNet) OnSendError(f func(tag uint32, link int, kind SendError, err unix.Errno)) {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	h.onError = f
}

// Flush is [Net.Flush]. Packets by an interface that is not attached fail with
// ENETDOWN, by one that does not exist with ENODEV, and without interface on a
// host that is attached to nothing with ENETUNREACH. That nobody listens is no
// error.
func (h *MemNet) Flush() (sent int, err error) {
	h.mem.mu.Lock()
	var first unix.Errno
	var after []func() // without the lock
	for i := range h.queue {
		p := &h.queue[i]
		segment, errno := h.way(p)
		if errno == 0 {
			sent++
			after = h.deliver(p, segment, after)
			continue
		}
		first = cmp.Or(first, errno)
		kind := kindOf(errno)
		h.stats.SendErrors[kind]++
		if f := h.onError; f != nil {
			after = append(after, func() { f(p.Tag, p.Link, kind, errno) })
		}
	}
	h.stats.Sent += uint64(sent)
	h.queue = nil
	h.mem.mu.Unlock()
	for _, f := range after {
		f()
	}
	if first != 0 {
		return sent, first
	}
	return sent, nil
}

// way returns the segment that p is sent to; for p without interface it is
// empty and means all.
func (h *MemNet) way(p *Packet) (segment string, errno unix.Errno) {
	segment, ok := h.segments[p.Link]
	if p.Link == 0 {
		for _, at := range h.segments {
			if at != "" {
				return "", 0
			}
		}
		return "", unix.ENETUNREACH
	}
	switch {
	case !ok:
		return "", unix.ENODEV
	case segment == "":
		return "", unix.ENETDOWN
	}
	return segment, 0
}

// deliver puts p into the queues of all that listen, and adds what notifies
// them to after.
func (h *MemNet) deliver(p *Packet, segment string, after []func()) []func() {
	for _, to := range h.mem.hosts {
		if to == h || h.mem.drop != nil && h.mem.drop(h, to, p) {
			continue
		}
		for _, link := range slices.Sorted(maps.Keys(to.segments)) {
			at := to.segments[link]
			if at == "" || p.Link != 0 && at != segment {
				continue
			}
			s := to.listener(p, link)
			if s == nil {
				continue
			}
			if len(s.queue) == memQueueLen {
				to.stats.KernelDrops++
				continue
			}
			d := Datagram{Link: link, Src: unzoned(p.Src), Dst: unzoned(p.Dst), TTL: p.ttl(), Payload: slices.Clone(p.Payload)}
			if d.TTL < 0 {
				d.TTL = 64 // the kernel's default
			}
			s.queue = append(s.queue, d)
			if to.notify != nil {
				after = append(after, to.notify)
			}
			if !p.Dst.IsMulticast() {
				break // an address is on one interface
			}
		}
	}
	return after
}

// listener returns the socket that takes a packet arriving on link.
func (h *MemNet) listener(p *Packet, link int) *memSocket {
	dst, f := unzoned(p.Dst), vrrp.FamilyOf(p.Dst)
	for _, l := range []int{link, 0} {
		if s := h.sockets[socketKey{f, l}]; s != nil && s.wanted.has(dst) {
			return s
		}
	}
	return nil
}

// Stats is [Net.Stats].
func (h *MemNet) Stats() Stats {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	st := h.stats
	st.Sockets = len(h.sockets)
	return st
}

// Close takes the host off the network.
func (h *MemNet) Close() error {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	h.mem.hosts = slices.DeleteFunc(h.mem.hosts, func(o *MemNet) bool { return o == h })
	h.sockets = map[socketKey]*memSocket{}
	h.fds, h.queue = nil, nil
	return nil
}
