package config

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// Change is one key that differs between two configurations.
type Change struct {
	// Key is its path, such as vrrp_instance.VI_1.priority, or that of a block
	// that is in one of them only.
	Key string `json:"key"`
	// Old and New are the values as TOML; empty where there is none. For lists they
	// are the entries that only one of the configurations has. A password is
	// never shown.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
}

// String is the change in one line.
func (c Change) String() string {
	switch {
	case c.Old == "":
		return c.Key + ": + " + c.New
	case c.New == "":
		return c.Key + ": - " + c.Old
	}
	return c.Key + ": " + c.Old + " -> " + c.New
}

const (
	wholeBlock = "(block)"
	hidden     = "(not shown)"
	// longestValue bounds a value in a Change.
	longestValue = 200
)

// Changes lists the keys that differ between the texts of two configurations,
// sorted. What a default stands for is not looked at: a key that is written down
// with its default is a change here, although it changes nothing.
func Changes(old, next *Config) []Change {
	return changesOf(differing(old.source, next.source))
}

// changesOf is Changes of two texts.
func changesOf(old, next []byte) []Change {
	if bytes.Equal(old, next) {
		return nil
	}
	var a, b map[string]any
	// Both were read before, so they can be read again.
	if toml.Unmarshal(old, &a) != nil || toml.Unmarshal(next, &b) != nil {
		return nil
	}
	d := differ{secrets: map[string]bool{}}
	for _, k := range Keywords() {
		if k.Secret {
			d.secrets[k.Name] = true
		}
	}
	d.tables("", a, b)
	return d.out
}

// source is the text of a configuration, as TOML.
type source struct {
	text []byte // no string, since fmt would show passwords
	// heads are where its pieces begin: each is a table, or one of a repeated block,
	// with what is below it. nil if it cannot be divided.
	heads []int
}

func newSource(text string, idx index) source {
	s := source{text: []byte(strings.TrimPrefix(text, byteOrderMark))}
	if !idx.mixed {
		s.heads = idx.heads
	}
	return s
}

// pieces are what is before the first table, and the tables.
func (s source) pieces() (first []byte, rest [][]byte) {
	if len(s.heads) == 0 {
		return s.text, nil
	}
	for i, from := range s.heads {
		to := len(s.text)
		if i+1 < len(s.heads) {
			to = s.heads[i+1]
		}
		rest = append(rest, s.text[from:to])
	}
	return s.text[:s.heads[0]], rest
}

// differing leaves out of two texts the tables that both have: of thousands of
// virtual servers most are as they were.
func differing(a, b source) (textA, textB []byte) {
	firstA, restA := a.pieces()
	firstB, restB := b.pieces()
	common := make(map[string]int, len(restA))
	for _, p := range restA {
		common[string(p)]++
	}
	textA, textB = slices.Clone(firstA), slices.Clone(firstB)
	for _, p := range restB {
		if common[string(p)] > 0 {
			common[string(p)]--
			continue
		}
		textB = append(textB, p...)
	}
	for _, p := range restA {
		// What is counted still was not found in b.
		if common[string(p)] > 0 {
			common[string(p)]--
			textA = append(textA, p...)
		}
	}
	return textA, textB
}

type differ struct {
	secrets map[string]bool // names of keys
	out     []Change
}

func (d *differ) add(key, old, next string) {
	d.out = append(d.out, Change{Key: key, Old: old, New: next})
}

// tables compares two tables, of which either may be nil.
func (d *differ) tables(path string, a, b map[string]any) {
	keys := slices.Concat(slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(b)))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		at := printable(key)
		if path != "" {
			at = path + "." + at
		}
		d.values(at, d.secrets[key], a[key], b[key])
	}
}

func (d *differ) values(path string, secret bool, a, b any) {
	if reflect.DeepEqual(a, b) {
		return
	}
	one, isTable := a.(map[string]any)
	two, alsoTable := b.(map[string]any)
	switch {
	case isTable && alsoTable:
		d.tables(path, one, two)
		return
	case isTable && b == nil, alsoTable && a == nil:
		d.tables(path, one, two)
		return
	}
	listA, okA := blocks(a)
	listB, okB := blocks(b)
	if (okA || a == nil) && (okB || b == nil) {
		d.blocks(path, listA, listB)
		return
	}
	entriesA, okA := a.([]any)
	entriesB, okB := b.([]any)
	switch {
	case secret:
		d.add(path, mask(a), mask(b))
	case okA && okB:
		d.add(path, lacking(entriesA, entriesB), lacking(entriesB, entriesA))
	default:
		d.add(path, valueText(a), valueText(b))
	}
}

// blocks returns the tables of a repeated block; one that is written as a single
// table, too.
func blocks(v any) ([]map[string]any, bool) {
	switch v := v.(type) {
	case []map[string]any:
		return v, true
	case map[string]any:
		return []map[string]any{v}, true
	}
	return nil, false
}

// byName finds repeated blocks by their names or addresses, or else by their place.
// Virtual servers of several protocols have one address.
func byName(list []map[string]any) map[string]map[string]any {
	m := make(map[string]map[string]any, len(list))
	for i, t := range list {
		name := cmp.Or(tableName(t), strconv.Itoa(i+1))
		if protocol, ok := t["protocol"].(string); ok && m[name] != nil {
			name += " " + printable(protocol)
		}
		if m[name] != nil {
			name += " (" + strconv.Itoa(i+1) + ")"
		}
		m[name] = t
	}
	return m
}

// blocks compares repeated blocks by their names, or by their place.
func (d *differ) blocks(path string, a, b []map[string]any) {
	before, after := byName(a), byName(b)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if next, ok := after[name]; ok {
			d.tables(path+"."+name, before[name], next)
		} else {
			d.add(path+"."+name, wholeBlock, "")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if _, ok := before[name]; !ok {
			d.add(path+"."+name, "", wholeBlock)
		}
	}
}

func mask(v any) string {
	if v == nil {
		return ""
	}
	return hidden
}

// lacking lists the entries of a that b has not; the whole list if only the
// order differs.
func lacking(a, b []any) string {
	var out []any
	for _, v := range a {
		if !slices.ContainsFunc(b, func(w any) bool { return reflect.DeepEqual(v, w) }) {
			out = append(out, v)
		}
	}
	if len(out) == 0 && len(a) >= len(b) && len(a) > 0 {
		out = a
	}
	if len(out) == 0 {
		return ""
	}
	return valueText(out)
}

// valueText is a value as TOML, cut where it is long.
func valueText(v any) string {
	var text string
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		text = strconv.Quote(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = valueText(e)
		}
		text = "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, printable(k)+" = "+valueText(v[k]))
		}
		text = "{ " + strings.Join(parts, ", ") + " }"
	default:
		text = fmt.Sprint(v)
	}
	if runes := []rune(text); len(runes) > longestValue {
		text = string(runes[:longestValue]) + "..."
	}
	return text
}
