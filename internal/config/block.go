package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// join returns the path of a key of the block.
func (b *block) join(key string) string {
	key = printable(key)
	if b.path == "" {
		return key
	}
	return b.path + "." + key
}

// has reports whether the key is there with a usable value.
func (b *block) has(key string) bool { _, ok := b.vals[key]; return ok }

// wrong reports whether the key is there, but without a usable value.
func (b *block) wrong(key string) bool { return b.given[key] != nil && !b.has(key) }

// line returns the line of a key, or of the block if the key is not there.
func (b *block) line(key string) int {
	if n := b.given[key]; n != nil {
		return n.line
	}
	return b.node.line
}

// errorf reports a key, at its line or that of the block.
func (b *block) errorf(key, format string, args ...any) {
	b.d.add(Error, b.line(key), b.join(key), format, args...)
}

// warnf is errorf for a warning.
func (b *block) warnf(key, format string, args ...any) {
	b.d.add(Warning, b.line(key), b.join(key), format, args...)
}

// row returns the row of a key that this package reads.
func (b *block) row(key string) *Keyword {
	k := b.rows[key]
	if k == nil {
		k = b.d.schema.must(b.kind, key)
	}
	if k.Fate != Done {
		panic(fmt.Sprintf("config: keyword %s is read but not done", key))
	}
	return k
}

// flag returns a boolean, or the default of the table.
func (b *block) flag(key string) bool {
	return b.flagOr(key, b.row(key).Default == "true")
}

// flagOr returns a boolean, or def.
func (b *block) flagOr(key string, def bool) bool {
	b.row(key)
	if e, ok := b.vals[key]; ok {
		return e.val.(bool)
	}
	return def
}

// num returns a whole number, or the default of the table.
func (b *block) num(key string) int {
	def, err := strconv.Atoi(b.row(key).Default)
	if err != nil {
		panic(fmt.Sprintf("config: keyword %s has no whole number as default", key))
	}
	return b.numOr(key, def)
}

// numOr returns a whole number, or def.
func (b *block) numOr(key string, def int) int {
	b.row(key)
	if e, ok := b.vals[key]; ok {
		return int(e.val.(int64))
	}
	return def
}

// dur returns a duration, or the default of the table.
func (b *block) dur(key string) time.Duration {
	def, err := time.ParseDuration(strings.Trim(b.row(key).Default, `"`))
	if err != nil {
		panic(fmt.Sprintf("config: keyword %s has no duration as default", key))
	}
	return b.durOr(key, def)
}

// durOr returns a duration, or def.
func (b *block) durOr(key string, def time.Duration) time.Duration {
	b.row(key)
	if e, ok := b.vals[key]; ok {
		return e.val.(time.Duration)
	}
	return def
}

// text returns a text, or the default of the table, which may be none.
func (b *block) text(key string) string {
	k := b.row(key)
	if e, ok := b.vals[key]; ok {
		if s, ok := e.val.(string); ok {
			return s
		}
	}
	if k.fixedDefault() {
		return strings.Trim(k.Default, `"`)
	}
	return ""
}

// addr returns an address, or the default of the table, which may be none.
func (b *block) addr(key string) netip.Addr {
	k := b.row(key)
	if e, ok := b.vals[key]; ok {
		return e.val.(netip.Addr)
	}
	if k.fixedDefault() {
		return netip.MustParseAddr(strings.Trim(k.Default, `"`))
	}
	return netip.Addr{}
}

// items returns the entries of a list.
func (b *block) items(key string) []item {
	b.row(key)
	if e, ok := b.vals[key]; ok {
		return e.val.([]item)
	}
	return nil
}

// table returns a table within the block, or nil if there is none.
func (b *block) table(key string) *block {
	k := b.row(key)
	e, ok := b.vals[key]
	if !ok {
		return nil
	}
	m, ok := e.val.(map[string]any)
	if !ok {
		write := key + " = { … }"
		if b.kind == BlockRoot {
			write = "[" + key + "] and its keys below it"
		}
		b.errorf(key, "%s is not a table; write %s", describe(e.val), write)
		return nil
	}
	kind := k.Entries
	if kind == "" {
		kind = Block(key)
	}
	return b.d.block(kind, b.join(key), m, e.node)
}
