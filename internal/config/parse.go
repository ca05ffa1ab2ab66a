package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// maxSize bounds the text. A thousand instances with all their keys are one
// megabyte.
const maxSize = 16 << 20

// Load reads and validates the configuration file at path. The error says that
// the file could not be read. Otherwise the problems say what is wrong with
// it; if they contain errors, there is no Config.
//
// Beyond what Parse reports, Load warns about a file that holds a password and
// that everybody on the host may read.
func Load(path string) (*Config, Problems, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	d := newDecoder(path)
	cfg := d.parse(text)
	if d.secret != 0 && info.Mode().Perm()&0o004 != 0 {
		d.add(Warning, d.secret, d.secretKey, "can be read by every user of this host (mode %04o); run chmod o= %s", info.Mode().Perm(), path)
	}
	problems := d.sorted()
	return cfg, problems, nil
}

// Parse validates a configuration text; name is the file's name in problems.
// The problems are sorted by line. If they contain errors, there is no Config.
func Parse(name string, text []byte) (*Config, Problems) {
	d := newDecoder(name)
	cfg := d.parse(text)
	return cfg, d.sorted()
}

func newDecoder(file string) *decoder {
	return &decoder{sink: &sink{file: file}, schema: newSchema()}
}

// parse does all the work; it returns nil if there were errors.
func (d *decoder) parse(text []byte) *Config {
	if len(text) > maxSize {
		d.add(Error, 0, "", "is larger than %d MiB and cannot be a configuration", maxSize>>20)
		return nil
	}
	// The decoder silently skips these marks; what follows must have the same
	// lines for both of us.
	idx := scan(string(text))
	if idx.tooDeep != 0 {
		d.add(Error, idx.tooDeep, "", "lists or tables are nested too deeply here; at most %d levels, and %d parts in a key", maxNesting, maxKeyParts)
		return nil
	}
	for _, dup := range idx.duplicates {
		d.add(Error, dup.line, dup.key, "is already set in line %d; keep one of them", dup.first)
	}
	var tree map[string]any
	if _, err := toml.Decode(string(text), &tree); err != nil {
		var pe toml.ParseError
		switch {
		case len(idx.duplicates) > 0 && errors.As(err, &pe) && strings.Contains(pe.Message, "already"):
			// Said above, with both lines.
		case errors.As(err, &pe):
			d.syntax(string(text), pe)
		default:
			d.add(Error, 0, "", "%s", printable(err.Error()))
		}
		return nil
	}
	cfg := d.config(tree, idx.root)
	if d.errors > 0 {
		return nil
	}
	return cfg
}

// config reads the tree of the whole file.
func (d *decoder) config(tree map[string]any, root *node) *Config {
	top := d.block(BlockRoot, "", tree, root)
	cfg := &Config{File: d.file}
	global := top.table(string(BlockGlobal))
	if global == nil {
		global = d.block(BlockGlobal, string(BlockGlobal), nil, &node{line: 1})
	}
	var def defaults
	cfg.Global, def = global.global()

	drafts := d.instances(top, &def)
	checkTogether(drafts)
	for _, in := range drafts {
		cfg.Instances = append(cfg.Instances, in.Instance)
		cfg.links = append(cfg.links, in.links()...)
	}
	if len(drafts) == 0 && top.given[string(BlockInstance)] == nil {
		d.add(Warning, 0, "", "has no [[vrrp_instance]], so there is nothing to do")
	}
	return cfg
}

// instances reads the blocks [[vrrp_instance]].
func (d *decoder) instances(top *block, def *defaults) []*draft {
	const key = string(BlockInstance)
	e, ok := top.vals[key]
	if !ok {
		return nil
	}
	var tables []map[string]any
	at := e.node.elem
	switch v := e.val.(type) {
	case []map[string]any:
		tables = v
	case map[string]any:
		if d.namedTables(key, v, e.node) {
			return nil
		}
		tables, at = []map[string]any{v}, func(int) *node { return e.node }
	case []any:
		for i, entry := range v {
			t, ok := entry.(map[string]any)
			if !ok {
				d.add(Error, e.node.elem(i).line, key, "%s is not a table; write [[vrrp_instance]] and the keys of the instance below it", describe(entry))
				continue
			}
			tables = append(tables, t)
		}
	default:
		d.add(Error, e.node.line, key, "%s is not a table; write [[vrrp_instance]] and the keys of the instance below it", describe(v))
		return nil
	}
	var drafts []*draft
	for i, t := range tables {
		path := fmt.Sprintf("%s.%d", key, i+1)
		if name, ok := t["name"].(string); ok && name != "" {
			path = key + "." + printable(name)
		}
		b := d.block(BlockInstance, path, t, at(i))
		b.checkName()
		drafts = append(drafts, b.instance(def))
		if n := at(i).child(string(BlockAuth)).keys["auth_pass"]; n != nil && d.secret == 0 {
			d.secret, d.secretKey = n.line, b.join(string(BlockAuth)+".auth_pass")
		}
	}
	return drafts
}

// namedTables reports [vrrp_instance.NAME], which is a natural mistake for who
// knows keepalived's blocks.
func (d *decoder) namedTables(key string, table map[string]any, n *node) bool {
	found := false
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if _, ok := table[name].(map[string]any); ok && d.schema.lookup(Block(key), name) == nil {
			d.add(Error, n.child(name).line, key+"."+printable(name), "a named table is not an instance; write [[%s]] and below it name = %s", key, describe(name))
			found = true
		}
	}
	return found
}

// checkName reports a name that status, scripts or FIFO lines cannot carry.
func (b *block) checkName() {
	const longest = 64
	if !b.has("name") {
		return
	}
	if name := b.text("name"); name == "" || len(name) > longest || printable(name) != name || strings.ContainsAny(name, " \"'`\\/") {
		b.errorf("name", "%s cannot be a name; allowed: %s; for example name = \"VI_1\"", describe(name), b.row("name").Allowed())
	}
}

// links returns the places that name interfaces.
func (d *draft) links() []linkRef {
	var refs []linkRef
	if d.Interface != "" {
		refs = append(refs, linkRef{d.Interface, d.b.line("interface"), d.b.join("interface")})
	}
	for _, l := range d.lists() {
		for _, a := range l.list {
			if a.Dev != d.Interface {
				refs = append(refs, linkRef{a.Dev, a.line, d.b.join(l.key)})
			}
		}
	}
	return refs
}

// CheckHost returns a warning for every interface that the configuration names
// and that linkExists does not know. It is no error, because interfaces may
// appear later.
func (c *Config) CheckHost(linkExists func(string) bool) Problems {
	s := &sink{file: c.File}
	known := make(map[string]bool)
	for _, ref := range c.links {
		exists, asked := known[ref.link]
		if !asked {
			exists = linkExists(ref.link)
			known[ref.link] = exists
		}
		if !exists {
			s.add(Warning, ref.line, ref.key, "there is no interface %s on this host now; the instance waits in fault until it appears", ref.link)
		}
	}
	return s.sorted()
}
