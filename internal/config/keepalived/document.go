package keepalived

import (
	"fmt"
	"slices"
	"strings"

	"hakeep/internal/config"
)

// document is the TOML text to be, in the order in which it is written: keys
// outside of any table, [global_defs], and the other tables.
type document struct {
	root, global *section
	sections     []*section
}

// section is a table with its keys.
type section struct {
	block   config.Block
	path    string // in messages
	header  string // empty outside of any table
	lead    []string
	pos     Pos
	entries []*entry
	dropped bool
	above   *section // that it stands in, nil for none
	hosts   int      // blocks host of SMTP_CHECK so far
}

// nested reports whether the section stands in another one.
func (s *section) nested() bool { return s.above != nil }

// entry is a key with its value, a list, or comments only.
type entry struct {
	key      string // empty for comments only
	value    string
	list     bool
	elems    []elem
	lead     []string
	comment  string
	pos      Pos
	replaced string // as a comment, if the entry was dropped
}

// elem is one element of a list.
type elem struct {
	value   string
	lead    []string
	comment string
	pos     Pos
	text    string // what a message calls it
	dropped bool
}

func newDocument() *document {
	return &document{
		root:   &section{block: config.BlockRoot},
		global: &section{block: config.BlockGlobal, path: string(config.BlockGlobal), header: "[global_defs]"},
	}
}

// find returns the last entry of a key, or nil.
func (s *section) find(key string) *entry {
	for i := len(s.entries) - 1; i >= 0; i-- {
		if s.entries[i].key == key {
			return s.entries[i]
		}
	}
	return nil
}

// remove takes the entry of a key away and reports whether there was one.
func (s *section) remove(key string) bool {
	e := s.find(key)
	if e == nil {
		return false
	}
	*e = entry{lead: e.lead}
	return true
}

// place is what stands in a line of the text.
type place struct {
	pos  Pos
	sec  *section
	ent  *entry
	elem *elem
}

// writer makes the text and remembers what stands where.
type writer struct {
	b      strings.Builder
	places []place // by line, from 0
}

func (w *writer) line(p place, format string, args ...any) {
	fmt.Fprintf(&w.b, format+"\n", args...)
	w.places = append(w.places, p)
}

func (w *writer) comments(p place, indent string, lines []string) {
	for _, l := range lines {
		w.line(p, "%s", strings.TrimRight(indent+"# "+clean(l), " "))
	}
}

// text writes the document below some lines of comment. The second result says
// what stands in each line.
func (d *document) text(head []string) (string, []place) {
	w := &writer{}
	w.comments(place{}, "", head)
	for _, s := range append([]*section{d.root, d.global}, d.sections...) {
		w.section(s)
	}
	return w.b.String(), w.places
}

func (w *writer) section(s *section) {
	at := place{pos: s.pos, sec: s}
	if s.gone() || len(s.entries) == 0 && s.block == config.BlockRoot && len(s.lead) == 0 {
		return
	}
	if w.b.Len() > 0 {
		w.line(at, "")
	}
	w.comments(at, "", s.lead)
	if s.header != "" {
		w.line(at, "%s", s.header)
	}
	for _, e := range s.entries {
		w.entry(s, e)
	}
}

func (w *writer) entry(s *section, e *entry) {
	at := place{pos: e.pos, sec: s, ent: e}
	w.comments(at, "", e.lead)
	switch {
	case e.replaced != "":
		w.comments(at, "", []string{e.replaced})
	case e.key == "":
	case !e.list:
		w.line(at, "%s = %s%s", tomlKey(e.key), e.value, trailing(e.comment))
	case e.plain():
		var vals []string
		for _, el := range e.elems {
			vals = append(vals, el.value)
		}
		w.line(at, "%s = [%s]%s", tomlKey(e.key), strings.Join(vals, ", "), trailing(e.comment))
		if len(e.elems) == 1 {
			w.places[len(w.places)-1].elem = &e.elems[0]
		}
	default:
		w.line(at, "%s = [%s", tomlKey(e.key), trailing(e.comment))
		for i := range e.elems {
			el := &e.elems[i]
			in := place{pos: el.pos, sec: s, ent: e, elem: el}
			w.comments(in, "  ", el.lead)
			switch {
			case el.dropped:
				w.comments(in, "  ", []string{"left out: " + el.text})
			case el.value != "":
				w.line(in, "  %s,%s", el.value, trailing(el.comment))
			}
		}
		w.line(at, "]")
	}
}

// plain reports whether a list has its place in one line.
func (e *entry) plain() bool {
	if len(e.elems) > 1 {
		return false
	}
	for _, el := range e.elems {
		if len(el.lead) > 0 || el.comment != "" || el.dropped || el.value == "" {
			return false
		}
	}
	return true
}

// empty reports whether no value is left. They are left out from the first to the
// last, so that one is found soonest at the end.
func (e *entry) empty() bool {
	for _, el := range slices.Backward(e.elems) {
		if !el.dropped && el.value != "" {
			return false
		}
	}
	return true
}

func trailing(comment string) string {
	if comment == "" {
		return ""
	}
	return " # " + clean(comment)
}

// clean makes a text one that a TOML comment can hold.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\t' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// tomlKey writes a key, in quotes where it needs them.
func tomlKey(k string) string {
	bare := k != ""
	for _, c := range k {
		bare = bare && (c == '_' || c == '-' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z')
	}
	if bare {
		return k
	}
	return tomlString(k)
}

// tomlString writes a text as a basic string of TOML.
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "\ufffd") {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
