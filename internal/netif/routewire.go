package netif

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// expiresAt is where struct rta_cacheinfo has rta_expires, in USER_HZ.
const (
	expiresAt = 8
	userHZ    = 100
)

// IPv6 preferences on the wire (RFC 4191, 2.1).
const (
	wirePrefMedium = 0
	wirePrefHigh   = 1
	wirePrefLow    = 3
)

// appendRoute appends RTM_NEWROUTE or RTM_DELROUTE for r, whose interfaces
// have the indices given by index. Route must be normal and its VRF resolved.
func appendRoute(b []byte, kind, flags uint16, seq uint32, r Route, index func(string) int) []byte {
	start := len(b)
	b = appendHeader(b, kind, flags, seq)
	family, table := byte(unix.AF_INET), byte(unix.RT_TABLE_UNSPEC)
	if !r.is4() {
		family = unix.AF_INET6
	}
	if r.Table < 256 {
		table = byte(r.Table)
	}
	b = append(b, family, byte(r.Dst.Bits()), byte(max(r.From.Bits(), 0)), r.TOS, table, r.Protocol, r.Scope, byte(r.Type))
	rtflags := uint32(0)
	if len(r.NextHops) == 1 && r.NextHops[0].Onlink {
		rtflags = unix.RTNH_F_ONLINK
	}
	b = binary.NativeEndian.AppendUint32(b, rtflags)
	if r.Dst.Bits() > 0 {
		b = appendAttr(b, unix.RTA_DST, r.Dst.Addr().AsSlice()...)
	}
	if r.From.IsValid() {
		b = appendAttr(b, unix.RTA_SRC, r.From.Addr().AsSlice()...)
	}
	b = appendUint32Attr(b, unix.RTA_TABLE, r.Table)
	if r.Metric != 0 {
		b = appendUint32Attr(b, unix.RTA_PRIORITY, r.Metric)
	}
	if r.Src.IsValid() {
		b = appendAttr(b, unix.RTA_PREFSRC, r.Src.AsSlice()...)
	}
	if r.Realms != 0 {
		b = appendUint32Attr(b, unix.RTA_FLOW, r.Realms)
	}
	if metrics := appendMetrics(nil, &r); len(metrics) > 0 {
		b = appendAttr(b, unix.RTA_METRICS, metrics...)
	}
	if !r.is4() && kind == unix.RTM_NEWROUTE {
		if r.Pref != PrefMedium {
			b = appendAttr(b, unix.RTA_PREF, map[RoutePref]byte{PrefLow: wirePrefLow, PrefHigh: wirePrefHigh}[r.Pref])
		}
		if r.Expires != 0 {
			b = appendUint32Attr(b, unix.RTA_EXPIRES, uint32(r.Expires/time.Second))
		}
	}
	if len(r.NextHops) > 1 {
		b = appendAttr(b, unix.RTA_MULTIPATH, appendNextHops(nil, &r, index)...)
	} else if len(r.NextHops) == 1 {
		h := r.NextHops[0]
		b = appendGateway(b, h.Via, family)
		if h.Dev != "" {
			b = appendUint32Attr(b, unix.RTA_OIF, uint32(index(h.Dev)))
		}
	}
	return endMessage(b, start)
}

func appendMetrics(b []byte, r *Route) []byte {
	for i, v := range r.Metrics {
		if v != 0 {
			b = appendUint32Attr(b, uint16(i), v)
		}
	}
	if r.CongCtl != "" {
		b = appendAttr(b, unix.RTAX_CC_ALGO, append([]byte(r.CongCtl), 0)...)
	}
	return b
}

// appendGateway appends RTA_GATEWAY, or RTA_VIA (struct rtvia) where the
// gateway is of another family than the route.
func appendGateway(b []byte, via netip.Addr, family byte) []byte {
	switch {
	case !via.IsValid():
		return b
	case via.Is6() && family == unix.AF_INET:
		v := binary.NativeEndian.AppendUint16(nil, unix.AF_INET6)
		return appendAttr(b, unix.RTA_VIA, append(v, via.AsSlice()...)...)
	}
	return appendAttr(b, unix.RTA_GATEWAY, via.AsSlice()...)
}

// appendNextHops appends struct rtnexthop with attributes for each next hop.
func appendNextHops(b []byte, r *Route, index func(string) int) []byte {
	family := byte(unix.AF_INET)
	if !r.is4() {
		family = unix.AF_INET6
	}
	for _, h := range r.NextHops {
		start := len(b)
		flags := byte(0)
		if h.Onlink {
			flags = unix.RTNH_F_ONLINK
		}
		b = append(b, 0, 0, flags, byte(h.Weight-1))
		i := 0
		if h.Dev != "" {
			i = index(h.Dev)
		}
		b = binary.NativeEndian.AppendUint32(b, uint32(i))
		b = appendGateway(b, h.Via, family)
		if h.Realms != 0 {
			b = appendUint32Attr(b, unix.RTA_FLOW, h.Realms)
		}
		binary.NativeEndian.PutUint16(b[start:], uint16(len(b)-start))
	}
	return b
}

// parseRoute decodes the payload of RTM_NEWROUTE and RTM_DELROUTE. Ok is false
// for families other than IPv4 and IPv6 and for cached routes.
func parseRoute(b []byte, name func(int) string) (r Route, ok bool, err error) {
	if len(b) < unix.SizeofRtMsg {
		return r, false, fmt.Errorf("route: %w", errShort)
	}
	family, dstBits, srcBits := b[0], int(b[1]), int(b[2])
	flags := binary.NativeEndian.Uint32(b[8:])
	if family != unix.AF_INET && family != unix.AF_INET6 || flags&unix.RTM_F_CLONED != 0 {
		return r, false, nil
	}
	r.TOS, r.Table, r.Protocol, r.Scope, r.Type = b[3], uint32(b[4]), b[5], b[6], RouteType(b[7])
	dst, src := netip.IPv4Unspecified(), netip.Addr{}
	if family == unix.AF_INET6 {
		dst, src, r.Scope = netip.IPv6Unspecified(), netip.IPv6Unspecified(), 0
	}
	r.Protocol = marked(r.Protocol)
	p := routeParser{route: &r, family: family, name: name, dst: dst, src: src}
	eachAttr(b[unix.SizeofRtMsg:], p.attr)
	if !p.dst.IsValid() || dstBits > p.dst.BitLen() || p.src.IsValid() && srcBits > p.src.BitLen() {
		return Route{}, false, fmt.Errorf("route to %v/%d: %w", p.dst, dstBits, ErrInvalid)
	}
	r.Dst = netip.PrefixFrom(p.dst, dstBits).Masked()
	if srcBits > 0 && p.src.IsValid() {
		r.From = netip.PrefixFrom(p.src, srcBits).Masked()
	}
	if len(r.NextHops) == 0 && (p.hop.Via.IsValid() || p.hop.Dev != "") {
		p.hop.Onlink = flags&unix.RTNH_F_ONLINK != 0
		r.NextHops = []NextHop{p.hop}
	}
	return r.normal(), true, nil
}

// marked is an owner's mark from the kernel. None is not ours.
func marked(protocol uint8) uint8 { return cmp.Or(protocol, unix.RTPROT_KERNEL) }

// routeParser collects a route's attributes.
type routeParser struct {
	route    *Route
	family   byte
	name     func(int) string
	dst, src netip.Addr
	hop      NextHop
}

func (p *routeParser) attr(kind uint16, v []byte) {
	r := p.route
	switch kind {
	case unix.RTA_DST:
		p.dst = parseIP(p.family, v)
	case unix.RTA_SRC:
		p.src = parseIP(p.family, v)
	case unix.RTA_TABLE:
		r.Table = parseUint32(v)
	case unix.RTA_PRIORITY:
		r.Metric = parseUint32(v)
	case unix.RTA_PREFSRC:
		r.Src = parseIP(p.family, v)
	case unix.RTA_FLOW:
		r.Realms = parseUint32(v)
	case unix.RTA_METRICS:
		eachAttr(v, func(kind uint16, v []byte) {
			switch {
			case kind == unix.RTAX_CC_ALGO:
				r.CongCtl = parseName(v)
			case int(kind) < len(r.Metrics):
				r.Metrics[kind] = parseUint32(v)
			}
		})
	case unix.RTA_PREF:
		r.Pref = PrefMedium
		if len(v) > 0 && v[0] == wirePrefHigh {
			r.Pref = PrefHigh
		} else if len(v) > 0 && v[0] == wirePrefLow {
			r.Pref = PrefLow
		}
	case unix.RTA_CACHEINFO:
		if len(v) >= expiresAt+4 {
			r.Expires = time.Duration(int32(binary.NativeEndian.Uint32(v[expiresAt:]))) * (time.Second / userHZ)
		}
	case unix.RTA_GATEWAY, unix.RTA_VIA:
		p.hop.Via = parseGateway(kind, p.family, v)
	case unix.RTA_OIF:
		p.hop.Dev = p.name(parseInt(v))
	case unix.RTA_MULTIPATH:
		p.nextHops(v)
	}
}

func (p *routeParser) nextHops(b []byte) {
	for len(b) >= unix.SizeofRtNexthop {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtNexthop || size > len(b) {
			return
		}
		h := NextHop{
			Onlink: b[2]&unix.RTNH_F_ONLINK != 0, Weight: int(b[3]) + 1,
			Dev: p.name(parseInt(b[4:])),
		}
		eachAttr(b[unix.SizeofRtNexthop:size], func(kind uint16, v []byte) {
			switch kind {
			case unix.RTA_GATEWAY, unix.RTA_VIA:
				h.Via = parseGateway(kind, p.family, v)
			case unix.RTA_FLOW:
				h.Realms = parseUint32(v)
			}
		})
		p.route.NextHops = append(p.route.NextHops, h)
		b = b[min(align(size), len(b)):]
	}
}

func parseGateway(kind uint16, family byte, v []byte) netip.Addr {
	if kind == unix.RTA_VIA {
		if len(v) < 2 {
			return netip.Addr{}
		}
		family, v = byte(binary.NativeEndian.Uint16(v)), v[2:]
	}
	return parseIP(family, v)
}

func parseUint32(v []byte) uint32 {
	if len(v) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(v)
}
