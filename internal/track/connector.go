package track

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The kernel's process events: linux/connector.h, linux/cn_proc.h.
const (
	cnIdxProc  = 1 // CN_IDX_PROC, also the multicast group
	cnValProc  = 1 // CN_VAL_PROC
	mcastBegin = 1 // PROC_CN_MCAST_LISTEN
	mcastEnd   = 2 // PROC_CN_MCAST_IGNORE

	procNone = 0x00000000 // PROC_EVENT_NONE: the answer to mcastBegin
	procFork = 0x00000001
	procExec = 0x00000002
	procComm = 0x00000200
	procExit = 0x80000000

	nlHeader   = unix.SizeofNlMsghdr
	cnHeader   = 20                     // struct cn_msg
	procOffset = nlHeader + cnHeader    // struct proc_event in a message
	dataOffset = procOffset + 4 + 4 + 8 // its event_data

	// procBuffer holds the events of a few thousand processes that end together.
	procBuffer = 1 << 20
)

// procEvent is an event of a process; events of threads are left out.
type procEvent struct {
	what uint32
	pid  int
	// parent is that of a fork.
	parent int
	// err is that of procNone.
	err int
}

// parseProcEvents reads a datagram of the process connector.
func parseProcEvents(b []byte) []procEvent {
	var list []procEvent
	u32 := func(m []byte, at int) uint32 { return binary.NativeEndian.Uint32(m[at:]) }
	for len(b) >= nlHeader {
		length := int(u32(b, 0))
		if length < nlHeader || length > len(b) {
			break
		}
		m := b[:length]
		b = b[min((length+3)&^3, len(b)):]
		if length < dataOffset+8 || u32(m, nlHeader) != cnIdxProc || u32(m, nlHeader+4) != cnValProc {
			continue
		}
		ev := procEvent{what: u32(m, procOffset)}
		pid, tgid := int(int32(u32(m, dataOffset))), int(int32(u32(m, dataOffset+4)))
		switch ev.what {
		case procNone:
			ev.err = pid
		case procFork: // parent_pid, parent_tgid, child_pid, child_tgid
			if length < dataOffset+16 {
				continue
			}
			child, childGroup := int(int32(u32(m, dataOffset+8))), int(int32(u32(m, dataOffset+12)))
			if child != childGroup {
				continue
			}
			ev.parent, ev.pid = tgid, child
		case procExec, procComm, procExit: // process_pid, process_tgid
			if pid != tgid {
				continue
			}
			ev.pid = pid
		default:
			continue
		}
		list = append(list, ev)
	}
	return list
}

// procFilter drops in the kernel most of what parseProcEvents would drop: other
// events, and new threads. Numbers are in the machine's order, which a filter reads
// as if they came from the network.
func procFilter() ([]bpf.RawInstruction, error) {
	order := func(v uint32) uint32 {
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], v)
		return binary.BigEndian.Uint32(b[:])
	}
	const pass = 1 << 16
	return bpf.Assemble([]bpf.Instruction{
		/*  0 */ bpf.LoadAbsolute{Off: procOffset, Size: 4},
		/*  1 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: order(procFork), SkipTrue: 5},
		/*  2 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: order(procNone), SkipTrue: 8},
		/*  3 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: order(procExec), SkipTrue: 7},
		/*  4 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: order(procComm), SkipTrue: 6},
		/*  5 */ bpf.JumpIf{Cond: bpf.JumpEqual, Val: order(procExit), SkipTrue: 5},
		/*  6 */ bpf.RetConstant{Val: 0},
		/*  7: child_pid */ bpf.LoadAbsolute{Off: dataOffset + 8, Size: 4},
		/*  8 */ bpf.TAX{},
		/*  9: child_tgid */ bpf.LoadAbsolute{Off: dataOffset + 12, Size: 4},
		/* 10 */ bpf.JumpIfX{Cond: bpf.JumpNotEqual, SkipTrue: 1},
		/* 11 */ bpf.RetConstant{Val: pass},
		/* 12 */ bpf.RetConstant{Val: 0},
	})
}

// connector is a socket for process events.
type connector struct {
	fd    int
	proof bool // an event came, so that it works
	buf   []byte
}

// openConnector subscribes to process events. It needs CAP_NET_ADMIN and the
// initial network, user and process namespaces: in others it is refused, or the
// answer does not come.
func openConnector() (*connector, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_CONNECTOR)
	if err != nil {
		return nil, fmt.Errorf("open process connector: %w", err)
	}
	c := &connector{fd: fd, buf: make([]byte, 8<<10)}
	if err := c.subscribe(); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("open process connector: %w", err)
	}
	return c, nil
}

func (c *connector) subscribe() error {
	if unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, procBuffer) != nil {
		_ = unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, procBuffer)
	}
	code, err := procFilter()
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(code))
	for i, ins := range code {
		filter[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	if err := unix.SetsockoptSockFprog(c.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	if err := unix.Bind(c.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: cnIdxProc}); err != nil {
		return err
	}
	return c.control(mcastBegin)
}

// control asks the kernel to begin or end.
func (c *connector) control(op uint32) error {
	b := make([]byte, procOffset+4)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.NLMSG_DONE)
	binary.NativeEndian.PutUint32(b[nlHeader:], cnIdxProc)
	binary.NativeEndian.PutUint32(b[nlHeader+4:], cnValProc)
	binary.NativeEndian.PutUint16(b[nlHeader+16:], 4) // length of the operation
	binary.NativeEndian.PutUint32(b[procOffset:], op)
	return unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

// read reads what is there. lost says that events were dropped: everything must
// be looked at again.
func (c *connector) read(take func(procEvent)) (lost bool, err error) {
	for {
		n, from, err := unix.Recvfrom(c.fd, c.buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return lost, nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS):
			lost = true
			continue
		case err != nil:
			return lost, fmt.Errorf("read process events: %w", err)
		}
		if sa, ok := from.(*unix.SockaddrNetlink); !ok || sa.Pid != 0 {
			continue // not the kernel
		}
		for _, ev := range parseProcEvents(c.buf[:n]) {
			if ev.what == procNone && ev.err != 0 {
				return lost, fmt.Errorf("process events: %w", unix.Errno(ev.err))
			}
			c.proof = true
			if ev.what != procNone {
				take(ev)
			}
		}
	}
}

func (c *connector) close() {
	_ = c.control(mcastEnd) // older kernels count listeners by this
	_ = unix.Close(c.fd)
}
