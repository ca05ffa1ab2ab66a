package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"hakeep/vrrp"
	"hakeep/vrrp/vrrpnet"
)

// sendStep is how often the loop that only sends does so, and what each virtual
// router's interval is.
const sendStep = 10 * time.Millisecond

// sentOnly is what such a loop found.
type sentOnly struct {
	Sent uint64
	CPU  time.Duration
}

// sendOnly does nothing but send the adverts of n virtual routers, prepared once:
// the floor below which a router cannot be. They leave in ten batches in each step,
// as the instances of a router are not all due at once.
func sendOnly(n int, bare bool, d time.Duration) error {
	runtime.LockOSThread()
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 40}, 0)
	ifi, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("224.0.0.18")
	var payloads [][]byte
	for i := range n {
		a := vrrp.Advert{Version: 3, VRID: uint8(i + 1), Priority: 150, Interval: sendStep, Form: vrrp.ChecksumPseudo,
			Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 1, 0, byte(i + 1)})}}
		payloads = append(payloads, a.Append(nil, src, dst))
	}
	batch, err := prepared(payloads, ifi.Index, src, dst)
	if bare {
		batch, err = sendmmsgOf(payloads, src, dst)
	}
	if err != nil {
		return err
	}
	const parts = 10
	var out sentOnly
	used, begin := ownCPU(), time.Now()
	for turn := 1; time.Since(begin) < d; turn++ {
		part := turn % parts
		sent, err := batch(n*part/parts, n*(part+1)/parts)
		if err != nil {
			return err
		}
		out.Sent += uint64(sent)
		wait := unix.NsecToTimespec(int64(time.Until(begin.Add(time.Duration(turn) * sendStep / parts))))
		if wait.Nano() > 0 {
			_, _ = unix.Ppoll(nil, &wait, nil)
		}
	}
	out.CPU = ownCPU() - used
	return json.NewEncoder(os.Stdout).Encode(out)
}

// prepared sends as the elector does.
func prepared(payloads [][]byte, link int, src, dst netip.Addr) (func(from, to int) (int, error), error) {
	n, err := vrrpnet.Open()
	if err != nil {
		return nil, err
	}
	if err := n.Sync([]vrrpnet.Endpoint{{Family: vrrp.IPv4, Link: link, Group: dst, Local: src}}); err != nil {
		return nil, err
	}
	var list []*vrrpnet.Prepared
	for _, b := range payloads {
		p, err := vrrpnet.Prepare(&vrrpnet.Packet{Family: vrrp.IPv4, Link: link, Src: src, Dst: dst, Payload: b})
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return func(from, to int) (int, error) {
		for _, p := range list[from:to] {
			if !n.QueuePrepared(p) {
				return 0, errors.New("queue is full")
			}
		}
		return n.Flush()
	}, nil
}

// sendmmsgOf sends by a plain raw socket and sendmmsg, with nothing around it.
func sendmmsgOf(payloads [][]byte, src, dst netip.Addr) (func(from, to int) (int, error), error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 112)
	if err != nil {
		return nil, err
	}
	for _, err := range []error{
		unix.SetsockoptInet4Addr(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, src.As4()),
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 255),
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1), // nobody reads it
		unix.Connect(fd, &unix.SockaddrInet4{Addr: dst.As4()}),
	} {
		if err != nil {
			return nil, err
		}
	}
	type message struct { // struct mmsghdr
		hdr unix.Msghdr
		n   uint32
	}
	msgs, vecs := make([]message, len(payloads)), make([]unix.Iovec, len(payloads))
	for i, b := range payloads {
		vecs[i].Base = &b[0]
		vecs[i].SetLen(len(b))
		msgs[i].hdr.Iov = &vecs[i]
		msgs[i].hdr.SetIovlen(1)
	}
	return func(from, to int) (int, error) {
		if from == to {
			return 0, nil
		}
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&msgs[from])), uintptr(to-from), 0, 0, 0)
		runtime.KeepAlive(payloads)
		if errno != 0 {
			return 0, fmt.Errorf("sendmmsg: %w", errno)
		}
		return int(n), nil
	}, nil
}
