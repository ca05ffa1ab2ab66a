package config

import (
	"fmt"
	"maps"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// maxServices bounds how many services groups may stand for, of one file: more is
// a slip of the pen, and would take minutes to put into a kernel.
const maxServices = 1 << 17

// serviceGroup is a virtual_server_group.
type serviceGroup struct {
	b       *block
	name    string
	members []VirtualService // without protocol, and marks possibly without family
	used    bool
}

// serviceGroups reads the blocks [[virtual_server_group]].
func (d *decoder) serviceGroups(top *block) map[string]*serviceGroup {
	all := map[string]*serviceGroup{}
	for _, b := range d.tables(top, BlockVSGroup) {
		b.checkName()
		g := &serviceGroup{b: b, name: b.text("name")}
		if other := all[g.name]; other != nil {
			b.errorf("name", "%s is also the name of the one in line %d; every one needs its own", describe(g.name), other.b.node.line)
			continue
		}
		g.read()
		all[g.name] = g
	}
	return all
}

// read reads the entries of a group.
func (g *serviceGroup) read() {
	b := g.b
	seen := map[VirtualService]bool{}
	items := b.items("address")
	for _, it := range items {
		m := member{spot: spot{d: b.d, line: it.node.line, key: b.join("address"), shown: describe(it.raw)}}
		m.read(it)
		if m.failed {
			continue
		}
		if m.mark != 0 {
			g.add(&m, seen, VirtualService{Mark: m.mark, Family: m.family})
			continue
		}
		for a := m.first; ; a = a.Next() {
			if !g.add(&m, seen, VirtualService{Addr: a, Port: m.port, Family: familyOf(a)}) {
				return
			}
			if a == m.last {
				break
			}
		}
	}
	if b.has("address") && len(items) == 0 {
		b.errorf("address", "is empty; write for example address = %s", b.row("address").example())
	}
}

// add takes in a service; it returns false if there are too many.
func (g *serviceGroup) add(m *member, seen map[VirtualService]bool, s VirtualService) bool {
	if seen[s] {
		if !m.failed {
			m.failed = true
			m.warnf("has something that is in the group already; it is there once")
		}
		return true
	}
	if m.d.services++; m.d.services > maxServices {
		m.errorf("makes more than %d addresses in the groups of this file, which is more than a kernel is given in reasonable time", maxServices)
		return false
	}
	seen[s] = true
	g.members = append(g.members, s)
	return true
}

// member is one entry of a group.
type member struct {
	spot
	first, last netip.Addr
	port        uint16
	mark        uint32
	family      Family
}

func (m *member) read(it item) {
	vals := map[string]string{}
	switch v := it.raw.(type) {
	case string:
		words := strings.Fields(v)
		names := []string{"address", "port"}
		if len(words) > 0 && words[0] == "fwmark" {
			words, names = words[1:], []string{"fwmark", "ip_family"}
		}
		if len(words) == 0 || len(words) > 2 {
			m.errorf("is not an entry of a group; allowed: %s", m.d.schema.must(BlockVSGroup, "address").Allowed())
			return
		}
		for i, w := range words {
			vals[names[i]] = w
		}
	case map[string]any:
		before := m.d.errors
		f := &fields{vals: vals}
		f.take(m.d.block(BlockMember, m.key, v, it.node))
		if m.shown = "a table"; vals["address"] != "" {
			m.shown = describe(vals["address"])
		}
		m.failed = m.d.errors > before
	default:
		m.errorf("is neither text nor a table; write for example %s", `"192.0.2.10 80"`)
	}
	if !m.failed {
		m.set(vals)
	}
}

// set makes an entry of its parts.
func (m *member) set(vals map[string]string) {
	addr, mark := vals["address"], vals["fwmark"]
	switch {
	case (addr == "") == (mark == ""):
		m.errorf("needs either an address or a fwmark")
	case mark != "":
		n, err := strconv.ParseUint(mark, 0, 32)
		if err != nil || n == 0 {
			m.errorf("has the mark %s; allowed: 1 to 4294967295", describe(mark))
		}
		m.mark = uint32(n)
		switch f := vals["ip_family"]; f {
		case "": // that of the servers
		case "inet":
			m.family = FamilyIPv4
		case "inet6":
			m.family = FamilyIPv6
		default:
			m.errorf("has the family %s; allowed: inet or inet6", describe(f))
		}
		if vals["port"] != "" {
			m.errorf("has a port, which a mark has not")
		}
	default:
		if vals["ip_family"] != "" {
			m.errorf("has ip_family, which belongs to a mark")
		}
		m.addresses(addr, vals["port"])
	}
}

// addresses reads an address, a range or a network.
func (m *member) addresses(text, port string) {
	if port == "" { // ADDR:PORT
		if ap, wrong := parseEndpoint(text); wrong == "" {
			m.first, m.last, m.port = ap.Addr(), ap.Addr(), ap.Port()
			m.oneHost()
			return
		}
	}
	if p, err := strconv.ParseUint(port, 10, 16); port != "" && err != nil {
		m.errorf("has the port %s; allowed: 0 to 65535", describe(port))
	} else {
		m.port = uint16(p)
	}
	from, to, isRange := strings.Cut(text, "-")
	if _, length, isNet := strings.Cut(text, "/"); isNet && !isRange {
		m.network(text, length)
		return
	}
	var wrong string
	if m.first, wrong = parseAddr(from); wrong != "" {
		m.errorf("has the address %s, which %s", describe(from), wrong)
		return
	}
	if m.last = m.first; isRange {
		m.last = lastOf(m.first, to)
	}
	if !m.last.IsValid() || familyOf(m.first) != familyOf(m.last) || m.last.Less(m.first) {
		m.errorf(`has the range %s; allowed: a greater last number behind the -, such as "192.0.2.10-20" or "2001:db8::10-1f", or a whole address`, describe(text))
		return
	}
	m.oneHost()
	m.fits(m.last)
}

// network reads all addresses of a prefix.
func (m *member) network(text, length string) {
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		m.errorf("has the network %s; allowed: an address, / and a length such as 24", describe(text))
		return
	case p.Masked() != p:
		m.errorf("has the network %s with more bits set than the length %s says; write %s", describe(text), length, p.Masked())
		return
	}
	m.first = p.Addr()
	last := m.first.AsSlice()
	for i := p.Bits(); i < len(last)*8; i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	m.last, _ = netip.AddrFromSlice(last)
	m.oneHost()
	m.fits(m.last)
}

// fits reports a range that is larger than all groups may be.
func (m *member) fits(last netip.Addr) {
	count := new(big.Int).Sub(new(big.Int).SetBytes(last.AsSlice()), new(big.Int).SetBytes(m.first.AsSlice()))
	if !m.failed && count.Cmp(big.NewInt(maxServices)) >= 0 {
		m.errorf("is more than %d addresses, which is more than a kernel is given in reasonable time", maxServices)
	}
}

func (m *member) oneHost() {
	if m.first.IsMulticast() || m.first.IsUnspecified() {
		m.errorf("is not an address that a host can have")
	}
}

// lastOf returns the end of a range: a whole address, or the last number of one.
func lastOf(first netip.Addr, to string) netip.Addr {
	if a, wrong := parseAddr(to); wrong == "" {
		return a
	}
	bytes := first.AsSlice()
	base, bits := 10, 8
	if first.Is6() {
		base, bits = 16, 16
	}
	n, err := strconv.ParseUint(to, base, bits)
	if err != nil {
		return netip.Addr{}
	}
	bytes[len(bytes)-1] = byte(n)
	if first.Is6() {
		bytes[len(bytes)-2] = byte(n >> 8)
	}
	a, _ := netip.AddrFromSlice(bytes)
	return a
}

// serviceGroup finds a group by its name.
func (b *block) serviceGroup(groups map[string]*serviceGroup) *serviceGroup {
	name := b.text("group")
	g := groups[name]
	if g == nil {
		near, hint := b.d.didYouMean(name, slices.Sorted(maps.Keys(groups)))
		if near != "" {
			groups[near].used = true // as far as messages go
		} else {
			hint = "; add [[virtual_server_group]] with name = " + describe(name)
		}
		b.errorf("group", "names the group %s, which is not in this file%s", describe(name), hint)
		return nil
	}
	g.used = true
	return g
}

// unusedGroups warns about groups that no virtual server is for.
func unusedGroups(groups map[string]*serviceGroup) {
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		if g := groups[name]; !g.used {
			g.b.d.add(Warning, g.b.node.line, g.b.path, "is named by no virtual_server, so it does nothing; write %s in one", fmt.Sprintf("group = %s", describe(name)))
		}
	}
}
