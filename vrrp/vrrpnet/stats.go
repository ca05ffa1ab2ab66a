package vrrpnet

import "golang.org/x/sys/unix"

// SendError is the kind of a failure to send. Its text is the label of the
// counter in metrics.
type SendError uint8

// The kinds of failure. What the kernel answers for each is in kindOf.
const (
	// SendLinkDown is an interface that is down.
	SendLinkDown SendError = iota + 1
	// SendNoLink is an interface that does not exist.
	SendNoLink
	// SendUnreachable is a destination without a route. IPv4 also answers so
	// for an interface that is down.
	SendUnreachable
	// SendAddress is a source address that cannot be used, for example an IPv6
	// address that is tentative.
	SendAddress
	// SendNoBuffer is a full send buffer or queue.
	SendNoBuffer
	// SendRefused is a firewall that forbids it.
	SendRefused
	// SendTooBig is a packet that exceeds the interface's MTU.
	SendTooBig
	// SendInvalid is a packet that was refused before the kernel saw it.
	SendInvalid
	// SendOther is anything else.
	SendOther

	// NumSendErrors is one more than the last kind, for arrays of counters.
	NumSendErrors
)

var sendErrorNames = [NumSendErrors]string{
	SendLinkDown: "link-down", SendNoLink: "no-link", SendUnreachable: "unreachable", SendAddress: "address",
	SendNoBuffer: "no-buffer", SendRefused: "refused", SendTooBig: "too-big", SendInvalid: "invalid", SendOther: "other",
}

func (k SendError) String() string {
	if k > 0 && k < NumSendErrors {
		return sendErrorNames[k]
	}
	return "unknown"
}

// kindOf sorts what sendmsg(2) answers on raw and packet sockets.
func kindOf(e unix.Errno) SendError {
	switch e {
	case unix.ENETDOWN:
		return SendLinkDown
	case unix.ENODEV, unix.ENXIO:
		return SendNoLink
	case unix.ENETUNREACH, unix.EHOSTUNREACH:
		return SendUnreachable
	case unix.EINVAL, unix.EADDRNOTAVAIL:
		return SendAddress
	case unix.ENOBUFS, unix.EAGAIN, unix.ENOMEM:
		return SendNoBuffer
	case unix.EPERM, unix.EACCES:
		return SendRefused
	case unix.EMSGSIZE:
		return SendTooBig
	}
	return SendOther
}

// Stats are counters since Open. They never go back, also not when sockets are
// closed.
type Stats struct {
	// Received counts the datagrams that were handed on.
	Received uint64
	// Malformed counts packets without a sound IP header.
	Malformed uint64
	// Foreign counts packets to destinations that nobody listens to. The filter
	// in the kernel drops most of them uncounted.
	Foreign uint64
	// Truncated counts datagrams that were cut because they are longer than
	// any VRRP message.
	Truncated uint64
	// KernelDrops counts packets that were lost because a receive buffer was
	// full.
	KernelDrops uint64
	// RecvErrors counts failed attempts to receive.
	RecvErrors uint64
	// Sent counts packets that the kernel took.
	Sent uint64
	// SendErrors counts packets that it did not take, by kind.
	SendErrors [NumSendErrors]uint64
	// Sockets is the number of receiving sockets.
	Sockets int
	// ReceiveBuffer is the smallest receive buffer of them in bytes, as the
	// kernel accounts it; 0 without sockets. It is smaller than 8 MiB where
	// the process may not exceed net.core.rmem_max.
	ReceiveBuffer int
}
