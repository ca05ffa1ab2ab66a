package config

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// plainReader reads TOML of the plain kind that configurations are made of, several times
// as fast as the decoder of all of TOML: a file of 37,205 real servers has 120,000
// lines. Keys are bare ones, each in a line of its own. Values other than numbers,
// words and simple texts are left to the decoder, one at a time.
type plainReader struct {
	text  string // what is not read yet
	root  map[string]any
	table map[string]any // the current one
	// closed are keys of tables that are values, to which nothing is added.
	closed map[string]bool
}

// plainTree is what the decoder makes of a text; false if the text is not plain, or
// wrong: then the decoder has to look at it.
func plainTree(text string) (map[string]any, bool) {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' || r == 0x7f || r == '\ufeff'
	}) {
		return nil, false
	}
	p := &plainReader{text: text, root: map[string]any{}, closed: map[string]bool{}}
	p.table = p.root
	for p.text != "" {
		if !p.line(p.next()) {
			return nil, false
		}
	}
	return p.root, true
}

// next takes a line.
func (p *plainReader) next() string {
	line, rest, _ := strings.Cut(p.text, "\n")
	p.text = rest
	return line
}

// line reads a line, and those that belong to it.
func (p *plainReader) line(line string) bool {
	line = strings.TrimLeft(line, " \t")
	switch {
	case atEnd(line):
		return true
	case line[0] == '[':
		return p.header(line)
	}
	key, rest := bareKey(line)
	rest, assigned := strings.CutPrefix(strings.TrimLeft(rest, " \t"), "=")
	if key == "" || !assigned {
		return false
	}
	if _, there := p.table[key]; there {
		return false
	}
	rest = strings.TrimLeft(rest, " \t")
	v, ok := plainValue(rest)
	if !ok {
		v, ok = p.value(rest)
		p.closed[key] = true
	}
	p.table[key] = v
	return ok
}

// atEnd reports whether nothing but a comment is left of a line.
func atEnd(s string) bool {
	s = strings.TrimLeft(s, " \t")
	return s == "" || s[0] == '#'
}

func bareKey(s string) (key, rest string) {
	n := 0
	for n < len(s) && isBare(s[n]) {
		n++
	}
	return s[:n], s[n:]
}

// header reads [a.b] or [[a.b]]. What is above it has to be there.
func (p *plainReader) header(line string) bool {
	open := 1
	if strings.HasPrefix(line, "[[") {
		open = 2
	}
	line = line[open:]
	at := p.root
	for {
		key, rest := bareKey(line)
		if key == "" || rest == "" || p.closed[key] {
			return false
		}
		if rest[0] != '.' {
			rest, closed := strings.CutPrefix(rest, "]]"[:open])
			return closed && atEnd(rest) && p.enter(at, key, open == 2)
		}
		line = rest[1:]
		switch v := at[key].(type) {
		case map[string]any:
			at = v
		case []map[string]any:
			at = v[len(v)-1]
		default:
			return false
		}
	}
}

// enter makes a table the current one.
func (p *plainReader) enter(at map[string]any, key string, array bool) bool {
	old, there := at[key]
	table := map[string]any{}
	p.table = table
	if !array {
		at[key] = table
		return !there
	}
	list, ok := old.([]map[string]any)
	at[key] = append(list, table)
	return ok || !there
}

// plainValue reads a number, true, false or a text without escapes, behind which
// nothing but a comment may stand.
func plainValue(s string) (any, bool) {
	if s == "" {
		return nil, false
	}
	if s[0] == '"' {
		text, rest, closed := strings.Cut(s[1:], `"`)
		// Two quotes may be the beginning of three.
		return text, closed && !strings.Contains(text, `\`) && !strings.HasPrefix(rest, `"`) && atEnd(rest)
	}
	word, rest := bareKey(s)
	if !atEnd(rest) {
		return nil, false
	}
	switch {
	case word == "true", word == "false":
		return word == "true", true
	case word == "" || word[0] == '0' && word != "0", word[0] == '-' && !strings.ContainsAny(word[1:min(2, len(word))], "123456789"), strings.Contains(word, "_"):
		return nil, false // signs of dates and other notations, or wrong
	}
	n, err := strconv.ParseInt(word, 10, 64)
	return n, err == nil
}

// value has the decoder read a value that ends in its line, or a list that ends in a
// line that begins with a bracket.
func (p *plainReader) value(s string) (any, bool) {
	var out struct{ V any }
	_, err := toml.Decode("V = "+s, &out)
	if err == nil {
		return out.V, true
	}
	if s == "" || s[0] != '[' {
		return nil, false
	}
	var b strings.Builder
	b.WriteString("V = " + s)
	for p.text != "" {
		line := p.next()
		b.WriteString("\n" + line)
		if strings.HasPrefix(strings.TrimLeft(line, " \t"), "]") {
			_, err := toml.Decode(b.String(), &out)
			return out.V, err == nil
		}
	}
	return nil, false
}
