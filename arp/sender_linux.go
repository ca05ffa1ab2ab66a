package arp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Batch is the number of frames that a Sender takes before it must be flushed.
// It is the number of adverts that a peer's default receive buffer survives in
// a burst four times over (a raw socket keeps 256 packets), and bounds the time
// that one Flush takes.
const Batch = 64

// sendBuffer is the send buffer asked for, in bytes. The default of the kernel
// holds fewer than 300 frames, so one link that does not drain its queue (1,000
// frames by default, each accounted with up to 768 bytes) would keep the frames
// of all other links out. This holds the full queues of several such links.
const sendBuffer = 4 << 20

// Sender sends announcements on one packet socket for all links of a network
// namespace, in batches. All its memory is taken when it is made. It is owned by
// one goroutine. Nothing it does blocks.
type Sender struct {
	fd      int
	queued  int
	dropped uint64

	// One message for each frame of the batch. They point into the arrays
	// below, so a Sender must not be copied.
	messages  [Batch]unix.Mmsghdr
	vectors   [Batch]unix.Iovec
	addresses [Batch]unix.RawSockaddrLinklayer
	frames    [Batch][naFrameLen]byte
}

// NewSender opens the socket, in the network namespace of the calling thread.
// That needs CAP_NET_RAW. The socket receives nothing: its protocol is 0.
func NewSender() (*Sender, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket for announcements: %w", err)
	}
	// Without CAP_NET_ADMIN the limit of the host holds, which is no reason
	// not to announce.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
	}
	s := &Sender{fd: fd}
	for i := range s.messages {
		s.vectors[i].Base = &s.frames[i][0]
		s.addresses[i] = unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Halen: 6}
		header := &s.messages[i].Hdr
		header.Name = (*byte)(unsafe.Pointer(&s.addresses[i]))
		header.Namelen = unix.SizeofSockaddrLinklayer
		header.Iov = &s.vectors[i]
		header.SetIovlen(1)
	}
	return s, nil
}

// Room returns how many more targets Queue takes before Flush.
func (s *Sender) Room() int { return Batch - s.queued }

// Queue puts the announcement of t into the batch. It returns false, and does
// nothing, when the batch is full. A target without a valid address or link
// cannot be announced; it counts as dropped.
func (s *Sender) Queue(t Target) bool {
	if s.queued == Batch {
		return false
	}
	i := s.queued
	addr := normal(t.Addr)
	frame, protocol := s.frames[i][:0], uint16(etherTypeARP)
	if addr.Is4() {
		frame = AppendGratuitous(frame, t.MAC, addr)
	} else {
		protocol = etherTypeIPv6
		frame = AppendUnsolicitedNA(frame, t.MAC, addr, t.Router)
	}
	if len(frame) == 0 || t.Link <= 0 {
		s.dropped++
		return true
	}
	address := &s.addresses[i]
	address.Ifindex = int32(t.Link)
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&address.Protocol))[:], protocol)
	copy(address.Addr[:6], frame)
	s.vectors[i].SetLen(len(frame))
	s.queued++
	return true
}

// Flush sends the batch and empties it. It returns how many frames the kernel
// took. A frame that it refuses is dropped and counted, and the frames after it
// are sent none the less: an announcement is repeated anyway, and the other
// links must not suffer from one that is down, gone or congested. Those reasons
// (ENOBUFS, ENOMEM, EAGAIN, ENETDOWN, ENXIO, ENODEV) are no errors; the first
// refusal for another reason is returned.
func (s *Sender) Flush() (sent int, err error) {
	queued := s.queued
	s.queued = 0
	interrupted := 0
	for next := 0; next < queued; {
		n, errno := s.send(next, queued)
		switch {
		case errno == 0:
			next += n
			sent += n
			continue
		case errno == unix.EINTR && interrupted < Batch:
			interrupted++
			continue
		case errno == unix.EBADF:
			s.dropped += uint64(queued - next)
			return sent, fmt.Errorf("send announcements: %w", errno)
		}
		if !transient(errno) && err == nil {
			err = fmt.Errorf("send announcement on link %d: %w", s.addresses[next].Ifindex, errno)
		}
		s.dropped++
		next++
	}
	return sent, err
}

// send hands the messages from first up to end to the kernel with one system
// call. The kernel stops at the first that it refuses: it returns the reason
// when that is the first of all, else how many went before.
//
// The raw system call does not tell the scheduler. The socket does not block,
// and a thread that gives its processor up at each call gets it back late
// (the elector's wakeups would be up to milliseconds late under load).
func (s *Sender) send(first, end int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd),
		uintptr(unsafe.Pointer(&s.messages[first])), uintptr(end-first), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// transient reports whether the reason lies with one link at this moment.
func transient(errno unix.Errno) bool {
	switch errno {
	case unix.ENOBUFS, unix.ENOMEM, unix.EAGAIN, unix.ENETDOWN, unix.ENXIO, unix.ENODEV:
		return true
	}
	return false
}

// Dropped returns how many announcements were not sent since the Sender was
// made.
func (s *Sender) Dropped() uint64 { return s.dropped }

// Close closes the socket. What is queued is lost. Later calls of Close do
// nothing, later calls of Flush report an error.
func (s *Sender) Close() error {
	if s.fd < 0 {
		return nil
	}
	fd := s.fd
	s.fd = -1
	s.queued = 0
	if err := unix.Close(fd); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("close packet socket for announcements: %w", err)
	}
	return nil
}
