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

// decoder turns generic TOML values into typed ones by the keyword table.
type decoder struct {
	*sink
	schema    *schema
	secret    int    // line of the first password, 0 if there is none
	secretKey string // its path

	names *names // of routing tables and the like

	scripts        account // whom commands run as unless they say
	notifyPriority bool    // vrrp_notify_priority_changes
	alertVRRP      bool    // smtp_alert_vrrp, or smtp_alert

	objects         objects
	trackGroupNames map[string]bool
	trackGroupUsed  map[string]bool
	nextPreference  map[Family]uint32 // of the next rule without one

	balancing   balancing
	services    int  // that groups stand for, of all groups together
	expanded    int  // the same of those that virtual servers name
	serverMails bool // mails about servers are asked for
	drafts      []*draft

	static map[addressOn]int // lines of static addresses
	hints  int               // suggestions of names so far

	links    []linkRef
	commands []commandRef
}

// entry is one key of a block whose value has the right type and range.
type entry struct {
	val  any
	node *node
}

// item is one entry of a list.
type item struct {
	raw  any
	node *node
}

// block holds the typed values of one table of the file.
type block struct {
	d     *decoder
	kind  Block
	path  string
	node  *node
	rows  map[string]*Keyword // of the kind
	vals  map[string]entry
	given map[string]*node // every key that is there, right or wrong
	meant map[string]bool  // keywords that a misspelled key seems to mean
}

// block checks all keys of a table. Wrong keys and values are reported and
// left out.
func (d *decoder) block(kind Block, path string, table map[string]any, n *node) *block {
	b := &block{
		d: d, kind: kind, path: path, node: n, rows: d.schema.blocks[kind],
		vals: make(map[string]entry, len(table)), given: make(map[string]*node, len(table)), meant: map[string]bool{},
	}
	for _, at := range inOrder(table, n) {
		key, pos := at.key, at.node
		k := d.schema.lookup(kind, key)
		if k == nil && d.full() { // no time for suggestions that nobody sees
			d.add(Error, pos.line, key, "unknown key")
			continue
		}
		if k == nil {
			b.meant[d.schema.nearest(kind, key)] = true
			d.add(Error, pos.line, b.join(key), "%s", d.schema.unknown(kind, key))
			continue
		}
		if k.Name == anyLink {
			own := *k
			own.Name = key
			k = &own
		}
		b.given[key] = pos
		switch k.Fate {
		case Refused:
			d.refuse(k, b.join(key), table[key], pos)
			continue
		case Warned:
			d.add(Warning, pos.line, b.join(key), "accepted, but has no effect: %s", k.Reason)
			continue
		}
		val, wrong := convert(k, table[key], pos)
		if wrong != "" {
			d.add(Error, pos.line, b.join(key), "%s", wrong)
			continue
		}
		b.vals[key] = entry{val, pos}
	}
	for _, k := range d.schema.required[kind] {
		if b.given[k.Name] == nil && !b.meant[k.Name] {
			write := k.Name + " = " + k.example()
			if strings.HasSuffix(k.example(), "."+k.Name+"]]") {
				write = k.example() // a table of its own
			}
			d.add(Error, n.line, b.join(k.Name), "missing; write for example %s%s", write, inBrackets("allowed", k.Allowed()))
		}
	}
	return b
}

// placedKey is a key and where it is.
type placedKey struct {
	key  string
	node *node
}

// inOrder returns the keys of a table as they stand in the file.
func inOrder(table map[string]any, n *node) []placedKey {
	keys := make([]placedKey, 0, len(table))
	for key := range table {
		keys = append(keys, placedKey{key, n.child(key)})
	}
	slices.SortFunc(keys, func(x, y placedKey) int {
		return cmp.Or(cmp.Compare(x.node.line, y.node.line), strings.Compare(x.key, y.key))
	})
	return keys
}

// refuse reports a keyword that is refused, each time if it is a repeated
// block.
func (d *decoder) refuse(k *Keyword, path string, raw any, n *node) {
	tables, ok := raw.([]map[string]any)
	if !ok {
		d.add(Error, n.line, path, "%s", k.Reason)
		return
	}
	for i, t := range tables {
		at := path
		if name, ok := t["name"].(string); ok {
			at += "." + printable(name)
		}
		d.add(Error, n.elem(i).line, at, "%s", k.Reason)
	}
}

// convert checks a value against its row. The second result says what is
// wrong, or is empty.
func convert(k *Keyword, raw any, n *node) (any, string) {
	switch k.Kind {
	case KindBool:
		return convertBool(k, raw)
	case KindInt:
		return convertInt(k, raw)
	case KindDuration:
		return convertDuration(k, raw)
	case KindString, KindEnum, KindLink, KindAddr, KindAddrPort:
		return convertText(k, raw)
	case KindBoolOrInt:
		if v, ok := raw.(bool); ok {
			return v, ""
		}
		return convertInt(k, raw)
	case KindBoolOrString:
		if v, ok := raw.(bool); ok {
			return v, ""
		}
		return convertText(k, raw)
	case KindIntOrString:
		if v, ok := raw.(int64); ok {
			return strconv.FormatInt(v, 10), ""
		}
		return convertText(k, raw)
	case KindWeight:
		return convertWeight(k, raw)
	case KindEntries, KindStrings:
		return convertEntries(k, raw, n)
	case KindEntry, KindCommand, KindBoolOrCommand:
		return convertEntry(k, raw)
	case KindCodes:
		return convertCodes(k, raw)
	case KindTable, KindTables:
		return raw, ""
	}
	panic(fmt.Sprintf("config: keyword %s has the kind %v, which nothing converts", k.Name, k.Kind))
}

// wrongType says that a value has the wrong type.
func wrongType(k *Keyword, raw any, want string) string {
	have := describe(raw)
	if k.Secret {
		have = "this"
	}
	msg := have + " is not " + want
	if ex := k.example(); ex != "" {
		msg += "; write for example " + k.Name + " = " + ex
	}
	return msg + inBrackets("allowed", k.Allowed())
}

func convertBool(k *Keyword, raw any) (any, string) {
	if v, ok := raw.(bool); ok {
		return v, ""
	}
	if s, ok := raw.(string); ok && slices.Contains([]string{"on", "off", "yes", "no", "true", "false"}, strings.ToLower(s)) {
		on := slices.Contains([]string{"on", "yes", "true"}, strings.ToLower(s))
		return nil, fmt.Sprintf("%s is text; write %s = %t without quotes", describe(raw), k.Name, on)
	}
	return nil, wrongType(k, raw, "true or false")
}

func convertInt(k *Keyword, raw any) (any, string) {
	if s, ok := raw.(string); ok {
		if v, err := strconv.ParseInt(s, 10, 64); err == nil && (k.Max == 0 || v >= k.Min && v <= k.Max) {
			return nil, fmt.Sprintf("%s is text; write %s = %d without quotes", describe(raw), k.Name, v)
		}
	}
	v, ok := raw.(int64)
	if !ok {
		return nil, wrongType(k, raw, "a whole number")
	}
	if k.Max != 0 && (v < k.Min || v > k.Max) {
		return nil, fmt.Sprintf("%d is out of range; allowed: %s; for example %s = %s", v, k.Allowed(), k.Name, k.example())
	}
	return v, ""
}

func convertText(k *Keyword, raw any) (any, string) {
	s, ok := raw.(string)
	if !ok {
		return nil, wrongType(k, raw, "text in quotes")
	}
	switch k.Kind {
	case KindEnum:
		if !slices.Contains(k.Words, s) {
			return nil, fmt.Sprintf("%s is not known; allowed: %s", describe(raw), k.Allowed())
		}
	case KindLink:
		if wrong := wrongLink(s); wrong != "" {
			return nil, describe(raw) + " " + wrong
		}
	case KindAddr:
		a, wrong := parseAddr(s)
		if wrong != "" {
			return nil, fmt.Sprintf("%s %s; write for example %s = %s", describe(raw), wrong, k.Name, k.example())
		}
		return a, ""
	case KindAddrPort:
		if s == "off" {
			return netip.AddrPort{}, ""
		}
		ap, err := netip.ParseAddrPort(s)
		if err != nil || ap.Port() == 0 {
			return nil, fmt.Sprintf("%s is not an address with a port; allowed: %s", describe(raw), k.Allowed())
		}
		return ap, ""
	}
	return s, ""
}

// convertEntries accepts a list of texts and tables. What is in them is not
// looked at here.
func convertEntries(k *Keyword, raw any, n *node) (any, string) {
	var items []item
	switch v := raw.(type) {
	case []any:
		for i, e := range v {
			items = append(items, item{e, n.elem(i)})
		}
	case []map[string]any:
		for i, e := range v {
			items = append(items, item{e, n.elem(i)})
		}
	default:
		return nil, describe(raw) + " is not a list; write " + k.Name + " = " + k.example()
	}
	return items, ""
}

// convertEntry accepts a text, a table and whatever else the kind has. What is
// in it is not looked at here.
func convertEntry(k *Keyword, raw any) (any, string) {
	want := "a text or a table"
	switch raw.(type) {
	case string:
		return raw, ""
	case map[string]any:
		if k.Entries != "" {
			return raw, ""
		}
		want = "a text or a list"
	case []any:
		if k.Kind != KindEntry {
			return raw, ""
		}
	case bool:
		if k.Kind == KindBoolOrCommand || k.Entries == BlockInitFile {
			return raw, ""
		}
	case int64:
		if k.Entries == BlockInitFile {
			return raw, ""
		}
	}
	if k.Kind != KindEntry && k.Entries != "" {
		want = "a command, which is a text, a list or a table"
	}
	return nil, wrongType(k, raw, want)
}

// describe shows a value the way it stands in the file, shortened.
func describe(raw any) string {
	switch v := raw.(type) {
	case string:
		return strconv.Quote(printable(v))
	case bool, int64:
		return fmt.Sprint(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []any, []map[string]any:
		return "a list"
	case map[string]any:
		return "a table"
	case time.Time:
		return "a date"
	}
	return "this"
}

// printable shortens text from the file for a message and takes out what would
// garble a terminal.
func printable(s string) string {
	const longest = 80
	s = strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return s
}

func inBrackets(what, s string) string {
	if s == "" {
		return ""
	}
	return " (" + what + ": " + s + ")"
}
