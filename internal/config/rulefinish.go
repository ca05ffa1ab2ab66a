package config

import (
	"net/netip"
	"strconv"
	"strings"
)

// firstPreference is the preference of the first rule that has none; the
// following ones get less (keepalived).
const firstPreference = 16384

// act sets the action.
func (r *ruleDraft) act(name, value string) {
	if r.Action != 0 {
		r.errorf("has two actions, %s and %s", r.Action, name)
		return
	}
	switch name {
	case "nop":
		r.Action = RuleNop
	case "blackhole":
		r.Action = RuleBlackhole
	case "unreachable":
		r.Action = RuleUnreachable
	case "prohibit":
		r.Action = RuleProhibit
	case "goto":
		r.Action, r.Goto = RuleGoto, r.uint32("goto", value, 1<<32-1)
	}
}

// setSelector sets a part that selects packets or routes.
func (r *ruleDraft) setSelector(name, value string) {
	switch name {
	case "tos":
		r.TOS = r.tos(value)
	case "fwmark":
		mark, mask, both := strings.Cut(value, "/")
		r.FWMark, r.FWMask = r.uint32(name, mark, 1<<32-1), 1<<32-1
		if both {
			r.FWMask = r.uint32("mask of the fwmark", mask, 1<<32-1)
		}
	case "realms":
		r.Realms = r.realms(value)
	case "suppress_prefixlength":
		r.SuppressPrefixLength = int(r.uint32(name, value, 128))
	case "suppress_ifgroup":
		r.SuppressIfGroup = int(r.named(name, fileGroups, value, 0, 1<<31-1))
	case "tunnel-id":
		v, err := strconv.ParseUint(value, 0, 64)
		if err != nil {
			r.errorf("has the tunnel-id %s; allowed: a number", describe(value))
		}
		r.TunnelID = v
	case "uidrange":
		first, last := r.span(name, value, 1<<32-2)
		r.UIDs = UIDRange{first, last, true}
	case "ipproto":
		r.ipProto(value)
	case "sport", "dport":
		first, last := r.span(name, value, 1<<16-1)
		if first == 0 && !r.failed {
			r.errorf("has the %s 0; allowed: 1 to 65535", name)
		}
		ports := PortRange{uint16(first), uint16(last)}
		if name == "sport" {
			r.SPort = ports
		} else {
			r.DPort = ports
		}
	}
}

// span reads FIRST-LAST, or one number for both.
func (r *ruleDraft) span(name, value string, most uint32) (first, last uint32) {
	a, b, both := strings.Cut(value, "-")
	if !both {
		b = a
	}
	first, last = r.uint32(name, a, most), r.uint32(name, b, most)
	if first > last {
		r.errorf("has the %s %s, whose end is before its beginning", name, describe(value))
	}
	return first, last
}

// ipProto reads the number or name of an IP protocol.
func (r *ruleDraft) ipProto(value string) {
	v, ok := ipProtocols()[strings.ToLower(value)]
	if !ok {
		n, err := strconv.ParseUint(value, 0, 8)
		if err != nil || n == 0 {
			r.errorf("has the ipproto %s; allowed: a number from 1 to 255, or a name such as tcp, udp, icmp, sctp", describe(value))
		}
		v = uint32(n)
	}
	r.IPProto = uint8(v)
}

// finish settles the family, fills in defaults and checks the parts against
// each other. It returns false if the rule cannot be used.
func (r *ruleDraft) finish() bool {
	if r.failed {
		return false
	}
	r.From, r.To = r.selector("from", r.from), r.selector("to", r.to)
	if r.failed {
		return false
	}
	r.Family = r.family
	for _, p := range []netip.Prefix{r.From, r.To} {
		if p.IsValid() && r.Family == 0 {
			r.Family = familyOf(p.Addr())
		}
	}
	if r.Family == 0 {
		r.Family = FamilyIPv4
	}
	for _, p := range []netip.Prefix{r.From, r.To} {
		if p.IsValid() && familyOf(p.Addr()) != r.Family {
			r.errorf("is an %s rule, to which %s does not belong", r.Family, p)
		}
	}
	most := 32
	if r.Family == FamilyIPv6 {
		most = 128
	}
	if r.SuppressPrefixLength > most {
		r.errorf("has a suppress_prefixlength of %d; allowed with %s: 0 to %d", r.SuppressPrefixLength, r.Family, most)
	}
	if r.seen["inet"] && r.seen["inet6"] {
		r.errorf("has both inet and inet6")
	}
	r.finishAction()
	r.Protocol = r.mark(r.proto, r.NoTrack)
	if !r.failed {
		r.finishPreference()
	}
	return !r.failed
}

// selector reads from or to.
func (r *ruleDraft) selector(name, value string) netip.Prefix {
	if value == "" || isDefault(value) {
		return netip.Prefix{}
	}
	return r.network(name, value, 0)
}

// finishAction settles what the rule does.
func (r *ruleDraft) finishAction() {
	if r.table != "" {
		r.Table = r.named("table", fileTables, r.table, 1, 1<<32-1)
	}
	switch {
	case r.Action != 0 && r.table != "":
		r.warnf("table is not used, because the action is %s", r.Action)
		r.Table = 0
	case r.L3mdev && (r.Action != 0 || r.table != ""):
		r.errorf("has l3mdev, which says the table, beside another action")
	case r.Action == 0 && r.table == "" && !r.L3mdev:
		r.errorf("says neither a table nor another action; add for example table 100")
	case r.Action == 0:
		r.Action = RuleLookup
	}
	if r.Action != RuleLookup && (r.SuppressPrefixLength != Unset || r.SuppressIfGroup != Unset) {
		r.errorf("has suppress_prefixlength or suppress_ifgroup, which need a table")
	}
}

// finishPreference settles the preference, on which everything depends.
func (r *ruleDraft) finishPreference() {
	if r.preference == "" {
		next, ok := r.d.nextPreference[r.Family]
		if !ok {
			next = firstPreference
		}
		r.Priority = max(next, 1)
		r.d.nextPreference[r.Family] = r.Priority - 1
		r.warnf("has no preference, so it gets %d, which may change with other rules; add one, for example preference %d", r.Priority, r.Priority)
	}
	if r.Action == RuleGoto && r.Goto <= r.Priority {
		r.errorf("has goto %d, which has to be more than its own preference of %d", r.Goto, r.Priority)
	}
}
