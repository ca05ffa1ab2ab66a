package vrrpnet

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"hakeep/vrrp"
)

const (
	// recvBatch is how many datagrams one system call reads.
	recvBatch = 64
	// recvLen holds the longest message with the longest IPv4 header.
	recvLen = 60 + maxMessage
	// recvControlLen holds IPV6_PKTINFO, IPV6_HOPLIMIT and SO_RXQ_OVFL, with
	// room to spare.
	recvControlLen = 128
	// maxRecvErrors is how many errors of a socket in one call are passed over
	// before the rest is left for the next call.
	maxRecvErrors = 4
	// recvNameLen holds a sockaddr_in6.
	recvNameLen = unix.SizeofSockaddrInet6
)

// receiver is where recvmmsg writes to. One serves all sockets of a Net.
type receiver struct {
	msgs     []mmsghdr
	iovs     []unix.Iovec
	bufs     []byte
	names    [][recvNameLen]byte
	controls [][recvControlLen]byte
	anc      ancillary
	datagram Datagram
}

func newReceiver() *receiver {
	r := &receiver{
		msgs:     make([]mmsghdr, recvBatch),
		iovs:     make([]unix.Iovec, recvBatch),
		bufs:     make([]byte, recvBatch*recvLen),
		names:    make([][recvNameLen]byte, recvBatch),
		controls: make([][recvControlLen]byte, recvBatch),
	}
	for i := range r.msgs {
		r.iovs[i].Base = &r.bufs[i*recvLen]
		r.iovs[i].SetLen(recvLen)
		h := &r.msgs[i].hdr
		h.Name = &r.names[i][0]
		h.Iov = &r.iovs[i]
		h.SetIovlen(1)
		h.Control = &r.controls[i][0]
		r.reset(i)
	}
	return r
}

// reset undoes what the kernel wrote into descriptor i.
func (r *receiver) reset(i int) {
	h := &r.msgs[i].hdr
	h.Namelen = recvNameLen
	h.SetControllen(recvControlLen)
	h.Flags = 0
}

// Recv reads what is queued on the receive socket fd, at most budget datagrams,
// and hands each one for us to f, in the order of arrival. It returns how many
// it handed on. more says that the end of the queue was not seen because the
// budget was used up: adverts may be left that came before a timeout. An error
// does not harm the socket (the kernel reports an event once); what is queued
// behind it is read all the same. f may call Queue and Flush, but neither Recv
// nor Sync.
func (n *Net) Recv(fd, budget int, f func(*Datagram)) (count int, more bool, err error) {
	s := n.byFD[fd]
	if s == nil {
		return 0, false, fmt.Errorf("receive from descriptor %d: %w", fd, unix.EBADF)
	}
	_, count, more, err = n.recv(s, budget, f)
	return count, more, err
}

// RecvReady is Recv for all sockets that have something queued, as fair between
// them as the kernel is. It needs no list of ready descriptors; an idle socket
// costs nothing, however many there are.
func (n *Net) RecvReady(budget int, f func(*Datagram)) (count int, more bool, err error) {
	errorsBefore := n.stats.RecvErrors
	for budget > 0 {
		ready, errno := epollReady(n.epoll, n.events)
		if errno != 0 {
			return count, false, errno
		}
		again := ready == len(n.events)
		for i := range n.events[:ready] {
			s := n.byFD[int(n.events[i].Fd)]
			if s == nil {
				continue
			}
			read, got, left, failed := n.recv(s, min(budget, recvBatch), f)
			count += got
			budget -= read
			again = again || left
			if failed != nil && err == nil {
				err = failed
			}
			if budget <= 0 {
				return count, true, err
			}
		}
		if !again {
			return count, false, err
		}
		if n.stats.RecvErrors-errorsBefore >= maxRecvErrors {
			return count, true, err
		}
	}
	return count, true, err
}

// recv reads at most budget datagrams from s and hands on those for us.
func (n *Net) recv(s *socket, budget int, f func(*Datagram)) (read, count int, more bool, err error) {
	r := n.rx
	for failures := 0; read < budget; {
		batch := min(len(r.msgs), budget-read)
		got, errno := recvmmsg(s.fd, r.msgs[:batch])
		switch errno {
		case 0:
		case unix.EAGAIN:
			return read, count, false, err
		default:
			n.stats.RecvErrors++
			err = errno
			if failures++; failures == maxRecvErrors {
				return read, count, true, err
			}
			continue // what is queued behind it counts
		}
		read += got
		for i := range got {
			if n.decode(s, i) {
				n.stats.Received++
				count++
				f(&r.datagram)
			}
			r.reset(i)
		}
		if got < batch {
			return read, count, false, err
		}
	}
	return read, count, true, err
}

// decode makes the datagram of descriptor i and reports whether it is for us.
func (n *Net) decode(s *socket, i int) bool {
	r := n.rx
	m := &r.msgs[i]
	size := min(int(m.n), recvLen)
	raw := r.bufs[i*recvLen : i*recvLen+size]
	d := &r.datagram
	r.anc.parse(r.controls[i][:min(int(m.hdr.Controllen), recvControlLen)])
	if r.anc.haveDrop {
		n.countDrops(s, r.anc.drops)
	}
	cut := m.hdr.Flags&unix.MSG_TRUNC != 0
	if cut {
		n.stats.Truncated++
	}
	ok := false
	if s.family == vrrp.IPv4 {
		ok = d.parseIPv4(raw, cut)
	} else {
		ok = d.parseIPv6(raw, r.names[i][:min(int(m.hdr.Namelen), recvNameLen)], &r.anc)
	}
	if !ok {
		n.stats.Malformed++
		return false
	}
	d.Link = s.link
	if s.link == 0 {
		d.Link = r.anc.link
		if n.elsewhere(s.family, d) {
			return false
		}
	}
	if !s.wanted.has(d.Dst) {
		n.stats.Foreign++
		return false
	}
	return true
}

// elsewhere reports whether the socket of the interface that d arrived on has
// received it as well.
func (n *Net) elsewhere(f vrrp.Family, d *Datagram) bool {
	s := n.sockets[socketKey{f, d.Link}]
	return d.Link != 0 && s != nil && s.wanted.has(d.Dst)
}

// parseIPv4 takes b apart, which begins with the IP header. cut says that the
// end of b is missing.
func (d *Datagram) parseIPv4(b []byte, cut bool) bool {
	if len(b) < ipv4Len || b[0]>>4 != 4 || b[9] != protocol {
		return false
	}
	head := int(b[0]&0xf) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if head < ipv4Len || head > len(b) || total < head || total > len(b) && !cut {
		return false
	}
	// The kernel delivers whole packets: more fragments or an offset is
	// something else.
	if binary.BigEndian.Uint16(b[6:])&^(flagDF|0x8000) != 0 {
		return false
	}
	d.TTL = int(b[8])
	d.Src = netip.AddrFrom4([4]byte(b[12:16]))
	d.Dst = netip.AddrFrom4([4]byte(b[16:20]))
	d.Payload = b[head:min(total, len(b))]
	return true
}

// parseIPv6 takes the message, the sender's address and what the control
// messages said.
func (d *Datagram) parseIPv6(b, name []byte, anc *ancillary) bool {
	if len(name) < 24 || binary.NativeEndian.Uint16(name) != unix.AF_INET6 || !anc.haveDst {
		return false
	}
	d.Src = netip.AddrFrom16([16]byte(name[8:24]))
	d.Dst = netip.AddrFrom16(anc.dst)
	d.TTL = anc.hopLimit
	d.Payload = b
	return true
}
