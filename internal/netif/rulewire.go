package netif

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// sizeofRule is struct fib_rule_hdr, noLimit a suppress attribute that is not
// set.
const (
	sizeofRule = 12
	noLimit    = 0xffffffff
)

// appendRule appends RTM_NEWRULE or RTM_DELRULE for r.
func appendRule(b []byte, kind, flags uint16, seq uint32, r Rule) []byte {
	r = r.Key()
	start := len(b)
	b = appendHeader(b, kind, flags, seq)
	family, table := byte(unix.AF_INET), byte(unix.RT_TABLE_UNSPEC)
	if r.IPv6 {
		family = unix.AF_INET6
	}
	if r.Table < 256 {
		table = byte(r.Table)
	}
	b = append(b, family, byte(max(r.To.Bits(), 0)), byte(max(r.From.Bits(), 0)), r.TOS, table, 0, 0, byte(r.Action))
	ruleFlags := uint32(0)
	if r.Not {
		ruleFlags = unix.FIB_RULE_INVERT
	}
	b = binary.NativeEndian.AppendUint32(b, ruleFlags)
	number := func(set bool, kind uint16, v uint32) {
		if set {
			b = appendUint32Attr(b, kind, v)
		}
	}
	if r.To.IsValid() {
		b = appendAttr(b, unix.FRA_DST, r.To.Addr().AsSlice()...)
	}
	if r.From.IsValid() {
		b = appendAttr(b, unix.FRA_SRC, r.From.Addr().AsSlice()...)
	}
	if r.IIF != "" {
		b = appendAttr(b, unix.FRA_IIFNAME, append([]byte(r.IIF), 0)...)
	}
	if r.OIF != "" {
		b = appendAttr(b, unix.FRA_OIFNAME, append([]byte(r.OIF), 0)...)
	}
	number(true, unix.FRA_PRIORITY, r.Priority)
	number(r.FWMark != 0 || r.FWMask != 0, unix.FRA_FWMARK, r.FWMark)
	number(r.FWMark != 0 || r.FWMask != 0, unix.FRA_FWMASK, r.FWMask)
	number(r.Realms != 0, unix.FRA_FLOW, r.Realms)
	number(r.Table != 0, unix.FRA_TABLE, r.Table)
	number(r.Action == RuleGoto, unix.FRA_GOTO, r.Goto)
	number(r.SuppressPrefixLen.Set, unix.FRA_SUPPRESS_PREFIXLEN, r.SuppressPrefixLen.Value)
	number(r.SuppressIfGroup.Set, unix.FRA_SUPPRESS_IFGROUP, r.SuppressIfGroup.Value)
	if r.TunID != 0 {
		b = appendAttr(b, unix.FRA_TUN_ID, binary.BigEndian.AppendUint64(nil, r.TunID)...)
	}
	if r.UIDs.Set {
		v := binary.NativeEndian.AppendUint32(nil, r.UIDs.First)
		b = appendAttr(b, unix.FRA_UID_RANGE, binary.NativeEndian.AppendUint32(v, r.UIDs.Last)...)
	}
	if r.L3mdev {
		b = appendAttr(b, unix.FRA_L3MDEV, 1)
	}
	if r.IPProto != 0 {
		b = appendAttr(b, unix.FRA_IP_PROTO, r.IPProto)
	}
	b = appendPorts(b, unix.FRA_SPORT_RANGE, r.SPort)
	b = appendPorts(b, unix.FRA_DPORT_RANGE, r.DPort)
	b = appendAttr(b, unix.FRA_PROTOCOL, r.Protocol)
	return endMessage(b, start)
}

func appendPorts(b []byte, kind uint16, p PortRange) []byte {
	if p == (PortRange{}) {
		return b
	}
	v := binary.NativeEndian.AppendUint16(nil, p.First)
	return appendAttr(b, kind, binary.NativeEndian.AppendUint16(v, p.Last)...)
}

// parseRule decodes the payload of RTM_NEWRULE and RTM_DELRULE. Ok is false for
// families other than IPv4 and IPv6.
func parseRule(b []byte) (r Rule, ok bool, err error) {
	if len(b) < sizeofRule {
		return r, false, fmt.Errorf("rule: %w", errShort)
	}
	family, dstBits, srcBits := b[0], int(b[1]), int(b[2])
	if family != unix.AF_INET && family != unix.AF_INET6 {
		return r, false, nil
	}
	r.IPv6 = family == unix.AF_INET6
	r.TOS, r.Table, r.Action = b[3], uint32(b[4]), RuleAction(b[7])
	r.Not = binary.NativeEndian.Uint32(b[8:])&unix.FIB_RULE_INVERT != 0
	var dst, src netip.Addr
	eachAttr(b[sizeofRule:], func(kind uint16, v []byte) {
		switch kind {
		case unix.FRA_DST:
			dst = parseIP(family, v)
		case unix.FRA_SRC:
			src = parseIP(family, v)
		default:
			r.attr(kind, v)
		}
	})
	for _, p := range []struct {
		addr netip.Addr
		bits int
		to   *netip.Prefix
	}{{dst, dstBits, &r.To}, {src, srcBits, &r.From}} {
		if p.bits == 0 {
			continue
		}
		if !p.addr.IsValid() || p.bits > p.addr.BitLen() {
			return Rule{}, false, fmt.Errorf("rule with %v/%d: %w", p.addr, p.bits, ErrInvalid)
		}
		*p.to = netip.PrefixFrom(p.addr, p.bits).Masked()
	}
	if r.Action != RuleLookup || r.L3mdev {
		r.Table = 0
	}
	r.Protocol = marked(r.Protocol)
	return r.Key(), true, nil
}

// attr takes in one attribute.
func (r *Rule) attr(kind uint16, v []byte) {
	limit := func() Limit {
		n := parseUint32(v)
		if n == noLimit {
			return Limit{}
		}
		return Limit{Set: true, Value: n}
	}
	small := func() uint8 {
		if len(v) == 0 {
			return 0
		}
		return v[0]
	}
	switch kind {
	case unix.FRA_IIFNAME:
		r.IIF = parseName(v)
	case unix.FRA_OIFNAME:
		r.OIF = parseName(v)
	case unix.FRA_PRIORITY:
		r.Priority = parseUint32(v)
	case unix.FRA_FWMARK:
		r.FWMark = parseUint32(v)
	case unix.FRA_FWMASK:
		r.FWMask = parseUint32(v)
	case unix.FRA_FLOW:
		r.Realms = parseUint32(v)
	case unix.FRA_TABLE:
		r.Table = parseUint32(v)
	case unix.FRA_GOTO:
		r.Goto = parseUint32(v)
	case unix.FRA_SUPPRESS_PREFIXLEN:
		r.SuppressPrefixLen = limit()
	case unix.FRA_SUPPRESS_IFGROUP:
		r.SuppressIfGroup = limit()
	case unix.FRA_TUN_ID:
		if len(v) >= 8 {
			r.TunID = binary.BigEndian.Uint64(v)
		}
	case unix.FRA_UID_RANGE:
		if len(v) >= 8 {
			r.UIDs = UIDRange{true, binary.NativeEndian.Uint32(v), binary.NativeEndian.Uint32(v[4:])}
		}
	case unix.FRA_L3MDEV:
		r.L3mdev = small() != 0
	case unix.FRA_PROTOCOL:
		r.Protocol = small()
	case unix.FRA_IP_PROTO:
		r.IPProto = small()
	case unix.FRA_SPORT_RANGE:
		r.SPort = parsePorts(v)
	case unix.FRA_DPORT_RANGE:
		r.DPort = parsePorts(v)
	}
}

func parsePorts(v []byte) PortRange {
	if len(v) < 4 {
		return PortRange{}
	}
	return PortRange{binary.NativeEndian.Uint16(v), binary.NativeEndian.Uint16(v[2:])}
}
