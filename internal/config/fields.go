package config

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fields is a keyword with several arguments: keepalived's line as a text, or a
// table of named parts.
type fields struct {
	spot
	vals map[string]string
}

// get returns a part, or the empty string if it is not there.
func (f *fields) get(name string) string { return f.vals[name] }

// fields reads a keyword whose line has the parts in this order; only the first
// one is needed. It returns nil if there is nothing to read, or it is wrong.
func (b *block) fields(key string, names ...string) *fields {
	k := b.row(key)
	e, ok := b.vals[key]
	if !ok {
		return nil
	}
	f := &fields{spot: spot{d: b.d, line: e.node.line, key: b.join(key), shown: describe(e.val)}, vals: map[string]string{}}
	switch v := e.val.(type) {
	case string:
		words, err := SplitCommand(v)
		switch {
		case err != nil:
			f.errorf("%w; write for example %s = %s", err, key, k.example())
		case len(words) > len(names):
			f.errorf("has more than %d words; allowed: %s", len(names), k.Allowed())
		}
		for i, w := range words[:min(len(words), len(names))] {
			f.vals[names[i]] = w
		}
	case map[string]any:
		before := b.d.errors
		t := b.d.block(k.Entries, b.join(key), v, e.node)
		f.shown = ""
		f.take(t)
		f.failed = b.d.errors > before
	}
	if f.failed {
		return nil
	}
	return f
}

// take takes the parts of a table as texts.
func (f *fields) take(t *block) {
	for _, name := range slices.Sorted(maps.Keys(t.vals)) {
		switch v := t.vals[name].val.(type) {
		case string:
			f.vals[name] = v
		case int64:
			f.vals[name] = strconv.FormatInt(v, 10)
		case bool:
			f.vals[name] = strconv.FormatBool(v)
		case time.Duration:
			f.vals[name] = v.String()
		case netip.Addr:
			f.vals[name] = v.String()
		}
	}
}

// placedText is a text of the file with its line.
type placedText struct {
	text string
	line int
}

// texts reads a list of texts.
func (b *block) texts(key string) []placedText {
	var out []placedText
	for _, it := range b.items(key) {
		s, ok := it.raw.(string)
		if !ok || strings.TrimSpace(s) == "" {
			b.d.add(Error, it.node.line, b.join(key), "%s is not text; write for example %s = %s", describe(it.raw), key, b.row(key).example())
			continue
		}
		out = append(out, placedText{s, it.node.line})
	}
	return out
}
