package keepalived

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"hakeep/internal/config"
)

// converter turns the tree into a document. It is owned by one Convert.
type converter struct {
	*issues
	doc     *document
	rows    map[config.Block]map[string]*config.Keyword
	secrets bool
	known   int // keywords of keepalived's that were found
	counts  map[string]int

	pending []string // comments for what follows
}

func newConverter(is *issues) *converter {
	c := &converter{issues: is, doc: newDocument(), rows: map[config.Block]map[string]*config.Keyword{}, counts: map[string]int{}}
	table := config.Keywords()
	for i := range table {
		k := &table[i]
		if c.rows[k.Block] == nil {
			c.rows[k.Block] = map[string]*config.Keyword{}
		}
		c.rows[k.Block][k.Name] = k
	}
	return c
}

// row returns the keyword of a statement. An old spelling gives the new one.
func (c *converter) row(b config.Block, name string) *config.Keyword {
	k := c.rows[b][name]
	if k == nil {
		k = c.rows[b.Common()][name]
	}
	if k == nil || k.Source == "hakeep" {
		return nil
	}
	if now, old := strings.CutPrefix(k.Reason, "is an old spelling; write "); old && k.Fate == config.Refused {
		return cmp.Or(c.rows[b][now], c.rows[b.Common()][now])
	}
	return k
}

// takePending returns the comments that stand before a statement.
func (c *converter) takePending() []string {
	p := c.pending
	c.pending = nil
	return p
}

// path joins the path of a section with a keyword.
func (s *section) join(key string) string {
	if s.path == "" {
		return printable(key)
	}
	return s.path + "." + printable(key)
}

// root converts the whole tree.
func (c *converter) root(tree *node) {
	for _, n := range tree.children {
		if len(n.words) == 0 {
			c.note(n, c.doc.root)
			continue
		}
		c.rootStatement(n)
	}
	if len(c.pending) > 0 {
		c.doc.sections = append(c.doc.sections, &section{lead: c.takePending()})
	}
}

// note keeps a comment for what follows, and reports a block without a name.
func (c *converter) note(n *node, _ *section) {
	if n.comment != "" {
		c.pending = append(c.pending, n.comment)
	}
}

func (c *converter) rootStatement(n *node) {
	name := n.name()
	k := c.row(config.BlockRoot, name)
	if slices.Contains([]string{"net_namespace", "net_namespace_ipvs", "instance", "use_pid_dir"}, name) {
		k = c.row(config.BlockGlobal, name)
	}
	switch {
	case k == nil:
		c.unknown(c.doc.root, n)
	case name == string(config.BlockVS):
		c.known++
		c.balanced(n)
	case name == string(config.BlockSSL):
		c.known++
		c.tls(n)
	case k.Block == config.BlockGlobal:
		c.known++
		c.value(c.doc.global, k, n)
	case name == string(config.BlockGlobal):
		c.known++
		c.doc.global.lead = append(c.doc.global.lead, c.takePending()...)
		if c.doc.global.pos.Line == 0 {
			c.doc.global.pos = n.pos
		}
		c.block(c.doc.global, n)
	case k.Fate != config.Done || k.Kind == config.KindEntries:
		c.known++
		c.value(c.doc.root, k, n)
	case name == "interface_up_down_delays":
		c.known++
		c.delays(n)
	default:
		c.known++
		c.named(k, n)
	}
}

// named converts a block with a name, such as vrrp_instance VI_1 { … }.
func (c *converter) named(k *config.Keyword, n *node) {
	b := config.Block(k.Name)
	if k.Name == "vrrp_track_file" {
		b = config.BlockFile
	}
	name := n.arg(0)
	s := &section{block: b, header: "[[" + string(b) + "]]", path: string(b) + "." + printable(name), lead: c.takePending(), pos: n.pos}
	if name == "" {
		c.add(Lost, n.pos, string(b), "the block has no name and is left out")
		return
	}
	for _, other := range c.doc.sections {
		if other.block == b && other.path == s.path {
			c.add(Changed, n.pos, s.path, "there is a block of this name in line %d already; this one is left out, as keepalived does", other.pos.Line)
			return
		}
	}
	if len(n.args()) > 1 {
		c.add(Changed, n.pos, s.path, "%s behind the name has no meaning and is left out", quote(n.text(2)))
	}
	if n.comment != "" {
		s.lead = append(s.lead, n.comment)
	}
	s.entries = append(s.entries, &entry{key: "name", value: tomlString(name), pos: n.pos})
	if !n.block {
		c.add(Lost, n.pos, s.path, "there is no { … } behind it")
	}
	c.counts[string(b)]++
	c.doc.sections = append(c.doc.sections, s)
	if b == config.BlockVSGroup {
		c.serviceGroup(s, n)
		return
	}
	c.block(s, n)
	c.finish(s)
}

// block converts the statements of a block.
func (c *converter) block(s *section, n *node) {
	outer := c.takePending()
	for _, child := range n.children {
		if len(child.words) == 0 {
			c.note(child, s)
			continue
		}
		k := c.row(s.block, child.name())
		if k == nil || k.Name == "name" && len(s.entries) > 0 && !s.nested() || argument(s, k) {
			c.unknown(s, child)
			continue
		}
		c.known++
		c.value(s, k, child)
	}
	if p := c.takePending(); len(p) > 0 {
		s.entries = append(s.entries, &entry{lead: p})
	}
	c.pending = outer
}

// unknown reports a keyword that keepalived does not know either.
func (c *converter) unknown(s *section, n *node) {
	where := "keepalived has no such keyword"
	if s.path != "" {
		where += " here"
	} else {
		where += " outside of blocks"
	}
	c.add(Changed, n.pos, s.join(n.name()), "%s and skips it; it is left out", where)
	c.leftOut(s, n, "unknown: ")
}

// leftOut keeps a statement as a comment.
func (c *converter) leftOut(s *section, n *node, why string) {
	lead := c.takePending()
	s.entries = append(s.entries, &entry{lead: append(lead, dump(n, why, "")...), pos: n.pos})
}

// dump writes a statement with its block the way it stood in the file.
func dump(n *node, why, indent string) []string {
	text := ""
	for _, w := range n.words {
		if text != "" {
			text += " "
		}
		text += w.raw
	}
	if len(n.words) == 0 {
		text = "# " + n.comment
	}
	if strings.Contains(n.name(), "pass") || n.name() == "key" {
		text = n.name() + " …" // may be a password
	}
	if !n.block {
		return []string{why + indent + text}
	}
	out := []string{why + indent + text + " {"}
	if n.name() != "auth_hmac" {
		for _, child := range n.children {
			out = append(out, dump(child, "", indent+"  ")...)
		}
	}
	return append(out, indent+"}")
}

// value converts one statement whose keyword is known.
func (c *converter) value(s *section, k *config.Keyword, n *node) {
	key := s.join(n.name())
	switch {
	case k.Kind == config.KindTables && k.Fate == config.Done:
		c.nested(s, k, n)
		return
	case k.Name == "host" && s.block == config.BlockSMTPCheck:
		c.hosts(s, n)
		return
	case k.Fate == config.Warned:
		c.addOwn(Note, n.pos, key, "has no effect in hakeep: %s", k.Reason)
		c.leftOut(s, n, "no effect in hakeep: ")
		return
	case k.Fate == config.Refused:
		c.addOwn(Lost, n.pos, key, "is left out, hakeep does not do it (%s)", k.Reason)
		c.leftOut(s, n, "NOT CONVERTED: ")
		return
	case k.Name == string(config.BlockAuth):
		c.authentication(s, n)
		return
	case k.Kind == config.KindEntries || k.Kind == config.KindStrings:
		c.list(s, k, n)
		return
	}
	if n.block {
		c.add(Lost, n.pos, key, "is no block; its { … } is left out")
	}
	val, ok := c.scalar(s, k, n)
	if !ok {
		c.leftOut(s, n, "left out: ")
		return
	}
	lead := c.takePending()
	if old := s.find(k.Name); old != nil {
		c.addOwn(Changed, n.pos, key, "stands in line %d already; this one counts", old.pos.Line)
		lead = append(old.lead, lead...)
		*old = entry{lead: lead}
		lead = nil
	}
	s.entries = append(s.entries, &entry{key: k.Name, value: val, lead: lead, comment: n.comment, pos: n.pos})
}

// list converts a block of lines, such as virtual_ipaddress { … }. Another
// block of the same name adds to it.
func (c *converter) list(s *section, k *config.Keyword, n *node) {
	e := s.find(k.Name)
	if e == nil {
		e = &entry{key: k.Name, list: true, lead: c.takePending(), comment: n.comment, pos: n.pos}
		s.entries = append(s.entries, e)
	}
	outer := c.takePending()
	if !n.block && len(n.args()) == 0 || n.block && len(n.args()) > 0 || !n.block && k.Kind == config.KindEntries {
		c.add(Lost, n.pos, s.join(n.name()), "write %s { … } with one entry a line", n.name())
	}
	if !n.block && k.Kind == config.KindStrings {
		for _, w := range n.args() {
			e.elems = append(e.elems, elem{value: tomlString(w.text), text: w.text, pos: n.pos})
		}
	}
	for _, child := range n.children {
		if len(child.words) == 0 {
			c.note(child, s)
			continue
		}
		if child.block {
			c.add(Lost, child.pos, s.join(n.name()), "%s is an entry and no block; its { … } is left out", quote(child.text(0)))
		}
		lead := c.takePending()
		if k.Kind == config.KindStrings {
			for _, w := range child.words {
				e.elems = append(e.elems, elem{value: tomlString(w.text), text: w.text, lead: lead, comment: child.comment, pos: child.pos})
				lead, child.comment = nil, ""
			}
			continue
		}
		text := c.item(s, k, child)
		e.elems = append(e.elems, elem{value: tomlString(text), text: text, lead: lead, comment: child.comment, pos: child.pos})
	}
	if p := c.takePending(); len(p) > 0 {
		e.elems = append(e.elems, elem{lead: p, pos: n.pos})
	}
	c.pending = outer
}

// item converts one line of a list.
func (c *converter) item(s *section, k *config.Keyword, n *node) string {
	words := make([]string, 0, len(n.words))
	for _, w := range n.words {
		if k.Entries == config.BlockAddress && w.text == "use_vmac" {
			c.addOwn(Lost, n.pos, s.join(k.Name), "%s: use_vmac is left out, hakeep does not do it (not yet: VMAC)", quote(n.name()))
			continue
		}
		if k.Entries == config.BlockAddress && w.text == "no_track" && slices.Contains(words, w.text) {
			continue
		}
		words = append(words, w.text)
	}
	if k.Entries == config.BlockRoute {
		words = destinationFirst(words)
	}
	return strings.Join(words, " ")
}

// destinationFirst moves the destination of a route to its start, where hakeep
// wants it. keepalived takes it anywhere.
func destinationFirst(words []string) []string {
	if i := slices.Index(words, "default6"); i >= 0 {
		words[i] = "default"
		words = slices.Concat([]string{"inet6"}, words)
	}
	if words[0] != "src" || len(words) < 3 {
		return words
	}
	at, from := 2, 2
	if i := slices.Index(words, "to"); i > 0 && i+1 < len(words) {
		at, from = i, i+1
	} else if !strings.ContainsAny(words[2], "./:") && words[2] != "default" {
		return words
	}
	return slices.Concat(words[from:from+1], words[:at], words[from+1:])
}

// delays converts interface_up_down_delays.
func (c *converter) delays(n *node) {
	const name = "interface_up_down_delays"
	var s *section
	for _, other := range c.doc.sections {
		if other.path == name {
			s = other
		}
	}
	if s == nil {
		s = &section{block: name, header: "[" + name + "]", path: name, pos: n.pos}
		c.doc.sections = append(c.doc.sections, s)
	}
	s.lead = append(s.lead, c.takePending()...)
	for _, child := range n.children {
		if len(child.words) == 0 {
			c.note(child, s)
			continue
		}
		s.remove(child.name())
		s.entries = append(s.entries, &entry{
			key: child.name(), value: tomlString(child.text(1)), lead: c.takePending(), comment: child.comment, pos: child.pos,
		})
	}
}

// authentication converts the block authentication.
func (c *converter) authentication(s *section, n *node) {
	const longest = 8
	key := s.join(n.name())
	kind, pass := "", ""
	for _, child := range n.children {
		if p := child.comment; p != "" {
			c.pending = append(c.pending, p)
		}
		switch child.name() {
		case "":
		case "auth_type":
			kind = child.arg(0)
		case "auth_pass":
			pass = child.arg(0)
			if len(pass) > longest {
				c.add(Changed, child.pos, key+".auth_pass", "has more than %d bytes; only the first %d count, as in keepalived", longest, longest)
				pass = pass[:longest]
			}
		default:
			c.add(Changed, child.pos, key+"."+printable(child.name()), "keepalived has no such keyword here and skips it; it is left out")
		}
	}
	switch kind {
	case "AH":
		c.addOwn(Lost, n.pos, key, "auth_type AH is left out, hakeep does not do it; routers that use it will not accept adverts of this one")
	case "PASS":
		if pass != "" {
			break
		}
		c.add(Lost, n.pos, key, "has no auth_pass, so it is left out")
		kind = ""
	default:
		c.add(Changed, n.pos, key, "the auth_type is none of PASS and AH, so there is no authentication, as in keepalived")
	}
	if kind != "PASS" {
		return
	}
	c.secrets = true
	s.remove(n.name())
	s.entries = append(s.entries, &entry{
		key: n.name(), value: fmt.Sprintf("{ auth_type = %s, auth_pass = %s }", tomlString(kind), tomlString(pass)),
		lead: c.takePending(), comment: n.comment, pos: n.pos,
	})
}

// opposites are flags of which the last one counts.
func opposites() [][2]string {
	return [][2]string{{"accept", "no_accept"}, {"preempt", "nopreempt"}, {"mcast_src_ip", "unicast_src_ip"}}
}

// finish settles what depends on several keywords of a section.
func (c *converter) finish(s *section) {
	for _, pair := range opposites() {
		a, b := s.find(pair[0]), s.find(pair[1])
		if a == nil || b == nil {
			continue
		}
		if slices.Index(s.entries, a) > slices.Index(s.entries, b) {
			a, b = b, a
		}
		c.addOwn(Changed, a.pos, s.join(a.key), "is left out, because %s in line %d counts", b.key, b.pos.Line)
		s.remove(a.key)
	}
}

// argument reports whether a keyword stands in the line of the block itself in
// keepalived, and is unknown within.
func argument(s *section, k *config.Keyword) bool {
	switch s.block {
	case config.BlockVS:
		return k.Name == "address" || k.Name == "fwmark" || k.Name == "group"
	case config.BlockRS:
		return k.Name == "address"
	}
	return false
}
