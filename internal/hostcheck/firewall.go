package hostcheck

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// checkFirewall reads the nftables rules of this network namespace and asks of
// every chain that adverts pass whether it lets them. iptables' rules are among
// them where iptables is the one that uses nftables, as it is everywhere today.
func checkFirewall(r *report, uses []use) {
	if names, err := os.ReadFile("/proc/net/ip_tables_names"); err == nil && strings.Contains(string(names), "filter") {
		r.add(Note, "firewall", "there are rules of iptables-legacy, which are not looked at: see that they accept protocol 112")
	}
	tables, err := readTables()
	switch {
	case errors.Is(err, unix.EPERM):
		r.add(Note, "firewall", "not looked at, which needs root")
		return
	case err != nil:
		r.add(Note, "firewall", "not looked at: %v", err)
		return
	}
	said := map[string]bool{}
	for _, u := range uses {
		for _, p := range packetsOf(u) {
			for _, t := range tables {
				t.judge(p, func(chain string, how verdict) {
					text := describeDrop(t, chain, how, p)
					if !said[text] {
						said[text] = true
						r.add(Warning, "firewall", "%s", text)
					}
				})
			}
		}
	}
}

// describeDrop says what a chain does with an advert, and how to mend it.
func describeDrop(t *table, chain string, how verdict, p packet) string {
	doing, of := "drops", "no rule accepts them"
	if how == unclear {
		doing, of = "may drop", "it drops what it does not accept, and no rule of it names protocol 112"
	}
	way := "that come in over "
	if p.out {
		way = "that go out over "
	}
	to := ""
	if p.dst.IsValid() {
		to = " to " + p.dst.String()
	}
	return fmt.Sprintf("chain %s of table %s %s %s adverts%s %s%s: %s; accept protocol 112 (vrrp) there, or both routers become master",
		chain, t.family, t.name, doing, to, way, p.link, of)
}

// packetsOf are the adverts of a use: in and out, to the group, to peers.
func packetsOf(u use) []packet {
	var out []packet
	for _, outgoing := range []bool{false, true} {
		p := packet{link: u.link, ipv6: u.ipv6, out: outgoing}
		if u.unicast {
			out = append(out, p)
		}
		if u.multicast {
			p.dst = u.group
			out = append(out, p)
		}
	}
	return out
}

// readTables reads the tables that IP packets pass, with their filter chains.
func readTables() ([]*table, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		return nil, fmt.Errorf("list chains: %w", err)
	}
	var out []*table
	for _, c := range chains {
		family, ok := familyOf(c.Table.Family)
		if !ok {
			continue
		}
		i := slices.IndexFunc(out, func(t *table) bool { return t.name == c.Table.Name && t.family == family })
		if i < 0 {
			i = len(out)
			out = append(out, &table{
				name: c.Table.Name, family: family, chains: map[string][]rule{},
				contains: func(set string, key []byte) (bool, bool) { return setContains(conn, c.Table, set, key) },
			})
		}
		rules, err := conn.GetRules(c.Table, c)
		if err != nil {
			return nil, fmt.Errorf("list rules of %s %s: %w", c.Table.Name, c.Name, err)
		}
		list := make([]rule, len(rules))
		for j := range rules {
			list[j] = rules[j].Exprs
		}
		out[i].chains[c.Name] = list
		if c.Hooknum != nil && c.Type == nftables.ChainTypeFilter {
			out[i].base = append(out[i].base, baseChain{name: c.Name, hook: *c.Hooknum, drops: c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop})
		}
	}
	return out, nil
}

func familyOf(f nftables.TableFamily) (string, bool) {
	switch f {
	case nftables.TableFamilyINet:
		return "inet", true
	case nftables.TableFamilyIPv4:
		return "ip", true
	case nftables.TableFamilyIPv6:
		return "ip6", true
	}
	return "", false
}

// setContains looks a key up; known is false where that is not simple.
func setContains(conn *nftables.Conn, t *nftables.Table, name string, key []byte) (found, known bool) {
	s, err := conn.GetSetByName(t, name)
	if err != nil || s.Interval || s.Concatenation || s.Dynamic {
		return false, false
	}
	elems, err := conn.GetSetElements(s)
	if err != nil {
		return false, false
	}
	return slices.ContainsFunc(elems, func(e nftables.SetElement) bool { return string(e.Key) == string(key) }), true
}
