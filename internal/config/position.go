package config

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxNesting bounds arrays and inline tables within each other. The
	// decoder recurses without a bound of its own; nothing we know needs more
	// than five.
	maxNesting = 64
	// maxKeyParts bounds the parts of a dotted key, whose cost in the decoder
	// is quadratic.
	maxKeyParts = 16
)

// node is one key, table or list entry of the text: where it is and what is
// below it. It mirrors what the decoder makes of the same text.
type node struct {
	line  int
	keys  map[string]*node
	elems []*node

	assigned bool // by key = value
	header   bool // by [key]
}

// child returns the node of a key, or a node at the parent's line if the index
// does not know it. It never returns nil, not even for a nil parent.
func (n *node) child(key string) *node {
	if n == nil {
		return &node{}
	}
	if c := n.keys[key]; c != nil {
		return c
	}
	return &node{line: n.line}
}

// elem returns the node of a list entry, or a node at the parent's line.
func (n *node) elem(i int) *node {
	if i < len(n.elems) {
		return n.elems[i]
	}
	return &node{line: n.line}
}

// duplicate is a key that is set a second time.
type duplicate struct {
	key         string
	line, first int
	header      bool // as [key] or [[key]]
}

// index is what the scanner finds out about a text.
type index struct {
	root       *node
	duplicates []duplicate
	// tooDeep is the line at which the scan was given up because of maxNesting
	// or maxKeyParts, 0 if it was not.
	tooDeep int
	// heads are where [a] and [[a]] begin.
	heads []int
	// mixed says that there are tables of one block below another one.
	mixed bool
}

// scanner walks over TOML text. It assumes that the text is valid TOML (1.1):
// for other text, about which the decoder complains, it only promises to end
// and to have walked rightly up to the first mistake.
type scanner struct {
	index
	text  string
	pos   int
	line  int
	table *node
	path  string
	head  string // the name of the last of heads
}

const byteOrderMark = "\ufeff"

// scan indexes the positions of a text in one pass.
func scan(text string) index {
	text = strings.TrimPrefix(text, byteOrderMark)
	s := &scanner{text: text, line: 1}
	s.root = &node{line: 1}
	s.table = s.root
	for s.skip(true); s.pos < len(s.text) && s.tooDeep == 0; s.skip(true) {
		before := s.pos
		if s.text[s.pos] == '[' {
			s.scanHeader()
		} else {
			s.scanPair(s.table, s.path, 0)
		}
		if s.pos == before {
			s.pos++
		}
	}
	return s.index
}

// peek returns the byte at the position, or 0 at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

// skip moves over blanks and, if asked, newlines and comments.
func (s *scanner) skip(lines bool) {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == ' ' || c == '\t' || c == '\r':
			s.pos++
		case c == '\n' && lines:
			s.line++
			s.pos++
		case c == '#' && lines:
			for s.pos < len(s.text) && s.text[s.pos] != '\n' {
				s.pos++
			}
		default:
			return
		}
	}
}

// scanHeader reads [a.b] or [[a.b]] and makes it the current table.
func (s *scanner) scanHeader() {
	start := s.pos
	s.pos++
	array := s.peek() == '['
	if array {
		s.pos++
	}
	parts := s.scanKey()
	for s.peek() == ']' {
		s.pos++
	}
	s.piece(start, parts)
	n := s.root
	for i, part := range parts {
		last := i == len(parts)-1
		n = s.descend(n, part)
		path := strings.Join(parts[:i+1], ".")
		switch {
		case n.assigned:
			s.repeated(path, n, false)
		case last && array && n.header:
			s.repeated(path, n, true)
		case last && array:
			n.elems = append(n.elems, &node{line: s.line})
		case last && (n.header || n.elems != nil):
			s.repeated(path, n, true)
		case last:
			n.line, n.header = s.line, true
		}
		if len(n.elems) > 0 {
			n = n.elems[len(n.elems)-1]
		}
	}
	s.table, s.path = n, strings.Join(parts, ".")
}

// piece notes where a header is.
func (s *scanner) piece(start int, parts []string) {
	switch {
	case len(parts) == 1:
		s.heads, s.head = append(s.heads, start), parts[0]
	case len(parts) == 0 || len(s.heads) == 0 || parts[0] != s.head:
		s.mixed = true
	}
}

// scanPair reads key = value below n.
func (s *scanner) scanPair(n *node, path string, depth int) {
	parts := s.scanKey()
	if len(parts) == 0 {
		return
	}
	for i, part := range parts {
		known := n.keys[part]
		n = s.descend(n, part)
		if path != "" {
			path += "."
		}
		path += part
		if last := i == len(parts)-1; known != nil && (last || known.assigned) {
			s.repeated(path, known, false)
		}
	}
	n.assigned = true
	if s.peek() != '=' {
		return
	}
	s.pos++
	s.skip(false)
	s.scanValue(n, path, depth)
}

// descend returns the node of a key below n and creates it if needed.
func (s *scanner) descend(n *node, key string) *node {
	c := n.keys[key]
	if c == nil {
		c = &node{line: s.line}
		if n.keys == nil {
			n.keys = make(map[string]*node)
		}
		n.keys[key] = c
	}
	return c
}

func (s *scanner) repeated(path string, n *node, header bool) {
	if len(s.duplicates) < maxProblems {
		s.duplicates = append(s.duplicates, duplicate{key: path, line: s.line, first: n.line, header: header})
	}
}

// scanKey reads a key of one or more parts and the blanks after it.
func (s *scanner) scanKey() []string {
	var parts []string
	for {
		s.skip(false)
		part, ok := s.scanKeyPart()
		if !ok {
			return parts
		}
		if len(parts) == maxKeyParts {
			s.tooDeep = s.line
			return parts
		}
		parts = append(parts, part)
		s.skip(false)
		if s.peek() != '.' {
			return parts
		}
		s.pos++
	}
}

func (s *scanner) scanKeyPart() (string, bool) {
	start := s.pos
	switch s.peek() {
	case '"':
		s.scanString()
		return unquoteKey(s.text[start:s.pos]), true
	case '\'':
		s.scanString()
		return strings.Trim(s.text[start:s.pos], "'"), true
	}
	for s.pos < len(s.text) && isBare(s.text[s.pos]) {
		s.pos++
	}
	return s.text[start:s.pos], s.pos > start
}

func isBare(c byte) bool {
	return c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// scanValue reads a value that belongs to n.
func (s *scanner) scanValue(n *node, path string, depth int) {
	if depth > maxNesting {
		s.tooDeep = s.line
	}
	if s.tooDeep != 0 {
		return
	}
	switch s.peek() {
	case '"', '\'':
		s.scanString()
	case '[':
		s.pos++
		s.scanMembers(']', func() {
			e := &node{line: s.line, assigned: true}
			n.elems = append(n.elems, e)
			s.scanValue(e, path, depth+1)
		})
	case '{':
		s.pos++
		s.scanMembers('}', func() { s.scanPair(n, path, depth+1) })
	default:
		for s.pos < len(s.text) && !strings.ContainsRune(",]}#\n", rune(s.text[s.pos])) {
			s.pos++
		}
	}
}

// scanMembers reads what is between brackets, up to and including the end.
func (s *scanner) scanMembers(end byte, member func()) {
	for s.skip(true); s.pos < len(s.text) && s.tooDeep == 0; s.skip(true) {
		before := s.pos
		switch s.text[s.pos] {
		case end:
			s.pos++
			return
		case ',':
			s.pos++
		default:
			member()
		}
		if s.pos == before {
			s.pos++
		}
	}
}

// scanString reads a string of any of the four kinds. A string on one line
// that is not closed ends at the end of the line.
func (s *scanner) scanString() {
	quote := s.text[s.pos : s.pos+1]
	long := strings.Repeat(quote, 3)
	if strings.HasPrefix(s.text[s.pos:], long) {
		s.pos += 3
		s.scanUntil(long, quote == `"`, true)
		// A multi-line string may end in one or two quotes of its own.
		for range 2 {
			if s.pos > 0 && strings.HasPrefix(s.text[s.pos:], quote) {
				s.pos++
			}
		}
		return
	}
	s.pos++
	s.scanUntil(quote, quote == `"`, false)
}

func (s *scanner) scanUntil(end string, escapes, lines bool) {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == '\n' && !lines:
			return
		case c == '\n':
			s.line++
		case c == '\\' && escapes:
			if s.pos+1 < len(s.text) && s.text[s.pos+1] != '\n' {
				s.pos++
			}
		case strings.HasPrefix(s.text[s.pos:], end):
			s.pos += len(end)
			return
		}
		s.pos++
	}
}

// unquoteKey returns what a key in double quotes means.
func unquoteKey(quoted string) string {
	in := strings.Trim(quoted, `"`)
	if !strings.Contains(in, `\`) {
		return in
	}
	in = strings.TrimPrefix(strings.TrimSuffix(quoted, `"`), `"`)
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}
	plain := map[byte]byte{'b': '\b', 't': '\t', 'n': '\n', 'f': '\f', 'r': '\r', 'e': '\x1b', '"': '"', '\\': '\\'}
	var out strings.Builder
	for i := 0; i < len(in); i++ {
		if in[i] != '\\' || i+1 == len(in) {
			out.WriteByte(in[i])
			continue
		}
		i++
		if c, ok := plain[in[i]]; ok {
			out.WriteByte(c)
			continue
		}
		n := digits[in[i]]
		v, err := strconv.ParseUint(in[min(i+1, len(in)):min(i+1+n, len(in))], 16, 32)
		if err == nil && v <= utf8.MaxRune {
			out.WriteRune(rune(v))
		}
		i += n
	}
	return out.String()
}
