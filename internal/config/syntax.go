package config

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// syntax reports a mistake in the TOML notation in plain words. The decoder
// knows the line; what stands there tells most of the usual mistakes apart.
func (d *decoder) syntax(text string, pe toml.ParseError) {
	lines := strings.Split(text, "\n")
	n := min(max(pe.Position.Line, 1), len(lines))
	if n > 1 && strings.Contains(pe.Message, "table") && strings.Contains(pe.Message, `'\n'`) {
		n-- // an open header is noticed in the next line
	}
	line := strings.TrimSpace(lines[n-1])
	d.add(Error, n, "", "%s", d.explain(line, pe))
}

// explain never quotes a value of a secret key, which the decoder's own
// messages do.
func (d *decoder) explain(line string, pe toml.ParseError) string {
	key, value, assigned := strings.Cut(line, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	// Values that TOML wants in quotes: words, addresses, numbers with units.
	unquoted := regexp.MustCompile(`^[A-Za-z0-9_:./+-][^"'\[\]{}=]*$`)
	bareKey := regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	barePair := regexp.MustCompile(`^[A-Za-z0-9_-]+\s+[^=\[\]{}]+$`)
	keepalivedBlock := regexp.MustCompile(`^[A-Za-z_]+(\s+\S+)*\s*\{$`) // vrrp_instance VI_1 {
	bare := bareKey.MatchString(key)
	if d.secretLine(line, pe.LastKey) {
		return `the text of the password is not written correctly; write it in double quotes, with a backslash before " and \`
	}
	switch {
	case strings.Contains(pe.Message, "UTF-8") || strings.Contains(pe.Message, "NULL"):
		return "the file is not UTF-8 text; save it with the encoding UTF-8"
	case assigned && bare && openList(key, pe):
		return "the list before this line is not closed; put ] at its end"
	case assigned && bare && unquoted.MatchString(value):
		return d.explainUnquoted(key, value)
	case assigned && bare && (value == "" || value[0] == '#'):
		return "there is no value after " + printable(key) + " ="
	case keepalivedBlock.MatchString(line), line == "}", line == "{":
		return "this is the notation of keepalived.conf; here a block begins with [[vrrp_instance]] or [global_defs] and has no braces (hakeep import FILE translates a keepalived.conf)"
	case strings.HasPrefix(line, "["):
		return "the table's name is not closed correctly; write for example [global_defs] or [[vrrp_instance]]"
	case strings.Contains(pe.Message, "strings cannot contain newlines") || strings.Contains(pe.Message, `expected '"'`) || strings.Contains(pe.Message, `expected "'"`):
		return `a text is not closed; put " at its end`
	case strings.Contains(pe.Message, "array terminator") || strings.Contains(pe.Message, "unexpected EOF") && strings.Contains(pe.LastKey, "_"):
		return `a list is not written correctly; separate its entries by commas and close it with ], for example ["192.0.2.10/24", "192.0.2.11/24"]`
	case !assigned && unquoted.MatchString(line) && strings.Contains(pe.Message, "expected value") || !assigned && strings.Contains(pe.Message, "Invalid float"):
		return "the entries of a list are written in quotes and separated by commas: " + strconv.Quote(printable(strings.TrimSuffix(line, ",")))
	case !assigned && barePair.MatchString(line):
		word, rest, _ := strings.Cut(line, " ")
		return "there is no = between key and value; write " + printable(word) + " = " + d.quoteFor(word, strings.TrimSpace(rest))
	case !assigned && bareKey.MatchString(line):
		return "there is no value; write " + printable(line) + " = " + d.exampleFor(line)
	}
	return "this is not valid TOML: " + printable(strings.TrimSuffix(pe.Message, "."))
}

// openList reports whether the decoder was still reading the list of another
// key when it met this line's key.
func openList(key string, pe toml.ParseError) bool {
	last := pe.LastKey[strings.LastIndexByte(pe.LastKey, '.')+1:]
	return last != key && last != "" && strings.Contains(pe.Message, "expected value")
}

// explainUnquoted is about key = value where the value lacks its quotes.
func (d *decoder) explainUnquoted(key, value string) string {
	value, _, _ = strings.Cut(value, "#")
	value = strings.TrimSpace(value)
	return "the value is not written correctly; write " + printable(key) + " = " + d.quoteFor(key, value)
}

// quoteFor writes a value the way the key wants it.
func (d *decoder) quoteFor(key, value string) string {
	lower := strings.ToLower(value)
	switch {
	case lower == "yes" || lower == "on" || lower == "true":
		return "true"
	case lower == "no" || lower == "off" || lower == "false":
		return "false"
	}
	if k := d.anyRow(key); k != nil && k.Kind == KindInt {
		return d.exampleFor(key) + inBrackets("allowed", k.Allowed())
	}
	value = printable(strings.Trim(value, `"'`))
	if k := d.anyRow(key); k != nil && k.Kind == KindDuration {
		if _, err := strconv.ParseFloat(value, 64); err == nil {
			value += "s"
		}
	}
	return strconv.Quote(value)
}

// exampleFor shows a value of a key.
func (d *decoder) exampleFor(key string) string {
	if k := d.anyRow(key); k != nil && k.example() != "" {
		return k.example()
	}
	return "…"
}

// anyRow returns the row of a keyword that hakeep reads, whatever its block.
func (d *decoder) anyRow(key string) *Keyword {
	for i := range d.schema.rows {
		if k := &d.schema.rows[i]; k.Name == key && k.Fate == Done {
			return k
		}
	}
	return nil
}

// secretLine reports whether a line or the last key may hold a password.
func (d *decoder) secretLine(line, lastKey string) bool {
	for i := range d.schema.rows {
		k := &d.schema.rows[i]
		if k.Secret && (strings.Contains(line, k.Name) && k.Name != "key" || lastKey == k.Name || strings.HasSuffix(lastKey, "."+k.Name)) {
			return true
		}
	}
	return false
}
