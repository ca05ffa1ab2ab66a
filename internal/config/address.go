package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// addressDraft collects the parts of one address, whether they come from a
// line or from a table, and reports what is wrong with them at its place.
type addressDraft struct {
	Address

	d       *decoder
	line    int
	key     string
	shown   string // the entry as messages show it
	text    string // ADDRESS[/LENGTH]
	dev     string // as the entry says
	link    string // where it goes otherwise
	brd     string
	lft     string
	peer    string
	scope   string
	static  bool
	problem bool
}

// placedAddress is an address of the file with its place.
type placedAddress struct {
	Address
	line  int
	shown string
}

// addresses reads virtual_ipaddress, virtual_ipaddress_excluded or
// static_ipaddress. Entries without dev go to link, which may be empty.
func (b *block) addresses(key, link string) []placedAddress {
	var out []placedAddress
	for _, it := range b.items(key) {
		a := &addressDraft{d: b.d, line: it.node.line, key: b.join(key), link: link, static: b.kind == BlockRoot}
		switch v := it.raw.(type) {
		case string:
			a.shown = describe(v)
			a.readLine(v)
		case map[string]any:
			a.shown = describe(v["address"])
			a.readTable(b.d, v, it.node)
		default:
			a.shown = describe(v)
			a.errorf(`is neither text nor a table; write for example "192.0.2.10/24"`)
		}
		if a.finish() {
			out = append(out, placedAddress{a.Address, it.node.line, a.shown})
		}
	}
	return out
}

func (a *addressDraft) errorf(format string, args ...any) {
	a.problem = true
	a.d.add(Error, a.line, a.key, "%s %s", a.shown, fmt.Sprintf(format, args...))
}

func (a *addressDraft) warnf(format string, args ...any) {
	a.d.add(Warning, a.line, a.key, "%s: %s", a.shown, fmt.Sprintf(format, args...))
}

// addressOptions are the words of an address line that take a value.
var addressOptions = []string{"dev", "scope", "brd", "broadcast", "label", "peer", "preferred_lft", "track_group"}

// addressFlags are the words of an address line that stand alone.
var addressFlags = []string{"home", "-nodad", "mngtmpaddr", "noprefixroute", "autojoin", "no_track", "use_vmac"}

// readLine reads keepalived's notation of an address.
func (a *addressDraft) readLine(line string) {
	words := strings.Fields(line)
	if len(words) == 0 {
		a.errorf(`is empty; write for example "192.0.2.10/24 dev eth0"`)
		return
	}
	a.text, words = words[0], words[1:]
	seen := make(map[string]bool)
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if seen[word] {
			a.errorf("has %s twice", word)
			return
		}
		seen[word] = true
		switch {
		case slices.Contains(addressFlags, word):
			a.setFlag(strings.TrimPrefix(word, "-no"))
		case !slices.Contains(addressOptions, word):
			a.errorf("has the unknown word %s; known ones are %s, %s", describe(word),
				strings.Join(addressOptions, ", "), strings.Join(addressFlags, ", "))
			return
		case len(words) == 0:
			a.errorf("ends after %s; its value is missing", word)
			return
		default:
			value := words[0]
			words = words[1:]
			if _, err := strconv.ParseUint(value, 10, 32); word == "preferred_lft" && err == nil {
				value += "s" // keepalived's lines count in seconds
			}
			a.setOption(word, value)
		}
	}
}

// readTable reads the notation with named parts.
func (a *addressDraft) readTable(d *decoder, table map[string]any, n *node) {
	before := d.errors
	b := d.block(BlockAddress, a.key, table, n)
	a.problem = d.errors > before
	a.text = b.text("address")
	for _, name := range addressOptions {
		if e, ok := b.vals[name]; ok {
			a.setOption(name, e.val.(string))
		}
	}
	for _, name := range []string{"home", "dad", "mngtmpaddr", "noprefixroute", "autojoin", "no_track"} {
		if b.flag(name) {
			a.setFlag(name)
		}
	}
}

func (a *addressDraft) setOption(name, value string) {
	switch name {
	case "dev":
		a.dev = value
	case "scope":
		a.scope = value
	case "brd", "broadcast":
		a.brd = value
	case "label":
		a.Label = value
	case "peer":
		a.peer = value
	case "preferred_lft":
		a.lft = value
	case "track_group":
		if !a.static {
			a.errorf("has track_group, which only static addresses can have")
			return
		}
		at := spot{d: a.d, line: a.line, key: a.key, shown: a.shown}
		a.TrackGroup = at.trackGroup(value)
		a.problem = a.problem || at.failed
	}
}

func (a *addressDraft) setFlag(name string) {
	switch name {
	case "home":
		a.Home = true
	case "dad":
		a.DAD = true
	case "mngtmpaddr":
		a.MngTmpAddr = true
	case "noprefixroute":
		a.NoPrefixRoute = true
	case "autojoin":
		a.Autojoin = true
	case "no_track":
		a.NoTrack = true
	case "use_vmac":
		a.errorf("has use_vmac, which is not yet done: VMAC")
	}
}

// finish checks the parts and fills in defaults. It returns false if the
// address cannot be used.
func (a *addressDraft) finish() bool {
	if a.problem {
		return false
	}
	p, wrong := parsePrefix(a.text)
	if wrong != "" {
		a.errorf("%s", wrong)
		return false
	}
	if addr := p.Addr(); addr.IsMulticast() || addr.IsUnspecified() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		a.errorf("is not an address that a host can have")
		return false
	}
	a.Prefix = p
	a.finishDev()
	a.finishScope()
	a.finishPeer()
	if familyOf(p.Addr()) == FamilyIPv4 {
		a.finishIPv4()
	} else {
		a.finishIPv6()
	}
	return !a.problem
}

func (a *addressDraft) finishDev() {
	a.Dev = cmp.Or(a.dev, a.link)
	if a.Dev == "" {
		a.errorf("does not say which interface it goes to, and the instance has none; add dev, for example %q", a.text+" dev eth0")
	} else if wrong := wrongLink(a.dev); a.dev != "" && wrong != "" {
		a.errorf("has the dev %s, which %s", describe(a.dev), wrong)
	}
}

func (a *addressDraft) finishScope() {
	names := map[string]uint8{"": 0, "global": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}
	v, ok := names[a.scope]
	if !ok {
		n, err := strconv.ParseUint(a.scope, 10, 8)
		if err != nil {
			a.errorf("has the scope %s; allowed: %s", describe(a.scope), a.d.schema.must(BlockAddress, "scope").Allowed())
			return
		}
		v = uint8(n)
	}
	a.Scope = v
}

func (a *addressDraft) finishPeer() {
	if a.peer == "" {
		return
	}
	p, wrong := parsePrefix(a.peer)
	switch {
	case wrong != "":
		a.errorf("has the peer %s, which %s", describe(a.peer), wrong)
	case familyOf(p.Addr()) != familyOf(a.Prefix.Addr()):
		a.errorf("has the peer %s of another family", a.peer)
	}
	a.Peer = p
}

// finishIPv4 checks what only IPv4 has, and drops what only IPv6 has.
func (a *addressDraft) finishIPv4() {
	a.PreferredLft = Forever
	const longest = 15 // IFNAMSIZ less the final NUL
	if len(a.Label) > longest {
		a.errorf("has the label %s, which is longer than %d characters", describe(a.Label), longest)
	}
	if a.lft != "" || a.DAD || a.Home || a.MngTmpAddr {
		a.warnf("preferred_lft, duplicate address detection, home and mngtmpaddr have no effect on an IPv4 address")
		a.DAD, a.Home, a.MngTmpAddr = false, false, false
	}
	switch a.brd {
	case "", "-":
	case "+":
		if a.Prefix.Bits() > 30 {
			a.warnf("brd + has no effect, because a prefix of length %d has no broadcast address", a.Prefix.Bits())
			return
		}
		b := a.Prefix.Addr().As4()
		for i := a.Prefix.Bits(); i < 32; i++ {
			b[i/8] |= 0x80 >> (i % 8)
		}
		a.Broadcast = netip.AddrFrom4(b)
	default:
		addr, wrong := parseAddr(a.brd)
		if wrong != "" || !addr.Is4() {
			a.errorf("has the broadcast address %s; allowed: %s", describe(a.brd), a.d.schema.must(BlockAddress, "brd").Allowed())
			return
		}
		a.Broadcast = addr
	}
}

// finishIPv6 checks what only IPv6 has, and drops what only IPv4 has.
func (a *addressDraft) finishIPv6() {
	if a.Label != "" || a.brd != "" && a.brd != "-" {
		a.warnf("label and brd have no effect on an IPv6 address")
		a.Label = ""
	}
	switch a.lft {
	case "":
		// A /128 is never to be chosen as a source address: keepalived's
		// default.
		a.PreferredLft = Forever
		if a.Prefix.Bits() == 128 {
			a.PreferredLft = 0
		}
	case "forever":
		a.PreferredLft = Forever
	default:
		const most = (1<<32 - 2) * time.Second // 2^32-1 is the kernel's forever
		d, wrong := parseDuration(a.lft)
		if wrong != "" || d%time.Second != 0 || d > most {
			a.errorf("has the preferred_lft %s; allowed: %s", describe(a.lft), a.d.schema.must(BlockAddress, "preferred_lft").Allowed())
			return
		}
		a.PreferredLft = d
	}
}

// parsePrefix reads ADDRESS or ADDRESS/LENGTH and keeps the host bits.
func parsePrefix(s string) (netip.Prefix, string) {
	host, length, found := strings.Cut(s, "/")
	a, wrong := parseAddr(host)
	if wrong != "" {
		return netip.Prefix{}, wrong
	}
	if !found {
		return netip.PrefixFrom(a, a.BitLen()), ""
	}
	n, err := strconv.ParseUint(length, 10, 8)
	if err != nil || int(n) > a.BitLen() {
		return netip.Prefix{}, fmt.Sprintf("has the prefix length %s; allowed: 0 to %d, for example %s/%d", describe(length), a.BitLen(), a, a.BitLen())
	}
	return netip.PrefixFrom(a, int(n)), ""
}
