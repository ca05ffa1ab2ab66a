package netif

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// recvBuffer is asked for a request socket. Errors of one batch are queued
	// on it, each counted with about 1 kB.
	recvBuffer = 1 << 20
	// inBytes holds one datagram of a dump: the kernel fills up to 32 kB.
	inBytes = 64 << 10
	// answerTimeout bounds the wait for an answer. The kernel answers before
	// send returns, so this is only against waiting for ever.
	answerTimeout = 10 * time.Second
	// dumpAttempts bounds how often a dump is repeated that changes interrupted.
	dumpAttempts = 10
)

// Kernel asks the kernel of one network namespace about links and addresses
// and changes addresses, by an rtnetlink socket of its own. It is not safe for
// concurrent use, and a call returns when the kernel has answered.
type Kernel struct {
	fd    int
	seq   uint32
	marks bool
	out   []byte // requests being built, reused
	in    []byte // answers being read, reused
}

// OpenKernel opens a Kernel on the network namespace of the calling thread.
// Reading needs no privilege, changing needs CAP_NET_ADMIN.
func OpenKernel() (*Kernel, error) {
	fd, err := openSocket(0, recvBuffer, 0)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	k := &Kernel{fd: fd, in: make([]byte, inBytes), out: make([]byte, 0, batchBytes)}
	if k.marks, err = k.knowsAttr(attrProto); err != nil {
		return nil, errors.Join(fmt.Errorf("probe address marks: %w", err), k.Close())
	}
	return k, nil
}

// openSocket opens and binds a route netlink socket that is in the given
// multicast groups (a bit mask) and has, if allowed, a receive buffer of
// buffer bytes. Mode is 0 or SOCK_NONBLOCK.
func openSocket(groups uint32, buffer, mode int) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|mode, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if err := setUp(fd, groups, buffer); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func setUp(fd int, groups uint32, buffer int) error {
	// Without the privilege the buffer is bounded by net.core.rmem_max.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer); err != nil {
			return fmt.Errorf("set receive buffer: %w", err)
		}
	}
	// Explanations in errors: Linux 4.12. Their absence costs only the text.
	for _, option := range []int{unix.NETLINK_EXT_ACK, unix.NETLINK_CAP_ACK} {
		err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, option, 1)
		if err != nil && !errors.Is(err, unix.ENOPROTOOPT) {
			return fmt.Errorf("set netlink option %d: %w", option, err)
		}
	}
	timeout := unix.NsecToTimeval(int64(answerTimeout))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return fmt.Errorf("set receive timeout: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// Close closes the socket.
func (k *Kernel) Close() error {
	if err := unix.Close(k.fd); err != nil {
		return fmt.Errorf("close rtnetlink: %w", err)
	}
	return nil
}

// MarksSupported reports whether this kernel keeps the mark [Protocol] on
// addresses (Linux 5.18 and what distributions carried back). On others it is
// silently ignored, and the only safe ownership is: an address that is in the
// configuration.
func (k *Kernel) MarksSupported() bool { return k.marks }

// knowsAttr reports whether the kernel knows an attribute of addresses. It
// sends a dump request with it, checked strictly (Linux 4.20): an unknown one
// is refused with a pointer to the attribute, a known one that a dump cannot
// use without. Nothing is changed, logged or guessed from version numbers.
func (k *Kernel) knowsAttr(attr uint16) (bool, error) {
	err := unix.SetsockoptInt(k.fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	if errors.Is(err, unix.ENOPROTOOPT) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("set strict checking: %w", err)
	}
	defer func() {
		// Dumps are not strict otherwise: old kernels refuse some headers.
		_ = unix.SetsockoptInt(k.fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 0)
	}()
	k.seq++
	k.out = appendHeader(k.out[:0], unix.RTM_GETADDR, unix.NLM_F_DUMP, k.seq)
	k.out = append(k.out, unix.AF_INET, 0, 0, 0, 0, 0, 0, 0) // struct ifaddrmsg
	k.out = endMessage(appendAttr(k.out, attr, 0), 0)
	if err := k.send(k.out); err != nil {
		return false, err
	}
	known := false
	err = k.receive(func(m message) (bool, error) {
		switch m.kind {
		case unix.NLMSG_ERROR, unix.NLMSG_DONE:
			e, badAttr, err := parseError(m)
			known = err == nil && (e == nil || !badAttr)
			return true, err
		}
		return false, nil
	})
	return known, err
}

// Links returns all interfaces.
func (k *Kernel) Links() ([]Link, error) {
	var links []Link
	err := k.dump(unix.RTM_GETLINK, func(b []byte) []byte {
		links = links[:0]
		b = append(b, make([]byte, unix.SizeofIfInfomsg)...)
		return appendUint32Attr(b, unix.IFLA_EXT_MASK, skipStats)
	}, func(m message) error {
		l, ok, err := parseLink(m.body)
		if ok && m.kind == unix.RTM_NEWLINK {
			links = append(links, l)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read links: %w", err)
	}
	return links, nil
}

// Addrs returns all IPv4 and IPv6 addresses of all interfaces. A dump that
// changes interrupted is repeated some times; when the host never comes to
// rest, the last one is returned as it is, since a takeover cannot wait.
func (k *Kernel) Addrs() ([]Installed, error) {
	var addrs []Installed
	err := k.dump(unix.RTM_GETADDR, func(b []byte) []byte {
		addrs = addrs[:0]
		return append(b, make([]byte, unix.SizeofIfAddrmsg)...)
	}, func(m message) error {
		in, ok, err := parseAddr(m.body)
		if ok && m.kind == unix.RTM_NEWADDR {
			addrs = append(addrs, in)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read addresses: %w", err)
	}
	return k.nameLinks(addrs), nil
}

// nameLinks fills in the names of the interfaces. Addresses of an interface
// that went meanwhile are gone with it.
func (k *Kernel) nameLinks(addrs []Installed) []Installed {
	names := make(map[int]string)
	kept := addrs[:0]
	for _, in := range addrs {
		name, seen := names[in.Index]
		if !seen {
			name, _ = linkName(k.fd, in.Index)
			names[in.Index] = name
		}
		if in.Link = name; name != "" {
			kept = append(kept, in)
		}
	}
	return kept
}

// linkName returns the name of an interface in the namespace of the socket.
func linkName(fd, index int) (string, error) {
	request, err := unix.NewIfreq("")
	if err != nil {
		return "", fmt.Errorf("interface %d: %w", index, err)
	}
	request.SetUint32(uint32(index))
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFNAME, request); err != nil {
		return "", fmt.Errorf("interface %d: %w", index, err)
	}
	return request.Name(), nil
}

// linkIndex returns the index of the interface of that name in the namespace
// of the socket. The kernel accepts alternative names too, which the addresses
// that it reports do not carry, so these are refused.
func linkIndex(fd int, name string) (int, error) {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return 0, fmt.Errorf("interface %q: %w", name, ErrInvalid)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request); err != nil {
		return 0, fmt.Errorf("interface %s: %w", name, noLink(err))
	}
	index := int(request.Uint32())
	real, err := linkName(fd, index)
	if err != nil || real != name {
		return 0, fmt.Errorf("interface %s: %w", name, ErrNoLink)
	}
	return index, nil
}

// noLink makes ErrNoLink of the errors that mean it.
func noLink(err error) error {
	if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) || errors.Is(err, fs.ErrNotExist) {
		return ErrNoLink
	}
	return err
}

// dump reads a whole table, again if changes interrupted it. Request appends
// the request's payload and forgets what an earlier attempt has read.
func (k *Kernel) dump(kind uint16, request func([]byte) []byte, each func(message) error) error {
	for range dumpAttempts {
		k.seq++
		k.out = request(appendHeader(k.out[:0], kind, unix.NLM_F_DUMP, k.seq))
		if err := k.send(endMessage(k.out, 0)); err != nil {
			return err
		}
		interrupted := false
		err := k.receive(func(m message) (bool, error) {
			interrupted = interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
			if m.kind != unix.NLMSG_ERROR && m.kind != unix.NLMSG_DONE {
				return false, each(m)
			}
			e, _, err := parseError(m)
			if e != nil && e.errno != unix.EINTR {
				return true, e
			}
			interrupted = interrupted || e != nil
			return true, err
		})
		if err != nil {
			return err
		}
		if !interrupted {
			return nil
		}
	}
	return nil
}

// send hands requests to the kernel, which works them off before it returns.
func (k *Kernel) send(b []byte) error {
	for {
		err := unix.Sendto(k.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("sendto", err)
		}
	}
}

// receive calls fn for each answer to the requests up to k.seq until fn says
// that it was the last. Answers to older requests, left over by an error, are
// dropped; how old is what first says.
func (k *Kernel) receive(fn func(message) (last bool, err error)) error {
	return k.receiveFrom(k.seq, fn)
}

func (k *Kernel) receiveFrom(first uint32, fn func(message) (last bool, err error)) error {
	for {
		n, from, err := unix.Recvfrom(k.fd, k.in, unix.MSG_TRUNC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return os.NewSyscallError("recvfrom", err)
		case n > len(k.in):
			return fmt.Errorf("netlink answer of %d bytes: %w", n, unix.EMSGSIZE)
		}
		if sa, ok := from.(*unix.SockaddrNetlink); !ok || sa.Pid != 0 {
			continue // not from the kernel
		}
		for b := k.in[:n]; len(b) > 0; {
			var m message
			if m, b, err = nextMessage(b); err != nil {
				return err
			}
			if m.seq-first > k.seq-first { // modulo 2^32
				continue
			}
			last, err := fn(m)
			if last || err != nil {
				return err
			}
		}
	}
}

// askForAck makes the message that begins at start be acknowledged.
func askForAck(b []byte, start int) {
	flags := binary.NativeEndian.Uint16(b[start+6:])
	binary.NativeEndian.PutUint16(b[start+6:], flags|unix.NLM_F_ACK)
}
