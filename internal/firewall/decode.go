package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// readTags reads the comments of all rules by chain, or of the chains in the
// scope. All is one dump. The library would decode the expressions, which nobody
// needs and of which it does not know all.
func (n *netfilter) readTags(part *scope) (map[string][]string, error) {
	tags := map[string][]string{}
	if part == nil {
		return tags, n.dumpTags("", tags)
	}
	for _, chain := range part.chains {
		if err := n.dumpTags(chain, tags); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("rules of %s: %w", chain, err)
		}
	}
	return tags, nil
}

// dumpTags reads the rules of a chain, or of all if it is "".
func (n *netfilter) dumpTags(chain string, tags map[string][]string) error {
	ae := netlink.NewAttributeEncoder()
	ae.String(unix.NFTA_RULE_TABLE, n.table.Name)
	if chain != "" {
		ae.String(unix.NFTA_RULE_CHAIN, chain)
	}
	data, err := ae.Encode()
	if err != nil {
		return err
	}
	msgs, err := n.raw.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETRULE),
			Flags: netlink.Request | netlink.Dump,
		},
		Data: append([]byte{byte(n.table.Family), unix.NFNETLINK_V0, 0, 0}, data...),
	})
	if err != nil {
		return err
	}
	for _, m := range msgs {
		table, of, tag, err := parseRule(m.Data)
		if err != nil {
			return err
		}
		// Kernels that do not know the filters send all.
		if table == n.table.Name && (chain == "" || of == chain) {
			tags[of] = append(tags[of], tag)
		}
	}
	return nil
}

// parseRule decodes where a rule is, and its comment.
func parseRule(b []byte) (table, chain, tag string, err error) {
	if len(b) < nfgenLen {
		return "", "", "", errors.New("short message")
	}
	ad, err := netlink.NewAttributeDecoder(b[nfgenLen:])
	if err != nil {
		return "", "", "", err
	}
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_RULE_TABLE:
			table = ad.String()
		case unix.NFTA_RULE_CHAIN:
			chain = ad.String()
		case unix.NFTA_RULE_USERDATA:
			tag, _ = userdata.GetString(ad.Bytes(), userdata.TypeComment)
		}
	}
	return table, chain, tag, ad.Err()
}

// chainExists asks for a chain. The library's answer does not tell an absent one
// from other errors.
func (n *netfilter) chainExists(name string) (bool, error) {
	ae := netlink.NewAttributeEncoder()
	ae.String(unix.NFTA_CHAIN_TABLE, n.table.Name)
	ae.String(unix.NFTA_CHAIN_NAME, name)
	data, err := ae.Encode()
	if err != nil {
		return false, err
	}
	_, err = n.raw.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETCHAIN),
			Flags: netlink.Request,
		},
		Data: append([]byte{byte(n.table.Family), unix.NFNETLINK_V0, 0, 0}, data...),
	})
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// element asks for one element of a set; os.ErrNotExist if it is not there.
func (n *netfilter) element(set string, e nftables.SetElement) (nftables.SetElement, error) {
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	ae.String(unix.NFTA_SET_ELEM_LIST_TABLE, n.table.Name)
	encodeElements(ae, set, []nftables.SetElement{e}, false)
	data, err := ae.Encode()
	if err != nil {
		return nftables.SetElement{}, err
	}
	msgs, err := n.raw.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETSETELEM),
			Flags: netlink.Request,
		},
		Data: append([]byte{byte(n.table.Family), unix.NFNETLINK_V0, 0, 0}, data...),
	})
	if err != nil {
		return nftables.SetElement{}, err
	}
	if len(msgs) != 1 {
		return nftables.SetElement{}, fmt.Errorf("%d answers for one element", len(msgs))
	}
	return parseElement(msgs[0].Data)
}

// parseElement decodes key and value of the element in an answer.
func parseElement(b []byte) (e nftables.SetElement, err error) {
	if len(b) < nfgenLen {
		return e, errors.New("short message")
	}
	ad, err := netlink.NewAttributeDecoder(b[nfgenLen:])
	if err != nil {
		return e, err
	}
	value := func(to *[]byte) func(*netlink.AttributeDecoder) error {
		return func(ad *netlink.AttributeDecoder) error {
			for ad.Next() {
				if ad.Type() == unix.NFTA_DATA_VALUE {
					*to = ad.Bytes()
				}
			}
			return nil
		}
	}
	for ad.Next() {
		if ad.Type() != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			continue
		}
		ad.Nested(func(ad *netlink.AttributeDecoder) error {
			for ad.Next() {
				ad.Nested(func(ad *netlink.AttributeDecoder) error {
					for ad.Next() {
						switch ad.Type() {
						case unix.NFTA_SET_ELEM_KEY:
							ad.Nested(value(&e.Key))
						case unix.NFTA_SET_ELEM_DATA:
							ad.Nested(value(&e.Val))
						}
					}
					return nil
				})
			}
			return nil
		})
	}
	if err := ad.Err(); err != nil {
		return e, err
	}
	if e.Key == nil {
		return e, errors.New("answer without an element")
	}
	return e, nil
}
