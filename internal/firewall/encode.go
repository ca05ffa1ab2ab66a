package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Transactions are encoded here and not by the library, which asks for an answer
// to every message (14,000 for 2,277 services), writes the direction of `ct` as
// something the kernel does not read, and cannot write `ct original ip daddr`.

// setConcat is NFT_SET_CONCAT, setDescConcat NFTA_SET_DESC_CONCAT and setExpr
// NFTA_SET_EXPR, uapi/linux/netfilter/nf_tables.h.
const (
	setConcat     = 0x80
	setDescConcat = 2
	setExpr       = 17
)

// transaction is the messages of the steps between those that begin and end it.
// The kernel answers the last step, and those that fail.
func (n *netfilter) transaction(ops []op) ([]netlink.Message, error) {
	msgs := make([]netlink.Message, 0, len(ops)+2)
	bracket := func(t netlink.HeaderType) {
		data := []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES}
		msgs = append(msgs, netlink.Message{Header: netlink.Header{Type: t, Flags: netlink.Request}, Data: data})
	}
	bracket(unix.NFNL_MSG_BATCH_BEGIN)
	for i, o := range ops {
		m, err := n.message(o)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", o, err)
		}
		if i == len(ops)-1 {
			m.Header.Flags |= netlink.Acknowledge
		}
		msgs = append(msgs, m)
	}
	bracket(unix.NFNL_MSG_BATCH_END)
	return msgs, nil
}

// message is one step.
func (n *netfilter) message(o op) (netlink.Message, error) {
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	ae.String(attrTable, n.table.Name)
	var kind uint16
	flags := netlink.Request
	switch o.kind {
	case opAddTable:
		kind, flags = unix.NFT_MSG_NEWTABLE, flags|netlink.Create
		ae.Uint32(unix.NFTA_TABLE_FLAGS, 0)
	case opDelTable:
		kind = unix.NFT_MSG_DELTABLE
	case opFlushChain:
		kind = unix.NFT_MSG_DELRULE
		ae.String(unix.NFTA_RULE_CHAIN, o.chain.def.Name)
	case opDelChain:
		kind = unix.NFT_MSG_DELCHAIN
		ae.String(unix.NFTA_CHAIN_NAME, o.chain.def.Name)
	case opAddChain:
		kind, flags = unix.NFT_MSG_NEWCHAIN, flags|netlink.Create
		encodeChain(ae, &o.chain.def)
	case opDelSet:
		kind = unix.NFT_MSG_DELSET
		ae.String(unix.NFTA_SET_NAME, o.set.def.Name)
	case opAddSet:
		n.setID++
		kind, flags = unix.NFT_MSG_NEWSET, flags|netlink.Create
		encodeSet(ae, &o.set.def, n.setID)
	case opDelElements:
		kind = unix.NFT_MSG_DELSETELEM
		encodeElements(ae, o.set.def.Name, o.elems, false)
	case opAddElements:
		kind, flags = unix.NFT_MSG_NEWSETELEM, flags|netlink.Create
		encodeElements(ae, o.set.def.Name, o.elems, true)
	case opAddRule:
		kind, flags = unix.NFT_MSG_NEWRULE, flags|netlink.Create|netlink.Append
		encodeRule(ae, o)
	default:
		panic("firewall: unknown step " + o.kind.String())
	}
	data, err := ae.Encode()
	if err != nil {
		return netlink.Message{}, err
	}
	return netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind), Flags: flags},
		Data:   append([]byte{byte(n.table.Family), unix.NFNETLINK_V0, 0, 0}, data...),
	}, nil
}

func encodeChain(ae *netlink.AttributeEncoder, c *Chain) {
	ae.String(unix.NFTA_CHAIN_NAME, c.Name)
	if c.Type == "" {
		return
	}
	ae.Nested(unix.NFTA_CHAIN_HOOK, func(ae *netlink.AttributeEncoder) error {
		ae.Uint32(unix.NFTA_HOOK_HOOKNUM, uint32(c.Hook))
		ae.Uint32(unix.NFTA_HOOK_PRIORITY, uint32(c.Priority))
		return nil
	})
	ae.Uint32(unix.NFTA_CHAIN_POLICY, uint32(nftables.ChainPolicyAccept))
	ae.String(unix.NFTA_CHAIN_TYPE, string(c.Type))
}

// encodeSet writes a set without its elements. The id is for references within the
// transaction, which rules make by name; the kernel wants one all the same.
func encodeSet(ae *netlink.AttributeEncoder, s *Set, id uint32) {
	var flags uint32
	for _, f := range []struct {
		on  bool
		bit uint32
	}{
		{s.Interval, unix.NFT_SET_INTERVAL}, {s.isMap(), unix.NFT_SET_MAP},
		{s.Dynamic, unix.NFT_SET_TIMEOUT | unix.NFT_SET_EVAL}, {s.Concat, setConcat},
	} {
		if f.on {
			flags |= f.bit
		}
	}
	ae.String(unix.NFTA_SET_NAME, s.Name)
	ae.Uint32(unix.NFTA_SET_FLAGS, flags)
	ae.Uint32(unix.NFTA_SET_KEY_TYPE, s.Key.GetNFTMagic())
	ae.Uint32(unix.NFTA_SET_KEY_LEN, s.Key.Bytes)
	ae.Uint32(unix.NFTA_SET_ID, id)
	if s.isVerdictMap() {
		ae.Uint32(unix.NFTA_SET_DATA_TYPE, unix.NFT_DATA_VERDICT)
		ae.Uint32(unix.NFTA_SET_DATA_LEN, 0)
	} else if s.isMap() {
		ae.Uint32(unix.NFTA_SET_DATA_TYPE, s.Data.GetNFTMagic())
		ae.Uint32(unix.NFTA_SET_DATA_LEN, s.Data.Bytes)
	}
	if s.Size > 0 || s.Concat {
		ae.Nested(unix.NFTA_SET_DESC, func(ae *netlink.AttributeEncoder) error {
			if s.Size > 0 {
				ae.Uint32(unix.NFTA_SET_DESC_SIZE, s.Size)
			}
			if s.Concat {
				encodeFields(ae, s.Key)
			}
			return nil
		})
	}
	// nft's own notes, for `nft list`: the byte order of keys, 1 for the machine's.
	order := uint32(2)
	if s.HostOrder {
		order = 1
	}
	ae.Bytes(unix.NFTA_SET_USERDATA, userdata.AppendUint32(nil, userdata.NFTNL_UDATA_SET_KEYBYTEORDER, order))
	if s.Counter {
		ae.Do(unix.NLA_F_NESTED|setExpr, func() ([]byte, error) {
			return expr.Marshal(unix.NFPROTO_INET, &expr.Counter{})
		})
	}
}

// encodeFields writes the lengths of a concatenation's fields.
func encodeFields(ae *netlink.AttributeEncoder, t nftables.SetDatatype) {
	ae.Nested(setDescConcat, func(ae *netlink.AttributeEncoder) error {
		for _, field := range nftables.ConcatSetTypeElements(t) {
			ae.Nested(unix.NFTA_LIST_ELEM, func(ae *netlink.AttributeEncoder) error {
				ae.Uint32(1, field.Bytes) // NFTA_SET_FIELD_LEN
				return nil
			})
		}
		return nil
	})
}

// setKeyEnd is NFTA_SET_ELEM_KEY_END.
const setKeyEnd = 10

func encodeElements(ae *netlink.AttributeEncoder, set string, elems []nftables.SetElement, values bool) {
	value := func(ae *netlink.AttributeEncoder, attr uint16, b []byte) {
		ae.Nested(attr, func(ae *netlink.AttributeEncoder) error {
			ae.Bytes(unix.NFTA_DATA_VALUE, b)
			return nil
		})
	}
	ae.String(unix.NFTA_SET_ELEM_LIST_SET, set)
	ae.Nested(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(ae *netlink.AttributeEncoder) error {
		for _, e := range elems {
			ae.Nested(unix.NFTA_LIST_ELEM, func(ae *netlink.AttributeEncoder) error {
				if e.IntervalEnd {
					ae.Uint32(unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
				}
				value(ae, unix.NFTA_SET_ELEM_KEY, e.Key)
				if len(e.KeyEnd) > 0 {
					value(ae, setKeyEnd, e.KeyEnd)
				}
				switch {
				case !values:
				case e.VerdictData != nil:
					encodeVerdict(ae, e.VerdictData)
				case len(e.Val) > 0:
					value(ae, unix.NFTA_SET_ELEM_DATA, e.Val)
				}
				return nil
			})
		}
		return nil
	})
}

func encodeVerdict(ae *netlink.AttributeEncoder, v *expr.Verdict) {
	ae.Nested(unix.NFTA_SET_ELEM_DATA, func(ae *netlink.AttributeEncoder) error {
		ae.Nested(unix.NFTA_DATA_VERDICT, func(ae *netlink.AttributeEncoder) error {
			ae.Uint32(unix.NFTA_VERDICT_CODE, uint32(v.Kind))
			if v.Chain != "" {
				ae.String(unix.NFTA_VERDICT_CHAIN, v.Chain)
			}
			return nil
		})
		return nil
	})
}

func encodeRule(ae *netlink.AttributeEncoder, o op) {
	ae.String(unix.NFTA_RULE_CHAIN, o.chain.def.Name)
	ae.Nested(unix.NFTA_RULE_EXPRESSIONS, func(ae *netlink.AttributeEncoder) error {
		for _, e := range o.rule.Exprs {
			b, err := marshalExpr(e)
			if err != nil {
				return err
			}
			ae.Bytes(unix.NLA_F_NESTED|unix.NFTA_LIST_ELEM, b)
		}
		return nil
	})
	ae.Bytes(unix.NFTA_RULE_USERDATA, userdata.AppendString(nil, userdata.TypeComment, o.tag))
}

// marshalExpr is expr.Marshal, but for the fields of a connection's tuples.
func marshalExpr(e expr.Any) ([]byte, error) {
	if l, ok := e.(*expr.Lookup); ok && l.SetID != 0 {
		return nil, errors.New("set is referred to by id")
	}
	ct, ok := e.(*expr.Ct)
	if !ok || !ofTuple(ct.Key) {
		return expr.Marshal(unix.NFPROTO_INET, e)
	}
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	ae.String(unix.NFTA_EXPR_NAME, "ct")
	ae.Nested(unix.NFTA_EXPR_DATA, func(ae *netlink.AttributeEncoder) error {
		ae.Uint32(unix.NFTA_CT_KEY, uint32(ct.Key))
		ae.Uint32(unix.NFTA_CT_DREG, ct.Register)
		ae.Uint8(unix.NFTA_CT_DIRECTION, uint8(ct.Direction))
		return nil
	})
	return ae.Encode()
}

// ofTuple reports keys that are fields of a connection's tuples.
func ofTuple(k expr.CtKey) bool {
	switch k {
	case expr.CtKeySRC, expr.CtKeyDST, expr.CtKeyPROTOSRC, expr.CtKeyPROTODST,
		unix.NFT_CT_SRC_IP, unix.NFT_CT_DST_IP, unix.NFT_CT_SRC_IP6, unix.NFT_CT_DST_IP6:
		return true
	}
	return false
}
