package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	d.names.fsys = os.DirFS("/")
	cfg := d.parse(text)
	if d.secret != 0 && info.Mode().Perm()&0o004 != 0 {
		d.add(Warning, d.secret, d.secretKey, "can be read by every user of this host (mode %04o); run chmod o= %s", info.Mode().Perm(), path)
	}
	problems := d.sorted()
	if cfg != nil {
		if later := cfg.NotYet(); len(later) > 0 {
			return nil, append(problems, later...), nil
		}
	}
	return cfg, problems, nil
}

// Parse validates a configuration text; name is the file's name in problems.
// The problems are sorted by line. If they contain errors, there is no Config.
// Parse looks at nothing but the text, so of the names of routing tables and the
// like it knows only those that are built in.
func Parse(name string, text []byte) (*Config, Problems) {
	return ParseFS(name, text, nil)
}

// ParseFS is Parse with the root directory of a host, in which the names of
// routing tables, protocols, scopes, realms and groups of interfaces are looked
// up (/etc/iproute2); nil for none.
func ParseFS(name string, text []byte, root fs.FS) (*Config, Problems) {
	d := newDecoder(name)
	d.names.fsys = root
	cfg := d.parse(text)
	return cfg, d.sorted()
}

func newDecoder(file string) *decoder {
	return &decoder{
		sink: &sink{file: file}, schema: newSchema(), names: &names{},
		objects: objects{}, trackGroupUsed: map[string]bool{}, nextPreference: map[Family]uint32{},
	}
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
	var again string // the block whose keys are all there twice, and it is said
	for _, dup := range idx.duplicates {
		if again != "" && strings.HasPrefix(dup.key, again) {
			continue
		}
		if k := d.schema.lookup(BlockRoot, dup.key); k != nil && k.Kind == KindTables && dup.header {
			d.add(Error, dup.line, dup.key, "is already there in line %d; write [[%s]] in double brackets, there and here, for a block that is repeated", dup.first, dup.key)
			again = dup.key + "."
			continue
		}
		d.add(Error, dup.line, dup.key, "is already set in line %d; keep one of them", dup.first)
	}
	var tree map[string]any
	if _, err := toml.Decode(string(text), &tree); err != nil {
		d.notTOML(string(text), err, len(idx.duplicates) > 0)
		return nil
	}
	cfg := d.config(tree, idx.root)
	if d.errors > 0 {
		return nil
	}
	cfg.source = newSource(string(text), idx)
	return cfg
}

// notTOML reports what the decoder says. What is there twice is said already.
func (d *decoder) notTOML(text string, err error, duplicates bool) {
	var pe toml.ParseError
	switch {
	case duplicates && errors.As(err, &pe) && strings.Contains(pe.Message, "already"):
		// Said above, with both lines.
	case errors.As(err, &pe):
		d.syntax(text, pe)
	default:
		d.add(Error, 0, "", "%s", printable(err.Error()))
	}
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

	d.readObjects(top, cfg)
	trackGroups := d.trackGroups(top)
	d.readStatic(top, cfg)
	drafts := d.instances(top, &def)
	d.drafts = drafts
	checkTogether(drafts)
	cfg.Groups = d.groups(top, drafts)
	cfg.TrackGroups = d.trackMembers(trackGroups, drafts)
	cfg.LinkDelays = d.linkDelays(top)
	d.readBalancing(top, global, cfg)
	d.cutDelays(cfg.LinkDelays, drafts)

	mails := d.serverMails || slices.ContainsFunc(cfg.Groups, func(g SyncGroup) bool { return g.SMTPAlert })
	for _, in := range drafts {
		in.ownerTracks()
		in.Tracks = in.tracks.plain()
		mails = mails || in.SMTPAlert
		cfg.Instances = append(cfg.Instances, in.Instance)
		cfg.links = append(cfg.links, in.links()...)
	}
	d.unused()
	d.checkMail(global, &cfg.Global.Mail, mails)
	cfg.links = append(cfg.links, d.links...)
	cfg.commands = d.commands
	if len(drafts) == 0 && top.given[string(BlockInstance)] == nil && top.given[string(BlockVS)] == nil {
		d.add(Warning, 0, "", "has no [[vrrp_instance]] and no [[virtual_server]], so there is nothing to do")
	}
	return cfg
}

// instances reads the blocks [[vrrp_instance]].
func (d *decoder) instances(top *block, def *defaults) []*draft {
	var drafts []*draft
	for _, b := range d.tables(top, BlockInstance) {
		b.checkName()
		drafts = append(drafts, b.instance(def))
		if n := b.node.child(string(BlockAuth)).keys["auth_pass"]; n != nil && d.secret == 0 {
			d.secret, d.secretKey = n.line, b.join(string(BlockAuth)+".auth_pass")
		}
	}
	return drafts
}

// tablePath names the entry of an array of tables in problems. A checker that is the
// only one of its kind needs no number.
func tablePath(key string, i, count int, kind Block, table map[string]any) string {
	if kind.isChecker() {
		if count == 1 {
			return key
		}
		return fmt.Sprintf("%s.%d", key, i+1)
	}
	if name := tableName(table); name != "" {
		return key + "." + name
	}
	return fmt.Sprintf("%s.%d", key, i+1)
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
		refs = append(refs, linkRef{d.Interface, d.b.line("interface"), d.b.join("interface"), ""})
	}
	for _, l := range d.lists() {
		for _, a := range l.list {
			if a.Dev != d.Interface {
				refs = append(refs, linkRef{a.Dev, a.line, d.b.join(l.key), ""})
			}
		}
	}
	return refs
}
