package netif

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxName = unix.IFNAMSIZ - 1 // interface names and labels, without the final zero

	attrProto      = 11         // IFA_PROTO, linux/if_addr.h, Linux 5.18
	operUnknown    = 0          // IF_OPER_UNKNOWN, linux/if.h, RFC 2863
	operUp         = 6          // IF_OPER_UP
	skipStats      = 8          // RTEXT_FILTER_SKIP_STATS, linux/rtnetlink.h
	lifetimeNever  = 0xffffffff // INFINITY_LIFE_TIME, net/addrconf.h
	attrMask       = 0x3fff     // NLA_TYPE_MASK: without the nested and byte order bits
	cacheInfoBytes = 16         // struct ifa_cacheinfo
)

var errShort = errors.New("netlink message is too short")

// message is one netlink message, its payload not decoded.
type message struct {
	kind  uint16
	flags uint16
	seq   uint32
	pid   uint32
	body  []byte
}

// nextMessage cuts the first message off b.
func nextMessage(b []byte) (message, []byte, error) {
	if len(b) < unix.NLMSG_HDRLEN {
		return message{}, nil, errShort
	}
	size := binary.NativeEndian.Uint32(b)
	if size < unix.NLMSG_HDRLEN || uint64(size) > uint64(len(b)) {
		return message{}, nil, fmt.Errorf("netlink message of %d bytes in %d: %w", size, len(b), errShort)
	}
	m := message{
		kind:  binary.NativeEndian.Uint16(b[4:]),
		flags: binary.NativeEndian.Uint16(b[6:]),
		seq:   binary.NativeEndian.Uint32(b[8:]),
		pid:   binary.NativeEndian.Uint32(b[12:]),
		body:  b[unix.NLMSG_HDRLEN:size],
	}
	return m, b[min(align(int(size)), len(b)):], nil
}

// eachAttr calls fn for each attribute in b. What does not fit is ignored, as
// the kernel ignores trailing bytes.
func eachAttr(b []byte, fn func(kind uint16, value []byte)) {
	for len(b) >= unix.SizeofRtAttr {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return
		}
		fn(binary.NativeEndian.Uint16(b[2:])&attrMask, b[unix.SizeofRtAttr:size])
		b = b[min(align(size), len(b)):]
	}
}

// parseAddr decodes the payload of RTM_NEWADDR and RTM_DELADDR. The
// interface's name is not in it and is left empty; so is, for families other
// than IPv4 and IPv6, everything, and ok is false.
func parseAddr(b []byte) (in Installed, ok bool, err error) {
	if len(b) < unix.SizeofIfAddrmsg {
		return in, false, fmt.Errorf("address: %w", errShort)
	}
	family, bits, flags := b[0], int(b[1]), uint32(b[2])
	if family != unix.AF_INET && family != unix.AF_INET6 {
		return in, false, nil
	}
	in.Scope = b[3]
	in.Index = int(binary.NativeEndian.Uint32(b[4:]))
	var local, address netip.Addr
	preferred := uint32(lifetimeNever)
	eachAttr(b[unix.SizeofIfAddrmsg:], func(kind uint16, v []byte) {
		switch kind {
		case unix.IFA_LOCAL:
			local = parseIP(family, v)
		case unix.IFA_ADDRESS:
			address = parseIP(family, v)
		case unix.IFA_BROADCAST:
			in.Broadcast = parseIP(family, v)
		case unix.IFA_LABEL:
			in.Label = parseName(v)
		case unix.IFA_FLAGS:
			if len(v) >= 4 {
				flags = binary.NativeEndian.Uint32(v)
			}
		case unix.IFA_CACHEINFO:
			if len(v) >= cacheInfoBytes {
				preferred = binary.NativeEndian.Uint32(v)
			}
		case attrProto:
			if len(v) >= 1 {
				in.Proto = v[0]
			}
		}
	})
	if !local.IsValid() {
		local = address
	}
	if !local.IsValid() || bits > local.BitLen() {
		return Installed{}, false, fmt.Errorf("address %v with prefix length %d: %w", local, bits, ErrInvalid)
	}
	in.Prefix = netip.PrefixFrom(local, bits)
	if address.IsValid() && address != local {
		in.Peer = netip.PrefixFrom(address, bits)
	}
	in.setFlags(flags, preferred)
	return in, true, nil
}

// setFlags takes IFA_F_* and the preferred lifetime in seconds apart.
func (in *Installed) setFlags(flags, preferred uint32) {
	has := func(f uint32) bool { return flags&f != 0 }
	in.Permanent = has(unix.IFA_F_PERMANENT)
	in.Tentative = has(unix.IFA_F_TENTATIVE)
	in.DADFailed = has(unix.IFA_F_DADFAILED)
	in.NoPrefixRoute = has(unix.IFA_F_NOPREFIXROUTE)
	in.Autojoin = has(unix.IFA_F_MCAUTOJOIN)
	if in.is4() {
		in.Secondary = has(unix.IFA_F_SECONDARY) // the same bit is IFA_F_TEMPORARY for IPv6
	} else {
		in.DAD = !has(unix.IFA_F_NODAD)
		in.Home = has(unix.IFA_F_HOMEADDRESS)
		in.MngTmpAddr = has(unix.IFA_F_MANAGETEMPADDR)
	}
	switch {
	case has(unix.IFA_F_DEPRECATED), preferred == 0:
		// IPv4 reports "for ever" of a deprecated permanent address.
		in.PreferredLft = PreferredNever
	case preferred == lifetimeNever:
		in.PreferredLft = PreferredForever
	default:
		in.PreferredLft = time.Duration(preferred) * time.Second
	}
}

// parseLink decodes the payload of RTM_NEWLINK and RTM_DELLINK. ok is false
// for messages of the bridge, which use the same types to speak of a port:
// that a link left a bridge must not look like the end of the link.
func parseLink(b []byte) (l Link, ok bool, err error) {
	if len(b) < unix.SizeofIfInfomsg {
		return l, false, fmt.Errorf("link: %w", errShort)
	}
	if b[0] != unix.AF_UNSPEC {
		return l, false, nil
	}
	l.Ethernet = binary.NativeEndian.Uint16(b[2:]) == unix.ARPHRD_ETHER
	l.Index = int(int32(binary.NativeEndian.Uint32(b[4:])))
	flags := binary.NativeEndian.Uint32(b[8:])
	oper := byte(operUnknown)
	elsewhere := false
	eachAttr(b[unix.SizeofIfInfomsg:], func(kind uint16, v []byte) {
		switch kind {
		case unix.IFLA_IFNAME:
			l.Name = parseName(v)
		case unix.IFLA_MTU:
			l.MTU = parseInt(v)
		case unix.IFLA_MASTER:
			l.Master = parseInt(v)
		case unix.IFLA_LINK:
			l.Parent = parseInt(v)
		case unix.IFLA_LINK_NETNSID:
			elsewhere = true
		case unix.IFLA_OPERSTATE:
			if len(v) >= 1 {
				oper = v[0]
			}
		case unix.IFLA_ADDRESS:
			if len(v) == len(l.MAC) {
				l.MAC = [6]byte(v)
			}
		case unix.IFLA_LINKINFO:
			l.Kind, l.Table = parseLinkInfo(v)
		}
	})
	if l.Name == "" || l.Index <= 0 {
		return Link{}, false, fmt.Errorf("link %d without a name: %w", l.Index, errShort)
	}
	if elsewhere || l.Kind == "veth" || l.Parent == l.Index {
		l.Parent = 0
	}
	l.AdminUp = flags&unix.IFF_UP != 0
	l.Up = l.AdminUp && flags&unix.IFF_RUNNING != 0 && (oper == operUp || oper == operUnknown)
	l.NoARP = flags&unix.IFF_NOARP != 0
	l.Loopback = flags&unix.IFF_LOOPBACK != 0
	l.Multicast = flags&unix.IFF_MULTICAST != 0
	return l, true, nil
}

// parseLinkInfo decodes IFLA_LINKINFO: the kind and, of a VRF, the table.
func parseLinkInfo(b []byte) (kind string, table uint32) {
	var data []byte
	eachAttr(b, func(attr uint16, v []byte) {
		switch attr {
		case unix.IFLA_INFO_KIND:
			kind = parseName(v)
		case unix.IFLA_INFO_DATA:
			data = v
		}
	})
	if kind == "vrf" {
		eachAttr(data, func(attr uint16, v []byte) {
			if attr == unix.IFLA_VRF_TABLE {
				table = parseUint32(v)
			}
		})
	}
	return kind, table
}

func parseIP(family byte, v []byte) netip.Addr {
	switch {
	case family == unix.AF_INET && len(v) == 4:
		return netip.AddrFrom4([4]byte(v))
	case family == unix.AF_INET6 && len(v) == 16:
		return netip.AddrFrom16([16]byte(v))
	}
	return netip.Addr{}
}

func parseName(v []byte) string {
	name, _, _ := strings.Cut(string(v), "\x00")
	return name
}

func parseInt(v []byte) int {
	if len(v) < 4 {
		return 0
	}
	return int(int32(binary.NativeEndian.Uint32(v)))
}

// kernelError is what the kernel answered to a request.
type kernelError struct {
	errno unix.Errno
	text  string // the kernel's explanation, often empty
}

// Error returns the kernel's explanation if it gave one.
func (e *kernelError) Error() string {
	if e.text != "" {
		return fmt.Sprintf("%s (%s)", e.errno.Error(), e.text)
	}
	return e.errno.Error()
}

// Unwrap returns the error number.
func (e *kernelError) Unwrap() error { return e.errno }

// parseError decodes NLMSG_ERROR and the error in NLMSG_DONE; nil means
// success. badAttr says that the kernel pointed at an attribute.
func parseError(m message) (e *kernelError, badAttr bool, err error) {
	if len(m.body) < 4 {
		return nil, false, fmt.Errorf("error: %w", errShort)
	}
	code := int32(binary.NativeEndian.Uint32(m.body))
	if code == 0 {
		return nil, false, nil
	}
	e = &kernelError{errno: unix.Errno(-code)}
	rest := m.body[4:]
	if m.kind == unix.NLMSG_ERROR {
		// The request follows: its header alone when capped, all of it if not.
		if len(rest) < unix.NLMSG_HDRLEN {
			return e, false, nil
		}
		size := unix.NLMSG_HDRLEN
		if m.flags&unix.NLM_F_CAPPED == 0 {
			size = align(int(min(binary.NativeEndian.Uint32(rest), uint32(len(rest)))))
		}
		rest = rest[min(size, len(rest)):]
	}
	if m.flags&unix.NLM_F_ACK_TLVS != 0 {
		eachAttr(rest, func(kind uint16, v []byte) {
			switch kind {
			case unix.NLMSGERR_ATTR_MSG:
				e.text = parseName(v)
			case unix.NLMSGERR_ATTR_OFFS:
				badAttr = true
			}
		})
	}
	return e, badAttr, nil
}

// align rounds up to the four bytes that netlink aligns everything to.
func align(n int) int { return (n + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1) }

// appendHeader begins a message; finish it with endMessage.
func appendHeader(b []byte, kind, flags uint16, seq uint32) []byte {
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = binary.NativeEndian.AppendUint32(b, seq)
	return binary.NativeEndian.AppendUint32(b, 0)
}

// endMessage writes the length of the message that begins at start.
func endMessage(b []byte, start int) []byte {
	binary.NativeEndian.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

// appendAttr appends an attribute with padding.
func appendAttr(b []byte, kind uint16, value ...byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%unix.NLMSG_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}

func appendUint32Attr(b []byte, kind uint16, value uint32) []byte {
	return appendAttr(b, kind, binary.NativeEndian.AppendUint32(nil, value)...)
}

// appendAddr appends RTM_NEWADDR or RTM_DELADDR for a on the interface with
// that index. Everything appended has a length that is a multiple of four.
func appendAddr(b []byte, kind, flags uint16, seq uint32, index int, a Addr, proto uint8) []byte {
	start := len(b)
	b = appendHeader(b, kind, flags, seq)
	family, scope := byte(unix.AF_INET), a.Scope
	if !a.is4() {
		family, scope = unix.AF_INET6, 0
	}
	b = append(b, family, byte(a.bits()), 0, scope)
	b = binary.NativeEndian.AppendUint32(b, uint32(index))

	local, address := a.Prefix.Addr(), a.Prefix.Addr()
	if a.Peer.IsValid() {
		address = a.Peer.Addr()
	}
	// Both are needed in a delete: with IFA_LOCAL alone the kernel takes the
	// first IPv4 address whatever its prefix length.
	b = appendAttr(b, unix.IFA_LOCAL, local.AsSlice()...)
	b = appendAttr(b, unix.IFA_ADDRESS, address.AsSlice()...)
	if kind == unix.RTM_DELADDR {
		return endMessage(b, start)
	}
	if a.is4() {
		if a.Broadcast.IsValid() {
			b = appendAttr(b, unix.IFA_BROADCAST, a.Broadcast.AsSlice()...)
		}
		b = appendAttr(b, unix.IFA_LABEL, append([]byte(a.label()), 0)...)
	}
	b = appendUint32Attr(b, unix.IFA_FLAGS, a.flags())
	if lft := a.preferred(); lft != PreferredForever {
		var info [cacheInfoBytes]byte
		if lft > 0 {
			binary.NativeEndian.PutUint32(info[0:], uint32(lft/time.Second))
		}
		binary.NativeEndian.PutUint32(info[4:], lifetimeNever)
		b = appendAttr(b, unix.IFA_CACHEINFO, info[:]...)
	}
	if proto != 0 {
		b = appendAttr(b, attrProto, proto)
	}
	return endMessage(b, start)
}

// flags are the IFA_F_* that a asks for.
func (a Addr) flags() uint32 {
	var f uint32
	set := func(on bool, flag uint32) {
		if on {
			f |= flag
		}
	}
	set(a.NoPrefixRoute, unix.IFA_F_NOPREFIXROUTE)
	set(a.Autojoin, unix.IFA_F_MCAUTOJOIN)
	if !a.is4() {
		set(!a.DAD, unix.IFA_F_NODAD)
		set(a.Home, unix.IFA_F_HOMEADDRESS)
		set(a.MngTmpAddr, unix.IFA_F_MANAGETEMPADDR)
	}
	return f
}
