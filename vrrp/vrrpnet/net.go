package vrrpnet

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Net is the sockets of one host. It is owned by the thread that opened it.
type Net struct {
	queues  [numSenders]queue
	control int // any open sending socket, to ask about interfaces
	epoll   int
	events  []unix.EpollEvent
	sockets map[socketKey]*socket
	byFD    map[int]*socket
	fds     []int
	rx      *receiver
	stats   Stats
	onError func(tag uint32, link int, kind SendError, err unix.Errno)
}

// Open opens the sockets to send by; Sync opens those to receive by. It needs
// CAP_NET_RAW. A kernel without IPv6 or without packet sockets is not an error
// here: endpoints and packets that need them are.
func Open() (_ *Net, err error) {
	n := &Net{
		control: -1,
		epoll:   -1,
		events:  make([]unix.EpollEvent, recvBatch),
		sockets: map[socketKey]*socket{},
		byFD:    map[int]*socket{},
		rx:      newReceiver(),
	}
	for i := range n.queues {
		n.queues[i] = newQueue()
	}
	defer func() {
		if err != nil {
			_ = n.Close()
		}
	}()
	if n.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("open epoll: %w", err)
	}
	for i, open := range [numSenders]func() (int, error){senderIPv4: openIPv4, senderIPv6: openIPv6, senderFrame: openFrame} {
		fd, err := open()
		if errors.Is(err, unix.EAFNOSUPPORT) {
			continue
		}
		if err != nil {
			return nil, err
		}
		n.queues[i].fd = fd
		n.control = fd
	}
	if n.control < 0 {
		return nil, fmt.Errorf("open sockets: %w", unix.EAFNOSUPPORT)
	}
	return n, nil
}

// PollFD returns a descriptor that is readable while any receive socket has
// something queued (epoll(7)). It stays the same until Close.
func (n *Net) PollFD() int { return n.epoll }

// FDs returns the receive sockets, by family and interface index. The slice is
// valid until the next Sync or Forget.
func (n *Net) FDs() []int { return n.fds }

// Stats returns the counters.
func (n *Net) Stats() Stats {
	for _, s := range n.sockets {
		if drops, ok := socketDrops(s.fd); ok {
			n.countDrops(s, drops)
		}
	}
	st := n.stats
	st.Sockets = len(n.sockets)
	for _, s := range n.sockets {
		if st.ReceiveBuffer == 0 || s.buffer < st.ReceiveBuffer {
			st.ReceiveBuffer = s.buffer
		}
	}
	return st
}

// countDrops adds what a socket's drop counter, which wraps around, has gained.
func (n *Net) countDrops(s *socket, drops uint32) {
	if gain := int32(drops - s.drops); gain > 0 {
		n.stats.KernelDrops += uint64(gain)
		s.drops = drops
	}
}

// socketDrops reads the drop counter of a socket. SO_RXQ_OVFL tells it with the
// next packet only, and after an overrun there may be none.
func socketDrops(fd int) (uint32, bool) {
	var info [unix.SK_MEMINFO_VARS]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || size < 4*(unix.SK_MEMINFO_DROPS+1) {
		return 0, false
	}
	return info[unix.SK_MEMINFO_DROPS], true
}

// Sync makes sockets and memberships as want says: it opens, joins, leaves and
// closes. What is unchanged is not touched. An endpoint on an interface that
// does not exist is left out without an error, and a socket whose interface has
// vanished is closed. Other errors concern single endpoints, keep the others
// from nothing and are joined, each an [*EndpointError]; the next Sync tries
// again.
func (n *Net) Sync(want []Endpoint) error {
	var errs []error
	plan := map[socketKey][]*Endpoint{}
	for i := range want {
		e := &want[i]
		if err := e.check(); err != nil {
			errs = append(errs, &EndpointError{Endpoint: *e, Err: err})
			continue
		}
		k := socketKey{e.Family, e.Link}
		plan[k] = append(plan[k], e)
	}
	for k, s := range n.sockets {
		if _, ok := plan[k]; !ok {
			n.drop(s)
		}
	}
	for k, ends := range plan {
		errs = append(errs, n.syncSocket(k, ends)...)
	}
	n.listFDs()
	return errors.Join(errs...)
}

// Forget closes the sockets of an interface that was deleted. Sync notices a
// missing interface itself; Forget is for RTM_DELLINK, as a new interface may
// get the same index before the next Sync.
func (n *Net) Forget(link int) {
	for k, s := range n.sockets {
		if k.link == link && link != 0 {
			n.drop(s)
		}
	}
	n.listFDs()
}

// syncSocket makes the socket k serve ends.
func (n *Net) syncSocket(k socketKey, ends []*Endpoint) (errs []error) {
	fail := func(err error, concerned []*Endpoint) []error {
		if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) {
			return errs
		}
		for _, e := range concerned {
			errs = append(errs, &EndpointError{Endpoint: *e, Err: err})
		}
		return errs
	}
	s := n.sockets[k]
	if k.link != 0 {
		if _, err := linkName(n.control, k.link); err != nil {
			if s != nil {
				n.drop(s)
			}
			return fail(err, ends)
		}
	}
	fresh := s == nil
	if fresh {
		var err error
		if s, err = openSocket(k); err != nil {
			return fail(err, ends)
		}
	}
	dsts, groups := destinations(ends)
	for _, e := range ends {
		if e.Group.IsValid() {
			if err := s.join(unzoned(e.Group)); err != nil {
				errs = fail(err, []*Endpoint{e})
			}
		}
	}
	if fresh {
		s.settle()
	}
	if err := s.want(dsts); err != nil {
		if fresh {
			s.close()
		}
		return fail(err, ends)
	}
	for g := range s.joined {
		if !slices.Contains(groups, g) {
			s.leave(g)
		}
	}
	if fresh {
		if err := n.add(s); err != nil {
			s.close()
			return fail(err, ends)
		}
	}
	return errs
}

// destinations returns what is sent to the endpoints, sorted, and the groups of
// it.
func destinations(ends []*Endpoint) (dsts, groups []netip.Addr) {
	for _, e := range ends {
		if e.Group.IsValid() {
			groups = append(groups, unzoned(e.Group))
		}
		if e.Local.IsValid() {
			dsts = append(dsts, unzoned(e.Local))
		}
	}
	dsts = append(dsts, groups...)
	slices.SortFunc(dsts, netip.Addr.Compare)
	return slices.Compact(dsts), groups
}

func unzoned(a netip.Addr) netip.Addr { return a.WithZone("") }

// add makes s one of the receive sockets.
func (n *Net) add(s *socket) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.fd)}
	if err := unix.EpollCtl(n.epoll, unix.EPOLL_CTL_ADD, s.fd, &ev); err != nil {
		return fmt.Errorf("watch socket: %w", err)
	}
	n.sockets[s.socketKey] = s
	n.byFD[s.fd] = s
	return nil
}

// drop closes s. Its drops stay counted.
func (n *Net) drop(s *socket) {
	if drops, ok := socketDrops(s.fd); ok {
		n.countDrops(s, drops)
	}
	delete(n.sockets, s.socketKey)
	delete(n.byFD, s.fd)
	s.close()
}

func (n *Net) listFDs() {
	list := make([]*socket, 0, len(n.sockets))
	for _, s := range n.sockets {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *socket) int {
		return cmp.Or(cmp.Compare(a.family, b.family), cmp.Compare(a.link, b.link))
	})
	n.fds = make([]int, len(list))
	for i, s := range list {
		n.fds[i] = s.fd
	}
}

// Close closes all sockets. What is queued is not sent. The Net cannot be used
// afterwards.
func (n *Net) Close() error {
	for _, s := range n.sockets {
		n.drop(s)
	}
	n.fds = nil
	var errs []error
	closeFD := func(fd *int) {
		if *fd >= 0 {
			errs = append(errs, unix.Close(*fd))
			*fd = -1
		}
	}
	for i := range n.queues {
		closeFD(&n.queues[i].fd)
	}
	closeFD(&n.epoll)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close sockets: %w", err)
	}
	return nil
}
