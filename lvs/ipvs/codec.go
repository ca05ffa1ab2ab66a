package ipvs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"hakeep/lvs"
)

// errAnswer is an answer of the kernel that makes no sense.
var errAnswer = errors.New("unexpected answer of the kernel")

// Attributes are appended to a buffer that is used again: a large table has tens of
// thousands of requests.

func appendAttr(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.NLA_HDRLEN+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%unix.NLA_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}

func appendUint8(b []byte, kind uint16, v uint8) []byte { return appendAttr(b, kind, []byte{v}) }

func appendUint16(b []byte, kind, v uint16) []byte {
	return appendAttr(b, kind, binary.NativeEndian.AppendUint16(nil, v))
}

// appendPort is for what the kernel keeps in network order.
func appendPort(b []byte, kind, v uint16) []byte {
	return appendAttr(b, kind, binary.BigEndian.AppendUint16(nil, v))
}

func appendUint32(b []byte, kind uint16, v uint32) []byte {
	return appendAttr(b, kind, binary.NativeEndian.AppendUint32(nil, v))
}

func appendString(b []byte, kind uint16, s string) []byte {
	return appendAttr(b, kind, append([]byte(s), 0))
}

// appendNested appends what fill appends as the content of one attribute.
func appendNested(b []byte, kind uint16, fill func([]byte) []byte) []byte {
	start := len(b)
	b = binary.NativeEndian.AppendUint16(b, 0)
	b = binary.NativeEndian.AppendUint16(b, kind|unix.NLA_F_NESTED)
	b = fill(b)
	binary.NativeEndian.PutUint16(b[start:], uint16(len(b)-start))
	return b
}

func familyNumber(f lvs.Family) uint16 {
	if f == lvs.IPv6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// appendID appends what identifies a service, as an attribute.
func appendID(b []byte, id lvs.ID) []byte {
	return appendNested(b, attrService, func(b []byte) []byte { return appendIDAttrs(b, id) })
}

func appendIDAttrs(b []byte, id lvs.ID) []byte {
	b = appendUint16(b, svcFamily, familyNumber(id.Family))
	if id.Mark != 0 {
		return appendUint32(b, svcMark, id.Mark)
	}
	b = appendUint16(b, svcProtocol, uint16(id.Protocol))
	b = appendAttr(b, svcAddr, id.Addr.AsSlice())
	return appendPort(b, svcPort, id.Port)
}

// appendService appends a whole service, as an attribute. Id and a must be canonical.
func appendService(b []byte, id lvs.ID, a lvs.Attr) []byte {
	return appendNested(b, attrService, func(b []byte) []byte {
		b = appendIDAttrs(b, id)
		b = appendString(b, svcScheduler, a.Scheduler)
		if a.Engine != "" {
			b = appendString(b, svcEngine, a.Engine)
		}
		flags := uint32(a.Flags)
		if a.Persistence > 0 {
			flags |= flagPersistent
		}
		b = appendAttr(b, svcFlags, binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, flags), flagsMask))
		b = appendUint32(b, svcTimeout, uint32(a.Persistence/time.Second))
		return appendNetmask(b, id.Family, a.PersistenceBits)
	})
}

// appendNetmask appends the prefix that counts as one client: a mask in network order
// for IPv4, the length for IPv6.
func appendNetmask(b []byte, f lvs.Family, length uint8) []byte {
	if f == lvs.IPv6 {
		if length == 0 {
			length = 128
		}
		return appendUint32(b, svcNetmask, uint32(length))
	}
	if length == 0 {
		length = 32
	}
	mask := ^uint32(0) << (32 - length)
	return appendAttr(b, svcNetmask, binary.BigEndian.AppendUint32(nil, mask))
}

// appendEndpoint appends what identifies a server, as an attribute.
func appendEndpoint(b []byte, e lvs.Endpoint) []byte {
	return appendNested(b, attrDest, func(b []byte) []byte { return appendEndpointAttrs(b, e) })
}

func appendEndpointAttrs(b []byte, e lvs.Endpoint) []byte {
	b = appendUint16(b, destFamily, familyNumber(lvs.FamilyOf(e.Addr)))
	b = appendAttr(b, destAddr, e.Addr.AsSlice())
	return appendPort(b, destPort, e.Port)
}

// appendServer appends a whole server, as an attribute. S must be canonical.
func appendServer(b []byte, s lvs.Server) []byte {
	return appendNested(b, attrDest, func(b []byte) []byte {
		b = appendEndpointAttrs(b, s.Endpoint)
		b = appendUint32(b, destMethod, methodNumber(s.Forward.Method))
		b = appendUint32(b, destWeight, uint32(s.Weight))
		b = appendUint32(b, destUThreshold, s.UThreshold)
		b = appendUint32(b, destLThreshold, s.LThreshold)
		if s.Forward.Method != lvs.TUN {
			return b
		}
		b = appendUint8(b, destTunType, tunnelNumber(s.Forward.Tunnel))
		b = appendPort(b, destTunPort, s.Forward.Port)
		return appendUint16(b, destTunFlags, checksumNumber(s.Forward.Checksum))
	})
}

func methodNumber(m lvs.Method) uint32 {
	switch m {
	case lvs.DR:
		return methodDirect
	case lvs.TUN:
		return methodTunnel
	}
	return methodMasq
}

func tunnelNumber(t lvs.TunnelType) uint8 {
	switch t {
	case lvs.GUE:
		return tunGUE
	case lvs.GRE:
		return tunGRE
	}
	return tunIPIP
}

func checksumNumber(c lvs.Checksum) uint16 {
	switch c {
	case lvs.WithChecksum:
		return tunCsum
	case lvs.RemoteChecksum:
		return tunRemCsum
	}
	return 0
}

// nested finds the attribute kind in the answer b and decodes what is in it.
func nested(b []byte, kind uint16, each func(*netlink.AttributeDecoder) error) error {
	d, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		return fmt.Errorf("%w: %w", errAnswer, err)
	}
	found := false
	for d.Next() {
		if d.Type() == kind {
			found = true
			d.Nested(func(n *netlink.AttributeDecoder) error {
				for n.Next() {
					if err := each(n); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	if err := d.Err(); err != nil {
		return fmt.Errorf("%w: %w", errAnswer, err)
	}
	if !found {
		return fmt.Errorf("%w: attribute %d is missing", errAnswer, kind)
	}
	return nil
}

// port decodes two bytes in network order.
func port(d *netlink.AttributeDecoder) uint16 {
	if b := d.Bytes(); len(b) == 2 {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// address decodes the kernel's union of both families.
func address(b []byte, family uint16) (netip.Addr, error) {
	switch {
	case family == unix.AF_INET && len(b) >= 4:
		return netip.AddrFrom4([4]byte(b)), nil
	case family == unix.AF_INET6 && len(b) >= 16:
		return netip.AddrFrom16([16]byte(b)), nil
	}
	return netip.Addr{}, fmt.Errorf("%w: address of %d bytes and family %d", errAnswer, len(b), family)
}

// decodeService decodes one answer to IPVS_CMD_GET_SERVICE. What it returns is
// canonical and has no servers.
func decodeService(b []byte) (lvs.Service, lvs.Counters, error) {
	var s lvs.Service
	var c lvs.Counters
	var family uint16
	var addr, netmask []byte
	var flags, timeout uint32
	err := nested(b, attrService, func(d *netlink.AttributeDecoder) error {
		switch d.Type() {
		case svcFamily:
			family = d.Uint16()
		case svcProtocol:
			s.ID.Protocol = lvs.Protocol(d.Uint16())
		case svcAddr:
			addr = d.Bytes()
		case svcPort:
			s.ID.Port = port(d)
		case svcMark:
			s.ID.Mark = d.Uint32()
		case svcScheduler:
			s.Attr.Scheduler = d.String()
		case svcFlags:
			if v := d.Bytes(); len(v) >= 4 {
				flags = binary.NativeEndian.Uint32(v)
			}
		case svcTimeout:
			timeout = d.Uint32()
		case svcNetmask:
			netmask = d.Bytes()
		case svcEngine:
			s.Attr.Engine = d.String()
		case svcStats, svcStats64:
			d.Nested(func(n *netlink.AttributeDecoder) error { return decodeStats(n, &c) })
		}
		return nil
	})
	if err != nil {
		return s, c, err
	}
	s.ID.Family = lvs.IPv4
	if family == unix.AF_INET6 {
		s.ID.Family = lvs.IPv6
	}
	if s.ID.Mark == 0 {
		if s.ID.Addr, err = address(addr, family); err != nil {
			return s, c, err
		}
	}
	s.Attr.Flags = lvs.Flags(flags &^ flagPersistent)
	if flags&flagPersistent != 0 {
		s.Attr.Persistence = time.Duration(timeout) * time.Second
		s.Attr.PersistenceBits = decodeNetmask(netmask, s.ID.Family)
	}
	return lvs.Canonical(s), c, nil
}

// decodeNetmask is the inverse of appendNetmask. A mask with holes is as long as its
// ones.
func decodeNetmask(b []byte, f lvs.Family) uint8 {
	if len(b) != 4 {
		return 0
	}
	if f == lvs.IPv6 {
		return uint8(min(binary.NativeEndian.Uint32(b), 128))
	}
	return uint8(bits.OnesCount32(binary.BigEndian.Uint32(b)))
}

// decodeServer decodes one answer to IPVS_CMD_GET_DEST, for a service of family of.
func decodeServer(b []byte, of lvs.Family) (lvs.ServerCounters, error) {
	var c lvs.ServerCounters
	s := &c.Server
	family := familyNumber(of) // before Linux 3.18 there is no attribute for it
	var addr []byte
	var method uint32
	var tunnel uint8
	var checksum, tunnelPort uint16
	err := nested(b, attrDest, func(d *netlink.AttributeDecoder) error {
		switch d.Type() {
		case destFamily:
			family = d.Uint16()
		case destAddr:
			addr = d.Bytes()
		case destPort:
			s.Endpoint.Port = port(d)
		case destMethod:
			method = d.Uint32()
		case destWeight:
			s.Weight = int(min(d.Uint32(), math.MaxInt32))
		case destUThreshold:
			s.UThreshold = d.Uint32()
		case destLThreshold:
			s.LThreshold = d.Uint32()
		case destActive:
			c.Active = d.Uint32()
		case destInactive:
			c.Inactive = d.Uint32()
		case destPersistent:
			c.Persistent = d.Uint32()
		case destTunType:
			tunnel = d.Uint8()
		case destTunPort:
			tunnelPort = port(d)
		case destTunFlags:
			checksum = d.Uint16()
		case destStats, destStats64:
			d.Nested(func(n *netlink.AttributeDecoder) error { return decodeStats(n, &c.Counters) })
		}
		return nil
	})
	if err != nil {
		return c, err
	}
	if s.Endpoint.Addr, err = address(addr, family); err != nil {
		return c, err
	}
	s.Forward = decodeForward(method, tunnel, checksum, tunnelPort)
	return c, nil
}

// decodeForward returns a Method of 0 for what the model does not have (the kernel's
// local node and bypass).
func decodeForward(method uint32, tunnel uint8, checksum, port uint16) lvs.Forward {
	switch method & methodMask {
	case methodMasq:
		return lvs.Forward{Method: lvs.NAT}
	case methodDirect:
		return lvs.Forward{Method: lvs.DR}
	case methodTunnel:
	default:
		return lvs.Forward{}
	}
	f := lvs.Forward{Method: lvs.TUN, Tunnel: lvs.IPIP, Checksum: lvs.NoChecksum}
	switch tunnel {
	case tunGUE:
		f.Tunnel, f.Port = lvs.GUE, port
	case tunGRE:
		f.Tunnel = lvs.GRE
	}
	switch {
	case checksum&tunRemCsum != 0:
		f.Checksum = lvs.RemoteChecksum
	case checksum&tunCsum != 0:
		f.Checksum = lvs.WithChecksum
	}
	return f
}

// decodeStats decodes the counters of 64 bits, and, where the kernel has none (before
// Linux 4.1), those of 32. Both may be there, in this order: the second wins.
func decodeStats(d *netlink.AttributeDecoder, c *lvs.Counters) error {
	for d.Next() {
		var to *uint64
		switch d.Type() {
		case statsConns:
			to = &c.Connections
		case statsInPkts:
			to = &c.InPackets
		case statsOutPkts:
			to = &c.OutPackets
		case statsInBytes:
			to = &c.InBytes
		case statsOutBytes:
			to = &c.OutBytes
		default:
			continue
		}
		switch b := d.Bytes(); len(b) {
		case 4:
			*to = uint64(binary.NativeEndian.Uint32(b))
		case 8:
			*to = binary.NativeEndian.Uint64(b)
		default:
			return fmt.Errorf("counter of %d bytes", len(b))
		}
	}
	return nil
}
