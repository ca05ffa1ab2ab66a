package nft

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"hakeep/internal/firewall"
	"hakeep/lvs"
)

// r0 is NFT_REG32_00, the first of 16 registers of 4 bytes. Fields of a
// concatenation are in registers that follow each other.
const r0 = unix.NFT_REG32_00

// Numbers of the kernel that golang.org/x/sys does not have.
const (
	dirOriginal = 0 // IP_CT_DIR_ORIGINAL, uapi/linux/netfilter/nf_conntrack_tuple_common.h
	dirReply    = 1

	statusSNAT = 1 << 4 // IPS_SRC_NAT, uapi/linux/netfilter/nf_conntrack_common.h
	statusDNAT = 1 << 5 // IPS_DST_NAT

	tcpFlagsOffset         = 13
	tcpSYN, tcpRST, tcpACK = 0x02, 0x04, 0x10 // RFC 9293, 3.1
)

// family is what differs between IPv4 and IPv6.
type family struct {
	lvs.Family
	suffix   string // of sets and chains
	nfproto  byte
	addrType nftables.SetDatatype
	addrLen  uint32
	regs     uint32 // registers of an address
	saddr    uint32 // offsets in the header
	daddr    uint32
	ctSrc    expr.CtKey
	ctDst    expr.CtKey
}

// families are IPv4 and IPv6, in this order.
func families() [2]*family {
	return [2]*family{
		{lvs.IPv4, "4", unix.NFPROTO_IPV4, nftables.TypeIPAddr, 4, 1, 12, 16, unix.NFT_CT_SRC_IP, unix.NFT_CT_DST_IP},
		{lvs.IPv6, "6", unix.NFPROTO_IPV6, nftables.TypeIP6Addr, 16, 4, 8, 24, unix.NFT_CT_SRC_IP6, unix.NFT_CT_DST_IP6},
	}
}

// Types of keys and values.
func (f *family) serviceType() nftables.SetDatatype {
	return nftables.MustConcatSetType(f.addrType, nftables.TypeInetProto, nftables.TypeInetService)
}

func (f *family) endpointType() nftables.SetDatatype {
	return nftables.MustConcatSetType(f.addrType, nftables.TypeInetService)
}

func (f *family) pairType() nftables.SetDatatype {
	return nftables.MustConcatSetType(f.addrType, nftables.TypeInetProto, nftables.TypeInetService, f.addrType, nftables.TypeInetService)
}

// pad is a field of a concatenation: its bytes, filled up to whole registers.
func pad(b ...byte) []byte { return append(b, make([]byte, -len(b)&3)...) }

func port(p uint16) []byte { return pad(binaryutil.BigEndian.PutUint16(p)...) }

func serviceKey(a netip.Addr, proto lvs.Protocol, p uint16) []byte {
	return append(append(a.AsSlice(), pad(byte(proto))...), port(p)...)
}

func endpointKey(e lvs.Endpoint) []byte { return append(e.Addr.AsSlice(), port(e.Port)...) }

func pairKey(id lvs.ID, e lvs.Endpoint) []byte {
	return append(serviceKey(id.Addr, id.Protocol, id.Port), endpointKey(e)...)
}

// exprs is a rule's expressions.
type exprs []expr.Any

func (f *family) match() exprs {
	return exprs{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: r0},
		&expr.Cmp{Op: expr.CmpOpEq, Register: r0, Data: []byte{f.nfproto}},
	}
}

func (f *family) loadAddr(offset, reg uint32) expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: f.addrLen}
}

// loadPort loads the source (0) or destination (2) port.
func loadPort(offset, reg uint32) expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2}
}

func loadProto(reg uint32) expr.Any { return &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg} }

// loadService loads address, protocol and port of the packet's source or
// destination into the registers from r0.
func (f *family) loadService(source bool) exprs {
	addr, portAt := f.daddr, uint32(2)
	if source {
		addr, portAt = f.saddr, 0
	}
	return exprs{f.loadAddr(addr, r0), loadProto(r0 + f.regs), loadPort(portAt, r0+f.regs+1)}
}

// loadPair loads the service and the server of the packet's connection into the
// registers from r0, from what connection tracking knows of it: a client's first
// packet went to the service and its answer is to come from the server, or else
// the server's first packet was picked up.
func (f *family) loadPair(pickedUp bool) exprs {
	service, server := uint32(dirOriginal), uint32(dirReply)
	if pickedUp {
		service, server = server, service
	}
	return exprs{
		&expr.Ct{Register: r0, Key: f.ctDst, Direction: service},
		loadProto(r0 + f.regs),
		&expr.Ct{Register: r0 + f.regs + 1, Key: expr.CtKeyPROTODST, Direction: service},
		&expr.Ct{Register: r0 + f.regs + 2, Key: f.ctSrc, Direction: server},
		&expr.Ct{Register: r0 + 2*f.regs + 2, Key: expr.CtKeyPROTOSRC, Direction: server},
	}
}

func loadCt(key expr.CtKey) expr.Any { return &expr.Ct{Key: key, Register: r0} }

// status matches connections of which one of the bits is set, or none.
func status(bits uint32, set bool) exprs {
	op := expr.CmpOpEq
	if set {
		op = expr.CmpOpNeq
	}
	return exprs{
		loadCt(expr.CtKeySTATUS),
		&expr.Bitwise{SourceRegister: r0, DestRegister: r0, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: make([]byte, 4)},
		&expr.Cmp{Op: op, Register: r0, Data: make([]byte, 4)},
	}
}

func direction(dir byte) exprs {
	return exprs{loadCt(expr.CtKeyDIRECTION), &expr.Cmp{Op: expr.CmpOpEq, Register: r0, Data: []byte{dir}}}
}

func inSet(name string) expr.Any { return &expr.Lookup{SourceRegister: r0, SetName: name} }

func lookup(name string, from, to uint32) expr.Any {
	return &expr.Lookup{SourceRegister: from, DestRegister: to, IsDestRegSet: true, SetName: name}
}

func (f *family) nat(t expr.NATType, reg uint32) expr.Any {
	return &expr.NAT{Type: t, Family: uint32(f.nfproto), RegAddrMin: reg, RegProtoMin: reg + f.regs, Specified: true}
}

func protocol(p lvs.Protocol, op expr.CmpOp) exprs {
	return exprs{loadProto(r0), &expr.Cmp{Op: op, Register: r0, Data: []byte{byte(p)}}}
}

// verdictMap looks up the registers from r0 and goes on as it says.
func verdictMap(name string) expr.Any { return lookup(name, r0, unix.NFT_REG_VERDICT) }

func rule(comment string, parts ...exprs) firewall.Rule {
	r := firewall.Rule{Comment: comment}
	for _, p := range parts {
		r.Exprs = append(r.Exprs, p...)
	}
	return r
}

// hostKey is a number as key of a map, as numgen and hash make it.
func hostKey(n uint32) []byte { return binaryutil.NativeEndian.PutUint32(n) }

// rangeKey is a number in a map of ranges, whose keys the kernel compares byte by
// byte.
func rangeKey(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
