package config

import (
	"maps"
	"slices"
)

// tables returns the tables of a block that may be repeated: an array of tables
// or a single one.
func (d *decoder) tables(top *block, kind Block) []*block {
	key := string(kind)
	path := top.join(key)
	write := "[[" + key + "]] and its keys below it"
	if ex := top.row(key).example(); top.kind != BlockRoot {
		write = ex
	}
	e, ok := top.vals[key]
	if !ok {
		return nil
	}
	type placed struct {
		table map[string]any
		node  *node
	}
	var list []placed
	wrong := func(n *node, raw any) {
		d.add(Error, n.line, path, "%s is not a table; write %s", describe(raw), write)
	}
	switch v := e.val.(type) {
	case []map[string]any:
		for i, t := range v {
			list = append(list, placed{t, e.node.elem(i)})
		}
	case map[string]any:
		if d.namedTables(path, kind, v, e.node) {
			return nil
		}
		list = append(list, placed{v, e.node})
	case []any:
		for i, entry := range v {
			if t, ok := entry.(map[string]any); ok {
				list = append(list, placed{t, e.node.elem(i)})
			} else {
				wrong(e.node.elem(i), entry)
			}
		}
	default:
		wrong(e.node, v)
	}
	var out []*block
	for i, p := range list {
		out = append(out, d.block(kind, tablePath(path, i, len(list), kind, p.table), p.table, p.node))
	}
	return out
}

// namedTables reports [vrrp_instance.NAME], which is a natural mistake for who
// knows keepalived's blocks.
func (d *decoder) namedTables(key string, kind Block, table map[string]any, n *node) bool {
	found := false
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if _, ok := table[name].(map[string]any); ok && d.schema.lookup(kind, name) == nil {
			d.add(Error, n.child(name).line, key+"."+printable(name), "a named table is not read; write [[%s]] and below it name = %s", key, describe(name))
			found = true
		}
	}
	return found
}

// readObjects reads what can be tracked.
func (d *decoder) readObjects(top *block, cfg *Config) {
	for _, b := range d.tables(top, BlockScript) {
		b.checkName()
		s := b.readScript()
		d.objects.add(b, s.Name, s.Weight, s.Reverse)
		cfg.Scripts = append(cfg.Scripts, s)
	}
	files := d.tables(top, BlockFile)
	if old := top.vals[oldFile]; old.node != nil {
		top.vals[string(BlockFile)] = old
		files = append(files, d.tables(top, BlockFile)...)
	}
	for _, b := range files {
		b.checkName()
		f := b.readFile()
		d.objects.add(b, f.Name, f.Weight, f.Reverse)
		cfg.Files = append(cfg.Files, f)
	}
	for _, b := range d.tables(top, BlockProcess) {
		b.checkName()
		p := b.readProcess()
		d.objects.add(b, p.Name, p.Weight, p.Reverse)
		cfg.Processes = append(cfg.Processes, p)
	}
	for _, b := range d.tables(top, BlockCheck) {
		b.checkName()
		c := b.readCheck()
		d.objects.add(b, c.Name, c.Weight, c.Reverse)
		cfg.Checks = append(cfg.Checks, c)
	}
}

// oldFile is keepalived's old name of track_file.
const oldFile = "vrrp_track_file"

// readStatic reads what never moves.
func (d *decoder) readStatic(top *block, cfg *Config) {
	seen := map[addressOn]int{}
	for _, a := range top.addresses("static_ipaddress", cfg.Global.DefaultInterface) {
		if line, ok := seen[a.on()]; ok {
			d.add(Warning, a.line, "static_ipaddress", "%s is a duplicate of the one in line %d and is dropped", a.shown, line)
			continue
		}
		seen[a.on()] = a.line
		cfg.StaticAddresses = append(cfg.StaticAddresses, a.Address)
		d.addLinks(&spot{line: a.line, key: "static_ipaddress"}, a.Dev)
	}
	d.static = seen
	cfg.StaticRoutes = top.routes("static_routes", true)
	cfg.StaticRules = top.rules("static_rules", true)
}
