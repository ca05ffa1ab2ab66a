package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Question is one connection, or one datagram, to a [Backend].
type Question struct {
	// Target is where to: usually a virtual address.
	Target netip.AddrPort
	// Source is where from: the kernel chooses what is not valid, or 0.
	Source netip.AddrPort
	// UDP asks by datagram.
	UDP bool
	// Timeout bounds the wait for a connection and for an answer; 0 is 2 s.
	Timeout time.Duration
}

// Ask puts the questions one after the other from the namespace, and returns the
// answers in their order. Connections are reset when they are answered, so that
// they leave no trace in the client. It stops at the first that fails.
//
// Sockets are used without the runtime's poller: ten thousand take a second.
func (n *Namespace) Ask(questions ...Question) ([]Answer, error) {
	answers := make([]Answer, 0, len(questions))
	err := n.Do(func() error {
		for i, q := range questions {
			a, err := ask(q)
			if err != nil {
				return fmt.Errorf("question %d, %v to %v: %w", i+1, q.Source, q.Target, err)
			}
			answers = append(answers, a)
		}
		return nil
	})
	return answers, err
}

func ask(q Question) (Answer, error) {
	domain, kind := unix.AF_INET6, unix.SOCK_STREAM
	if q.Target.Addr().Is4() {
		domain = unix.AF_INET
	}
	if q.UDP {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return Answer{}, err
	}
	defer unix.Close(fd)
	if err := prepare(fd, q); err != nil {
		return Answer{}, err
	}
	if err := retry(func() error { return unix.Connect(fd, socketAddress(q.Target)) }); err != nil {
		return Answer{}, fmt.Errorf("connect: %w", err)
	}
	if q.UDP {
		if _, err := unix.Write(fd, []byte("?")); err != nil {
			return Answer{}, fmt.Errorf("send: %w", err)
		}
	}
	buf := make([]byte, 256)
	var got int
	err = retry(func() (err error) {
		got, err = unix.Read(fd, buf)
		return err
	})
	if err != nil {
		return Answer{}, fmt.Errorf("read answer: %w", err)
	}
	// The greeting is one small segment.
	return parseAnswer(string(buf[:got]))
}

// prepare sets options and the source of a socket.
func prepare(fd int, q Question) error {
	timeout := q.Timeout
	if timeout == 0 {
		timeout = 2 * time.Second
	}
	tv := unix.NsecToTimeval(timeout.Nanoseconds())
	for _, opt := range []int{unix.SO_SNDTIMEO, unix.SO_RCVTIMEO} {
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, opt, &tv); err != nil {
			return err
		}
	}
	if !q.UDP {
		if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
			return err
		}
	}
	if !q.Source.Addr().IsValid() {
		return nil
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := unix.Bind(fd, socketAddress(q.Source)); err != nil {
		return fmt.Errorf("bind to %v: %w", q.Source, err)
	}
	return nil
}

// retry repeats a call that a signal interrupted, of which the runtime sends some.
func retry(fn func() error) error {
	for {
		if err := fn(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func socketAddress(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
