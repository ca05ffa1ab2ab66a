package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// RuleAction is what a rule does, by the kernel's number (FR_ACT_… of
// linux/fib_rules.h).
type RuleAction uint8

// The actions of rules.
const (
	RuleLookup      RuleAction = 1
	RuleGoto        RuleAction = 2
	RuleNop         RuleAction = 3
	RuleBlackhole   RuleAction = 6
	RuleUnreachable RuleAction = 7
	RuleProhibit    RuleAction = 8
)

// String returns keepalived's word for the action.
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
	return "rule action " + strconv.Itoa(int(a))
}

// Unset is the SuppressPrefixLength and SuppressIfGroup of a rule without one.
const Unset = -1

// Rule is one virtual or static routing rule. Names are already resolved. Values
// can be compared with ==.
type Rule struct {
	// Family is that of From and To.
	Family Family
	// Not turns the selection around.
	Not bool
	// From and To select packets by source and destination, without host bits;
	// invalid for all.
	From, To netip.Prefix
	// IIF and OIF select packets by the interface they come in from and the one
	// their socket is bound to; empty for all.
	IIF, OIF string
	// TOS selects packets by their type of service; 0 for all.
	TOS uint8
	// FWMark and FWMask select packets by their mark. A mask of 0 means that
	// marks do not matter.
	FWMark, FWMask uint32
	// TunnelID selects packets by their tunnel; 0 for all.
	TunnelID uint64
	// UIDs selects packets by the owner of their socket.
	UIDs UIDRange
	// L3mdev looks up the table of the VRF that a packet belongs to.
	L3mdev bool
	// IPProto selects packets by their IP protocol; 0 for all.
	IPProto uint8
	// SPort and DPort select packets by their ports.
	SPort, DPort PortRange
	// Priority is the preference, 1 and above, unique or not: rules with less
	// come first.
	Priority uint32
	// Action is what is done. Table is the table of RuleLookup, 0 otherwise and
	// with L3mdev; Goto the preference of RuleGoto, which is more than Priority.
	Action RuleAction
	Table  uint32
	Goto   uint32
	// SuppressPrefixLength refuses routes found by RuleLookup that are not
	// longer than it: 0 to 128, or Unset.
	SuppressPrefixLength int
	// SuppressIfGroup refuses routes found by RuleLookup whose interface is in
	// this group; or Unset.
	SuppressIfGroup int
	// Realms is the realm of the destination, and shifted left by 16 bits that
	// of the source; 0 for none.
	Realms uint32
	// Protocol marks the rule, as in Route.
	Protocol uint8
	// NoTrack ignores that another program removes it.
	NoTrack bool
	// TrackGroup is the track group that follows it; empty for virtual rules.
	TrackGroup string
}

// UIDRange is a range of user numbers, both ends included; the zero value
// selects all users.
type UIDRange struct {
	First, Last uint32
	// Set tells a range of only the user 0 from none.
	Set bool
}

// PortRange is a range of ports, both ends included; the zero value selects all.
type PortRange struct{ First, Last uint16 }

// ruleDraft is a rule while it is read, from a line or a table.
type ruleDraft struct {
	Rule
	spot

	seen       map[string]bool
	family     Family // as said by inet or inet6, else 0
	from, to   string
	proto      string
	table      string
	preference string
	static     bool
}

// rules reads virtual_rules or static_rules.
func (b *block) rules(key string, static bool) []Rule {
	var out []Rule
	seen := map[Rule]bool{}
	for _, it := range b.items(key) {
		r := &ruleDraft{spot: spot{d: b.d, line: it.node.line, key: b.join(key), shown: describe(it.raw)}, seen: map[string]bool{}, static: static}
		r.SuppressPrefixLength, r.SuppressIfGroup = Unset, Unset
		switch v := it.raw.(type) {
		case string:
			r.readLine(v)
		case map[string]any:
			r.shown = "this rule"
			r.readTable(v, it.node)
		default:
			r.errorf(`is neither text nor a table; write for example "from 192.0.2.0/24 table 100 preference 1000"`)
		}
		if !r.finish() {
			continue
		}
		if seen[r.Rule] {
			r.warnf("is a duplicate and is dropped")
			continue
		}
		seen[r.Rule] = true
		r.d.addLinks(&r.spot, r.IIF, r.OIF)
		out = append(out, r.Rule)
	}
	return out
}

// ruleFlags are the words of a rule that stand alone.
func ruleFlags() []string {
	return []string{"not", "inet", "inet6", "l3mdev", "nop", "blackhole", "unreachable", "prohibit", "no_track"}
}

// ruleWords are the words of a rule that take a value.
func ruleWords() []string {
	return []string{
		"from", "to", "iif", "oif", "tos", "fwmark", "table", "preference", "realms", "suppress_prefixlength", "suppress_ifgroup",
		"tunnel-id", "uidrange", "protocol", "ipproto", "sport", "dport", "goto", "track_group",
	}
}

// ruleSynonym returns the word that a line may have another one for.
func ruleSynonym(word string) string {
	switch word {
	case "dev":
		return "iif"
	case "dsfield":
		return "tos"
	case "lookup":
		return "table"
	case "order", "priority", "pref":
		return "preference"
	case "sup_pl":
		return "suppress_prefixlength"
	case "sup_group":
		return "suppress_ifgroup"
	case "ip_proto":
		return "ipproto"
	}
	return word
}

// readLine reads keepalived's notation, which is that of ip rule.
func (r *ruleDraft) readLine(line string) {
	words := strings.Fields(line)
	if len(words) == 0 {
		r.errorf(`is empty; write for example "from 192.0.2.0/24 table 100 preference 1000"`)
		return
	}
	for len(words) > 0 && !r.failed {
		word := ruleSynonym(words[0])
		words = words[1:]
		switch {
		case slices.Contains(ruleFlags(), word):
			r.set(word, "true")
		case !slices.Contains(ruleWords(), word):
			r.unknownWord(word, ruleWords(), ruleFlags())
		case len(words) == 0:
			r.errorf("ends after %s; its value is missing", word)
		default:
			r.set(word, words[0])
			words = words[1:]
		}
	}
}

// readTable reads the notation with named parts.
func (r *ruleDraft) readTable(table map[string]any, n *node) {
	before := r.d.errors
	parts := &fields{vals: map[string]string{}}
	parts.take(r.d.block(BlockRule, r.key, table, n))
	if f, ok := parts.vals["family"]; ok {
		r.set(f, "true")
	}
	if action, ok := parts.vals["action"]; ok {
		word, to, _ := strings.Cut(action, " ")
		switch {
		case word == "goto" && to != "":
			r.set(word, strings.TrimSpace(to))
		case to == "" && slices.Contains([]string{"nop", "blackhole", "unreachable", "prohibit"}, word):
			r.set(word, "true")
		default:
			r.errorf("has the action %s; allowed: %s", describe(action), r.d.schema.must(BlockRule, "action").Allowed())
		}
	}
	for _, name := range slices.Concat(ruleWords(), []string{"not", "l3mdev", "no_track"}) {
		if v, ok := parts.vals[name]; ok && v != "false" {
			r.set(name, v)
		}
	}
	r.failed = r.failed || r.d.errors > before
}

// set sets a part of the rule.
func (r *ruleDraft) set(name, value string) {
	if r.seen[name] {
		r.errorf("has %s twice", name)
		return
	}
	r.seen[name] = true
	switch name {
	case "not":
		r.Not = true
	case "inet", "inet6":
		r.family = familyWord(name)
	case "l3mdev":
		r.L3mdev = true
	case "no_track":
		r.NoTrack = true
	case "nop", "blackhole", "unreachable", "prohibit", "goto":
		r.act(name, value)
	case "from":
		r.from = value
	case "to":
		r.to = value
	case "iif":
		r.IIF = r.link(name, value)
	case "oif":
		r.OIF = r.link(name, value)
	case "table":
		r.table = value
	case "preference":
		r.preference = value
		if r.Priority = r.uint32(name, value, 1<<32-1); r.Priority == 0 && !r.failed {
			r.errorf("has the preference 0, which is that of the kernel's own rule; allowed: 1 to 4294967295")
		}
	case "protocol":
		r.proto = value
	case "track_group":
		if !r.static {
			r.errorf("has track_group, which only static rules can have")
			return
		}
		r.TrackGroup = r.trackGroup(value)
	default:
		r.setSelector(name, value)
	}
}
