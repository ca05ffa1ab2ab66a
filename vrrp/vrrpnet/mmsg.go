package vrrpnet

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2) and sendmmsg(2). Go pads it like C.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// recvmmsg and sendmmsg use RawSyscall6: the descriptors do not block, so the
// scheduler need not know (see doc.go).

func recvmmsg(fd int, msgs []mmsghdr) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(msgs))), uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0)
		if errno == 0 {
			return int(n), 0
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

func sendmmsg(fd int, msgs []mmsghdr) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(msgs))), uintptr(len(msgs)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if errno == 0 {
			return int(n), 0
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// epollReady fills events with what is ready now.
func epollReady(fd int, events []unix.EpollEvent) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
		if errno == 0 {
			return int(n), 0
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// sizeofLong is the size of size_t, which the length in a control message has.
const sizeofLong = int(unsafe.Sizeof(uintptr(0)))

// appendCmsg appends a control message of n bytes of data that put fills.
func appendCmsg(b []byte, level, typ int32, n int, put func([]byte)) []byte {
	start := len(b)
	b = b[:start+unix.CmsgSpace(n)]
	c := b[start:]
	clear(c)
	if sizeofLong == 8 {
		binary.NativeEndian.PutUint64(c, uint64(unix.CmsgLen(n)))
	} else {
		binary.NativeEndian.PutUint32(c, uint32(unix.CmsgLen(n)))
	}
	binary.NativeEndian.PutUint32(c[sizeofLong:], uint32(level))
	binary.NativeEndian.PutUint32(c[sizeofLong+4:], uint32(typ))
	put(c[unix.CmsgLen(0):])
	return b
}

// ancillary is what control messages tell about a received packet.
type ancillary struct {
	link     int // 0: not told
	dst      [16]byte
	haveDst  bool
	hopLimit int // -1: not told
	drops    uint32
	haveDrop bool
}

// parse reads control messages. What is cut off or unknown is passed over.
func (a *ancillary) parse(b []byte) {
	*a = ancillary{hopLimit: -1}
	head := unix.CmsgLen(0)
	for len(b) >= head {
		size := cmsgSize(b)
		if size < head || size > len(b) {
			return
		}
		level := int32(binary.NativeEndian.Uint32(b[sizeofLong:]))
		typ := int32(binary.NativeEndian.Uint32(b[sizeofLong+4:]))
		a.take(level, typ, b[head:size])
		b = b[min(unix.CmsgSpace(size-head), len(b)):]
	}
}

// cmsgSize returns the length field of a control message, -1 if it is absurd.
func cmsgSize(b []byte) int {
	var size uint64
	if sizeofLong == 8 {
		size = binary.NativeEndian.Uint64(b)
	} else {
		size = uint64(binary.NativeEndian.Uint32(b))
	}
	if size > uint64(len(b)) {
		return -1
	}
	return int(size)
}

func (a *ancillary) take(level, typ int32, data []byte) {
	switch {
	case level == unix.IPPROTO_IP && typ == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
		a.link = int(int32(binary.NativeEndian.Uint32(data)))
	case level == unix.IPPROTO_IPV6 && typ == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
		copy(a.dst[:], data)
		a.haveDst = true
		a.link = int(int32(binary.NativeEndian.Uint32(data[16:])))
	case level == unix.IPPROTO_IPV6 && typ == unix.IPV6_HOPLIMIT && len(data) >= 4:
		a.hopLimit = int(int32(binary.NativeEndian.Uint32(data)))
	case level == unix.SOL_SOCKET && typ == unix.SO_RXQ_OVFL && len(data) >= 4:
		a.drops = binary.NativeEndian.Uint32(data)
		a.haveDrop = true
	}
}
