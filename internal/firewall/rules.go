package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// DefaultPriority is keepalived's default of `nftables_priority`: just before
// the chains of priority filter.
const DefaultPriority = -1

// maxName is the longest name of a table, set or chain: NFT_NAME_MAXLEN
// without its terminator, uapi/linux/netfilter/nf_tables.h.
const maxName = 255

// Rules is what is wanted in the table. The zero value wants no table.
type Rules struct {
	// NoAccept lists the addresses of no_accept instances. The zone of a
	// link-local address is the name of the interface that carries it;
	// without a zone the address is meant on every interface.
	NoAccept []netip.Addr
	// Priority is that of the no_accept chains, keyword
	// `nftables_priority`; see DefaultPriority.
	Priority int32
	// Counters adds a counter to every rule of no_accept, keyword
	// `nftables_counters`.
	Counters bool
	// Contributions are sets and chains of other parts of the daemon.
	Contributions []Contribution
}

// Contribution is what another part of the daemon keeps in the table. The
// names of all sets and chains of a table differ, and "input" and "output"
// and names that begin with "no_accept" are taken. A later Rules with the same
// chains and other elements changes the elements only. What is given to [Firewall.Set]
// is kept to be compared with the next: it must not be changed afterwards.
type Contribution struct {
	Sets   []Set
	Chains []Chain
}

// Set is a named set, or a map if Data is given. What distinguishes two sets of
// one name (all but the elements) changes only with the whole table: give a set
// of another kind another name.
type Set struct {
	Name     string
	Key      nftables.SetDatatype
	Data     nftables.SetDatatype
	Interval bool
	Concat   bool
	// HostOrder says that keys are numbers in the machine's byte order, for `nft list`.
	HostOrder bool
	// Size is the largest number of elements, 0 for no bound. The kernel chooses a
	// faster table when it knows it.
	Size uint32
	// Counter gives each element a counter of the packets that matched it (Linux
	// 5.7); see [Firewall.Elements].
	Counter bool
	// Dynamic sets are filled by rules, with timeouts. They have no Elements, and
	// what is in them is not looked at. They need a Size: without, the kernel's is
	// 65,535.
	Dynamic  bool
	Elements []nftables.SetElement
}

func (s *Set) isMap() bool { return s.Data != nftables.SetDatatype{} }

// isVerdictMap reports maps whose values are VerdictData instead of Val.
func (s *Set) isVerdictMap() bool { return s.Data == nftables.TypeVerdict }

// Chain is a base chain with policy accept, or a regular one if Type is
// empty.
type Chain struct {
	Name     string
	Type     nftables.ChainType
	Hook     nftables.ChainHook
	Priority nftables.ChainPriority
	Rules    []Rule
}

// Rule is one rule. Sets and chains are referred to by name (no set IDs). The
// comment shows in `nft list`.
type Rule struct {
	Comment string
	Exprs   []expr.Any
}

// TableName is the name of the table for keepalived's `instance` keyword, ""
// being none. What the nft command could not parse is replaced.
func TableName(instance string) string {
	if instance == "" {
		return "hakeep"
	}
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("_-./", r):
			return r
		}
		return '_'
	}, instance)
	return ("hakeep_" + clean)[:min(maxName, len("hakeep_")+len(clean))]
}

// Names of the sets and chains of no_accept.
const (
	chainInput  = "input"
	chainOutput = "output"
	setIPv4     = "no_accept4"
	setIPv6     = "no_accept6"
	setZoned    = "no_accept6_if"
)

// ICMPv6 types that pass: multicast listener query, report and done (RFC
// 2710: 130 to 132) and neighbour discovery (RFC 4861: 133 to 137), which are
// adjacent, and the report of version 2 (RFC 3810: 143).
const (
	icmpExemptFirst = 130
	icmpExemptLast  = 137
	icmpMLDv2Report = 143
)

// noAccept builds sets and chains for the addresses, none if there are none.
func noAccept(r Rules) (Contribution, error) {
	sets := map[string]*Set{
		setIPv4:  {Name: setIPv4, Key: nftables.TypeIPAddr},
		setIPv6:  {Name: setIPv6, Key: nftables.TypeIP6Addr},
		setZoned: {Name: setZoned, Key: nftables.MustConcatSetType(nftables.TypeIP6Addr, nftables.TypeIFName), Concat: true},
	}
	seen := make(map[netip.Addr]bool, len(r.NoAccept))
	for _, a := range r.NoAccept {
		if !a.IsValid() {
			return Contribution{}, errors.New("invalid address in no_accept")
		}
		a = a.Unmap()
		if seen[a] {
			continue
		}
		seen[a] = true
		name, key := setIPv6, a.AsSlice()
		switch {
		case a.Is4():
			name = setIPv4
		case a.Zone() != "":
			if len(a.Zone()) >= unix.IFNAMSIZ {
				return Contribution{}, fmt.Errorf("interface name of %v is too long", a)
			}
			name = setZoned
			key = append(key, make([]byte, unix.IFNAMSIZ)...)
			copy(key[16:], a.Zone())
		}
		sets[name].Elements = append(sets[name].Elements, nftables.SetElement{Key: key})
	}
	var c Contribution
	in := Chain{Name: chainInput, Type: nftables.ChainTypeFilter, Hook: *nftables.ChainHookInput, Priority: nftables.ChainPriority(r.Priority)}
	out := Chain{Name: chainOutput, Type: nftables.ChainTypeFilter, Hook: *nftables.ChainHookOutput, Priority: nftables.ChainPriority(r.Priority)}
	for _, name := range []string{setIPv4, setIPv6, setZoned} {
		if len(sets[name].Elements) == 0 {
			continue
		}
		c.Sets = append(c.Sets, *sets[name])
		in.Rules = append(in.Rules, dropRules(name, true, r.Counters)...)
		out.Rules = append(out.Rules, dropRules(name, false, r.Counters)...)
	}
	if len(c.Sets) > 0 {
		c.Chains = []Chain{in, out}
	}
	return c, nil
}

// dropRules drops packets whose destination (input) or source (output) is in
// the set, after letting pass what IPv6 needs.
func dropRules(set string, input, counters bool) []Rule {
	match := matchSet(set, input)
	verdict := func(kind expr.VerdictKind) []expr.Any {
		if counters {
			return []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: kind}}
		}
		return []expr.Any{&expr.Verdict{Kind: kind}}
	}
	direction := "from"
	if input {
		direction = "to"
	}
	drop := Rule{Comment: "no_accept: drop " + direction + " virtual address", Exprs: concat(match, verdict(expr.VerdictDrop))}
	if set == setIPv4 {
		return []Rule{drop}
	}
	icmpType := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_ICMPV6}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1},
	}
	exempt := []expr.Any{&expr.Range{
		Op: expr.CmpOpEq, Register: 1, FromData: []byte{icmpExemptFirst}, ToData: []byte{icmpExemptLast},
	}}
	report := []expr.Any{&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{icmpMLDv2Report}}}
	return []Rule{
		{Comment: "neighbour and listener discovery", Exprs: concat(match, icmpType, exempt, verdict(expr.VerdictAccept))},
		{Comment: "listener report, version 2", Exprs: concat(match, icmpType, report, verdict(expr.VerdictAccept))},
		drop,
	}
}

// matchSet matches the address, and the interface for the zoned set. Register
// 2 follows register 1, so that both make the 32-byte key.
func matchSet(set string, input bool) []expr.Any {
	proto, offset, length := byte(unix.NFPROTO_IPV6), uint32(8), uint32(16) // source of an IPv6 header
	if set == setIPv4 {
		proto, offset, length = unix.NFPROTO_IPV4, 12, 4
	}
	name := expr.MetaKeyOIFNAME
	if input {
		offset += length
		name = expr.MetaKeyIIFNAME
	}
	match := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{proto}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length},
	}
	if set == setZoned {
		match = append(match, &expr.Meta{Key: name, Register: 2})
	}
	return append(match, &expr.Lookup{SourceRegister: 1, SetName: set})
}

func concat(parts ...[]expr.Any) []expr.Any {
	var out []expr.Any
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
