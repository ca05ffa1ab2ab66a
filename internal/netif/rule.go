package netif

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// RuleAction is what a rule does (FR_ACT_* of linux/fib_rules.h, by value). The
// zero value means RuleLookup.
type RuleAction uint8

// The actions.
const (
	RuleLookup      RuleAction = unix.FR_ACT_TO_TBL
	RuleGoto        RuleAction = unix.FR_ACT_GOTO
	RuleNop         RuleAction = unix.FR_ACT_NOP
	RuleBlackhole   RuleAction = unix.FR_ACT_BLACKHOLE
	RuleUnreachable RuleAction = unix.FR_ACT_UNREACHABLE
	RuleProhibit    RuleAction = unix.FR_ACT_PROHIBIT
)

// String returns iproute2's word.
func (a RuleAction) String() string {
	switch a {
	case RuleLookup:
		return "lookup"
	case RuleGoto:
		return "goto"
	case RuleNop:
		return "nop"
	case RuleBlackhole:
		return "blackhole"
	case RuleUnreachable:
		return "unreachable"
	case RuleProhibit:
		return "prohibit"
	}
	return fmt.Sprintf("RuleAction(%d)", uint8(a))
}

// Limit is a number or, as the zero value, none.
type Limit struct {
	Set   bool
	Value uint32
}

// UIDRange is a range of user numbers, both ends included; the zero value
// selects everybody.
type UIDRange struct {
	Set         bool
	First, Last uint32
}

// PortRange is a range of ports, both ends included; the zero value selects
// all.
type PortRange struct{ First, Last uint16 }

// Rule is a routing policy rule as it should be or as the kernel has it. It is
// comparable.
type Rule struct {
	// IPv6 is the family.
	IPv6 bool
	// Not turns the selection around.
	Not bool
	// From and To select packets, without host bits; not valid for all.
	From, To netip.Prefix
	// IIF and OIF select packets by interface; empty for all. They need not
	// exist.
	IIF, OIF string
	// TOS selects packets, 0 for all.
	TOS uint8
	// FWMark and FWMask select packets by their mark; a mask of 0 with a mark
	// other than 0 means all bits.
	FWMark, FWMask uint32
	// TunID selects packets by their tunnel, 0 for all.
	TunID uint64
	// UIDs selects packets by the owner of their socket.
	UIDs UIDRange
	// L3mdev looks up the table of the packet's VRF.
	L3mdev bool
	// IPProto selects packets by their IP protocol, 0 for all.
	IPProto uint8
	// SPort and DPort select packets by their ports.
	SPort, DPort PortRange
	// Priority is the rule's preference, from 1 on; less comes first.
	Priority uint32
	// Action is what the rule does, Table the table of RuleLookup, Goto the
	// priority of RuleGoto.
	Action RuleAction
	Table  uint32
	Goto   uint32
	// SuppressPrefixLen refuses what the table finds if it is not longer.
	SuppressPrefixLen Limit
	// SuppressIfGroup refuses it if its interface is in this group.
	SuppressIfGroup Limit
	// Realms is as in Route; IPv4 only.
	Realms uint32
	// Protocol is the owner's mark (FRA_PROTOCOL); 0 means Protocol.
	Protocol uint8
	// NoTrack says that a removal by another program is accepted.
	NoTrack bool
}

// Key returns r with defaults filled in and without NoTrack: the rule's
// identity.
func (r Rule) Key() Rule {
	r.From, r.To = r.From.Masked(), r.To.Masked()
	if r.From.Bits() == 0 {
		r.From = netip.Prefix{}
	}
	if r.To.Bits() == 0 {
		r.To = netip.Prefix{}
	}
	if r.FWMark != 0 && r.FWMask == 0 {
		r.FWMask = 0xffffffff
	}
	r.Action = cmp.Or(r.Action, RuleLookup)
	r.Protocol = cmp.Or(r.Protocol, Protocol)
	if r.IPv6 {
		r.Realms = 0
	}
	r.NoTrack = false
	return r
}

// String returns the rule in the manner of ip rule. Different rules have
// different texts.
func (r Rule) String() string {
	r = r.Key()
	var b strings.Builder
	put := func(show bool, format string, args ...any) {
		if show {
			fmt.Fprintf(&b, format+" ", args...)
		}
	}
	put(r.IPv6, "inet6")
	put(r.Not, "not")
	put(r.From.IsValid(), "from %s", r.From)
	put(!r.From.IsValid(), "from all")
	put(r.To.IsValid(), "to %s", r.To)
	put(r.TOS != 0, "tos %#x", r.TOS)
	put(r.FWMark != 0 || r.FWMask != 0, "fwmark %#x/%#x", r.FWMark, r.FWMask)
	put(r.IIF != "", "iif %s", r.IIF)
	put(r.OIF != "", "oif %s", r.OIF)
	put(r.TunID != 0, "tun_id %d", r.TunID)
	put(r.UIDs.Set, "uidrange %d-%d", r.UIDs.First, r.UIDs.Last)
	put(r.IPProto != 0, "ipproto %d", r.IPProto)
	put(r.SPort != PortRange{}, "sport %d-%d", r.SPort.First, r.SPort.Last)
	put(r.DPort != PortRange{}, "dport %d-%d", r.DPort.First, r.DPort.Last)
	put(r.L3mdev, "l3mdev")
	put(r.Action == RuleLookup && !r.L3mdev, "lookup %d", r.Table)
	put(r.Action == RuleGoto, "goto %d", r.Goto)
	put(r.Action != RuleLookup && r.Action != RuleGoto, "%s", r.Action)
	put(r.SuppressPrefixLen.Set, "suppress_prefixlength %d", r.SuppressPrefixLen.Value)
	put(r.SuppressIfGroup.Set, "suppress_ifgroup %d", r.SuppressIfGroup.Value)
	put(r.Realms != 0, "realms %#x", r.Realms)
	put(r.Protocol != Protocol, "proto %d", r.Protocol)
	fmt.Fprintf(&b, "priority %d", r.Priority)
	return b.String()
}

// covers reports whether the kernel's search for the removal of r would also
// find other: what the request does not say matches everything, and Not is not
// compared.
func (r Rule) covers(other Rule) bool {
	a, b := r.Key(), other.Key()
	b.Not = a.Not
	ignore(&b.From, a.From)
	ignore(&b.To, a.To)
	ignore(&b.IIF, a.IIF)
	ignore(&b.OIF, a.OIF)
	ignore(&b.TOS, a.TOS)
	ignore(&b.FWMark, a.FWMark)
	ignore(&b.FWMask, a.FWMask)
	ignore(&b.TunID, a.TunID)
	ignore(&b.UIDs, a.UIDs)
	ignore(&b.L3mdev, a.L3mdev)
	ignore(&b.IPProto, a.IPProto)
	ignore(&b.SPort, a.SPort)
	ignore(&b.DPort, a.DPort)
	ignore(&b.Table, a.Table)
	ignore(&b.Goto, a.Goto)
	ignore(&b.SuppressPrefixLen, a.SuppressPrefixLen)
	ignore(&b.SuppressIfGroup, a.SuppressIfGroup)
	ignore(&b.Realms, a.Realms)
	return a == b
}

// ignore makes *b what a is if that says nothing.
func ignore[T comparable](b *T, a T) {
	if zero := *new(T); a == zero {
		*b = a
	}
}

// detail is how much a removal says, for covers.
func (r Rule) detail() int {
	r = r.Key()
	n := 0
	for _, said := range []bool{
		r.From.IsValid(), r.To.IsValid(), r.IIF != "", r.OIF != "", r.TOS != 0, r.FWMark != 0, r.FWMask != 0, r.TunID != 0,
		r.UIDs.Set, r.L3mdev, r.IPProto != 0, r.SPort != PortRange{}, r.DPort != PortRange{}, r.Table != 0,
		r.SuppressPrefixLen.Set, r.SuppressIfGroup.Set, r.Realms != 0,
	} {
		if said {
			n++
		}
	}
	return n
}

// Check reports why the kernel could not be asked for r, wrapping ErrInvalid.
func (r Rule) Check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("rule %s: %w: %s", r, ErrInvalid, fmt.Sprintf(format, args...))
	}
	for _, p := range []netip.Prefix{r.From, r.To} {
		switch {
		case p.IsValid() && p.Addr().Is4() == r.IPv6:
			return bad("%s is of the other family", p)
		case p != p.Masked():
			return bad("%s has host bits", p)
		}
	}
	lookup := r.Action == 0 || r.Action == RuleLookup
	limited := r.SuppressPrefixLen.Set || r.SuppressIfGroup.Set
	switch {
	case r.Priority == 0:
		return bad("no priority")
	case len(r.IIF) > maxName || len(r.OIF) > maxName:
		return bad("interface name %q, want at most %d bytes", r.IIF+r.OIF, maxName)
	case lookup && (r.Table == 0) != r.L3mdev:
		return bad("want either a table or l3mdev")
	case !lookup && (r.Table != 0 || r.L3mdev || limited):
		return bad("action %s uses no table", r.Action)
	case r.Action == RuleGoto && r.Goto <= r.Priority:
		return bad("goto %d, want more than its own priority", r.Goto)
	case r.Action != RuleGoto && r.Goto != 0:
		return bad("goto without the action")
	case r.UIDs.First > r.UIDs.Last || r.SPort.First > r.SPort.Last || r.DPort.First > r.DPort.Last:
		return bad("a range ends before it begins")
	}
	return nil
}
