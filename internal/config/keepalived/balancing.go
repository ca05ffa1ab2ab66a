package keepalived

import (
	"slices"
	"strconv"
	"strings"

	"hakeep/internal/config"
)

// balanced converts virtual_server, with what is in it.
func (c *converter) balanced(n *node) {
	s := &section{block: config.BlockVS, header: "[[virtual_server]]", path: "virtual_server." + printable(n.text(1)), lead: c.takePending(), pos: n.pos}
	if n.comment != "" {
		s.lead = append(s.lead, n.comment)
	}
	what := "address"
	switch n.arg(0) {
	case "":
		c.add(Lost, n.pos, "virtual_server", "does not say what it is for and is left out")
		return
	case "group", "fwmark":
		what = n.arg(0)
		s.path = "virtual_server." + what + ":" + printable(n.arg(1))
		c.extra(s, n, 2)
		if n.arg(1) == "" {
			c.add(Lost, n.pos, "virtual_server", "ends after %s and is left out", what)
			return
		}
	default:
		c.extra(s, n, 2)
	}
	value := tomlString(strings.TrimSpace(n.arg(0) + " " + n.arg(1)))
	switch what {
	case "group":
		value = tomlString(n.arg(1))
	case "fwmark":
		mark, err := strconv.ParseUint(n.arg(1), 0, 32)
		if err != nil || mark == 0 {
			c.add(Lost, n.pos, s.path, "%s is no mark; the whole block is left out", quote(n.arg(1)))
			return
		}
		value = strconv.FormatUint(mark, 10)
	}
	s.entries = append(s.entries, &entry{key: what, value: value, pos: n.pos})
	c.counts[string(config.BlockVS)]++
	c.doc.sections = append(c.doc.sections, s)
	c.block(s, n)
}

// extra reports words behind the first ones.
func (c *converter) extra(s *section, n *node, most int) {
	if len(n.args()) > most {
		c.add(Changed, n.pos, s.path, "%s has no meaning and is left out", quote(n.text(most+1)))
	}
}

// nested converts a block within a block: a real server, a checker or a url.
func (c *converter) nested(above *section, k *config.Keyword, n *node) {
	s := c.under(above, k, n)
	if k.Name == string(config.BlockRS) {
		s.path = above.path + ".real_server." + printable(n.text(1))
		if n.arg(0) == "" {
			c.add(Lost, n.pos, s.path, "does not say which server it is and is left out")
			return
		}
		c.extra(s, n, 2)
		s.entries = append(s.entries, &entry{key: "address", value: tomlString(strings.TrimSpace(n.arg(0) + " " + n.arg(1))), pos: n.pos})
	} else {
		c.extra(s, n, 0)
	}
	c.doc.sections = append(c.doc.sections, s)
	c.block(s, n)
}

// under makes the section of a block within another one.
func (c *converter) under(above *section, k *config.Keyword, n *node) *section {
	s := &section{
		block: config.Block(k.Name), path: above.join(k.Name), lead: c.takePending(), pos: n.pos, above: above,
		header: strings.TrimSuffix(above.header, "]]") + "." + tomlKey(k.Name) + "]]",
	}
	if n.comment != "" {
		s.lead = append(s.lead, n.comment)
	}
	return s
}

// hosts converts the old blocks host of SMTP_CHECK: the first one becomes part of
// the checker, each further one a checker of its own.
func (c *converter) hosts(s *section, n *node) {
	to := s
	if s.hosts++; s.hosts > 1 {
		to = &section{block: s.block, header: s.header, path: s.path, pos: n.pos, above: s.above, lead: c.takePending()}
		for _, e := range s.entries {
			if e.key != "" && !slices.Contains([]string{"connect_ip", "connect_port", "bindto", "bind_port", "bind_if", "fwmark"}, e.key) {
				own := *e
				to.entries = append(to.entries, &own)
			}
		}
		c.doc.sections = append(c.doc.sections, to)
	}
	c.block(to, n)
}

// serviceGroup converts the lines of a virtual_server_group.
func (c *converter) serviceGroup(s *section, n *node) {
	e := &entry{key: "address", list: true, pos: n.pos}
	s.entries = append(s.entries, e)
	outer := c.takePending()
	for _, child := range n.children {
		if len(child.words) == 0 {
			c.note(child, s)
			continue
		}
		text := child.text(0)
		e.elems = append(e.elems, elem{value: tomlString(text), text: text, lead: c.takePending(), comment: child.comment, pos: child.pos})
	}
	if p := c.takePending(); len(p) > 0 {
		e.elems = append(e.elems, elem{lead: p, pos: n.pos})
	}
	c.pending = outer
}

// tls converts the block SSL.
func (c *converter) tls(n *node) {
	const name = string(config.BlockSSL)
	s := &section{block: config.BlockSSL, header: "[" + name + "]", path: name, lead: c.takePending(), pos: n.pos}
	for _, other := range c.doc.sections {
		if other.block == config.BlockSSL {
			s = other
		}
	}
	if len(s.entries) == 0 {
		c.doc.sections = append(c.doc.sections, s)
	}
	c.block(s, n)
}

// balancingScalar writes values of load balancing that have a notation of their own;
// ok is false for all others.
func (c *converter) balancingScalar(s *section, k *config.Keyword, n *node) (value string, ok bool) {
	args := n.args()
	switch {
	case k.Name == "persistence_timeout" && len(args) == 0:
		return tomlString("360s"), true // keepalived's default
	case len(args) == 0:
		return "", false
	}
	switch {
	case k.Name == "sorry_server", k.Name == "payload", k.Kind == config.KindCodes, k.Name == "require_reply":
		return tomlString(n.text(1)), true
	case k.Name == "persistence_granularity":
		return tomlString(args[0].text), true
	case k.Name == "regex", k.Name == "path" && s.block == config.BlockURL:
		return tomlString(args[0].command()), true
	case k.Name == "http_protocol":
		return tomlString(strings.ToUpper(args[0].text)), true
	}
	return "", false
}

// method writes lvs_method. What keepalived does not know it skips.
func (c *converter) method(n *node, key string) (string, bool) {
	if !slices.Contains([]string{"NAT", "DR", "TUN"}, n.arg(0)) {
		c.add(Changed, n.pos, key, "%s is not known (NAT, DR or TUN); it is left out, as keepalived does", quote(n.text(1)))
		return "", false
	}
	return tomlString(n.text(1)), true
}

// balances reports whether a block belongs to a virtual server.
func balances(b config.Block) bool {
	return b == config.BlockVS || b == config.BlockRS || b == config.BlockChecker || b.Common() == config.BlockChecker
}

// skipped reports whether keepalived skips what a problem is about, too, and goes
// on.
func skipped(p config.Problem) bool {
	if strings.HasPrefix(p.Key, "virtual_server_group.") {
		return true
	}
	return strings.HasPrefix(p.Key, "virtual_server.") && (strings.Contains(p.Message, "only lvs_method TUN can mix them") ||
		strings.Contains(p.Message, "is not an IP address") || strings.Contains(p.Message, "[[virtual_server.real_server]]"))
}

// settleBalancing does what keepalived does with whole virtual servers.
func (c *converter) settleBalancing() {
	c.dropEmpty()
	groups := c.names(config.BlockVSGroup)
	serve := c.above(config.BlockRS)
	for _, s := range c.sections(config.BlockVS) {
		if !serve[s] {
			c.add(Changed, s.pos, s.path, "has no real_server, so it is left out, as keepalived does")
			c.removeSection(s)
			continue
		}
		if e := s.find("group"); e != nil {
			if _, ok := groups[e.value]; !ok {
				c.add(Changed, e.pos, s.path, "names the group %s, which is not in this file, so it is left out, as keepalived does", e.value)
				c.removeSection(s)
				continue
			}
			if h := s.find("ha_suspend"); h != nil && h.value == "true" {
				c.addOwn(Changed, h.pos, s.join("ha_suspend"), "works for a group, too; with keepalived a group with it is never probed")
			}
		}
		c.written(s, "protocol", "UDP", s.find("fwmark") == nil)
		c.written(s, "lvs_sched", "wlc", true)
		c.written(s, "lvs_method", "NAT", true)
	}
}

// written writes out a default that keepalived complains about.
func (c *converter) written(s *section, key, value string, when bool) {
	if when && s.find(key) == nil {
		c.add(Changed, s.pos, s.join(key), "is missing, so it is %s, as in keepalived", value)
		s.entries = append(s.entries, &entry{key: key, value: tomlString(value), comment: "keepalived's default", pos: s.pos})
	}
}

// dropEmpty leaves out checkers and groups that lack what makes them.
func (c *converter) dropEmpty() {
	get := c.above(config.BlockURL)
	for _, s := range slices.Clone(c.doc.sections) {
		why := ""
		switch {
		case s.gone():
		case s.block == config.BlockHTTPGet || s.block == config.BlockSSLGet:
			if !get[s] {
				why = "has no url"
			}
		case s.block == config.BlockMiscCheck && s.find("misc_path") == nil:
			why = "has no misc_path"
		case s.block == config.BlockFileCheck && s.find("track_file") == nil:
			why = "has no track_file"
		case s.block == config.BlockURL && s.find("path") == nil:
			why = "has no path"
		}
		if why != "" {
			c.add(Changed, s.pos, s.path, "%s, so it is left out, as keepalived does", why)
			c.removeSection(s)
		}
	}
}

// above returns the sections that have one of a kind in them.
func (c *converter) above(b config.Block) map[*section]bool {
	out := map[*section]bool{}
	for _, s := range c.sections(b) {
		out[s.above] = true
	}
	return out
}

// gone reports whether a section, or one that it belongs to, is left out.
func (s *section) gone() bool {
	for ; s != nil; s = s.above {
		if s.dropped {
			return true
		}
	}
	return false
}
