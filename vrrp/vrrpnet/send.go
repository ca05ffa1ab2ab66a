package vrrpnet

import "golang.org/x/sys/unix"

const (
	// queueLen is how many packets one Flush can send per socket. The cost of a
	// system call is spread thinly enough at 64 (see BenchmarkSend); more
	// lengthens the time in which the thread does not listen.
	queueLen = 256
	// arenaLen is the room for the bytes of packets that are not prepared.
	arenaLen = 128 << 10
)

// queue holds what is to leave by one socket. Everything is allocated at Open.
type queue struct {
	fd    int // -1: the kernel has no such socket
	n     int
	msgs  []mmsghdr
	from  []*Prepared // what msgs was made of
	slots []Prepared  // for packets that are not prepared
	arena []byte
	used  int
}

func newQueue() queue {
	return queue{
		fd:    -1,
		msgs:  make([]mmsghdr, queueLen),
		from:  make([]*Prepared, queueLen),
		slots: make([]Prepared, queueLen),
		arena: make([]byte, arenaLen),
	}
}

func (q *queue) add(s *Prepared) bool {
	if q.n == len(q.msgs) {
		return false
	}
	q.msgs[q.n].hdr = s.msg.hdr
	q.from[q.n] = s
	q.n++
	return true
}

// Queue copies p and sends it with the next Flush. It returns false when there
// is no room: Flush, then try again. A packet that cannot be sent at all counts
// as SendInvalid and is gone. Order is kept among packets of one family that
// all have a SrcMAC or all have none.
func (n *Net) Queue(p *Packet) bool {
	if p.check() != nil {
		n.stats.SendErrors[SendInvalid]++
		return true
	}
	q := &n.queues[p.sender()]
	size := p.wireLen()
	if q.n == len(q.msgs) || len(q.arena)-q.used < size {
		return false
	}
	s := &q.slots[q.n]
	s.fill(p, q.arena[q.used:q.used+size:q.used+size])
	q.used += size
	return q.add(s)
}

// QueuePrepared is Queue for a prepared packet: nothing is copied but the
// message descriptor. The same packet may be queued several times.
func (n *Net) QueuePrepared(s *Prepared) bool { return n.queues[s.via].add(s) }

// OnSendError has f called by Flush for each packet that could not be sent,
// with the packet's tag and interface. f must not call methods of n. Nil, the
// default, is nobody.
func (n *Net) OnSendError(f func(tag uint32, link int, kind SendError, err unix.Errno)) {
	n.onError = f
}

// Flush sends all that is queued, with one system call per 256 packets and
// socket when nothing fails. It returns how many the kernel took and the first
// error. Nothing stays in the queue: a packet that fails is counted and
// skipped, for a late advert is worse than none.
func (n *Net) Flush() (sent int, err error) {
	var first unix.Errno
	for i := range n.queues {
		q := &n.queues[i]
		if q.n == 0 {
			continue
		}
		ok, errno := n.flush(q)
		sent += ok
		if first == 0 {
			first = errno
		}
	}
	n.stats.Sent += uint64(sent)
	if first != 0 {
		return sent, first
	}
	return sent, nil
}

func (n *Net) flush(q *queue) (sent int, first unix.Errno) {
	for done := 0; done < q.n; {
		ok, errno := sendmmsg(q.fd, q.msgs[done:q.n])
		if errno == 0 && ok > 0 {
			sent += ok
			done += ok
			continue
		}
		if first == 0 {
			first = errno
		}
		n.sendFailed(q.from[done], errno)
		done++
		if errno == unix.EAGAIN {
			// The send buffer is the socket's, so the others would fail as well.
			for ; done < q.n; done++ {
				n.sendFailed(q.from[done], errno)
			}
		}
	}
	q.n, q.used = 0, 0
	return sent, first
}

func (n *Net) sendFailed(s *Prepared, errno unix.Errno) {
	kind := kindOf(errno)
	n.stats.SendErrors[kind]++
	if n.onError != nil {
		n.onError(s.tag, s.link, kind, errno)
	}
}
