package daemon

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// checkPermission tries, without changing anything, what the elector cannot do
// without: a raw socket, and a change of addresses. Looking at capabilities
// would not do: in a user namespace they may all be there and be refused.
func checkPermission() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return refused("CAP_NET_RAW is missing", fmt.Errorf("open raw socket: %w", err))
	}
	_ = unix.Close(fd)
	if err := tryAddress(); err != nil {
		return refused("CAP_NET_ADMIN is missing", fmt.Errorf("change addresses: %w", err))
	}
	return nil
}

// refused makes a PermissionError of an error that is one.
func refused(missing string, err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return &PermissionError{Missing: missing + "; run as root, or give the service this capability", Err: err}
	}
	return err
}

// tryAddress asks for the removal of an address from interface 0, which does
// not exist. The kernel looks at permission first (rtnetlink_rcv_msg).
func tryAddress() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	const size = unix.SizeofNlMsghdr + unix.SizeofIfAddrmsg
	req := make([]byte, size)
	binary.NativeEndian.PutUint32(req[0:], size)
	binary.NativeEndian.PutUint16(req[4:], unix.RTM_DELADDR)
	binary.NativeEndian.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	req[unix.SizeofNlMsghdr] = unix.AF_INET
	if err := unix.Sendto(fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, unix.Getpagesize())
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	if n < unix.SizeofNlMsghdr+4 {
		return fmt.Errorf("answer of %d bytes", n)
	}
	errno := unix.Errno(-int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])))
	if errno == unix.EPERM || errno == unix.EACCES {
		return errno
	}
	return nil // ENODEV: it would have been done
}
