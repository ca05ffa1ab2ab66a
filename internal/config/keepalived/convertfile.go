package keepalived

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"hakeep/internal/config"
)

// Options say where a keepalived.conf and what it refers to come from.
type Options struct {
	// Root is the root directory of the host: included files and the names of
	// routing tables (/etc/iproute2) are looked up in it.
	Root fs.FS
	// ConfigID is what conditions (@id) compare with; keepalived's default is
	// the host's name up to the first dot.
	ConfigID string
	// AllIncludes makes every include an includea.
	AllIncludes bool
	// ConfigOnly wants no Text, which spares reading it again.
	ConfigOnly bool
	// Env returns environment variables for ${_ENV NAME}; nil for none.
	Env func(string) string
	// Lookup says why a program cannot be run on this host, nil if it can; nil for
	// not asking.
	Lookup func(program string) error
}

// Result is what became of a keepalived.conf.
type Result struct {
	// Config is the configuration, or nil if there is none: something is
	// Broken, or nothing was left. With losses there is a Config of the rest.
	Config *config.Config
	// Text is the same configuration as TOML text, with the user's comments and
	// a header that says what was done; empty without a Config, and with
	// ConfigOnly.
	Text []byte
	// Issues is everything there is to say, by file and line.
	Issues []Issue
	// Secrets says that Text contains a password.
	Secrets bool
	// Scripts says that programs are run, Security that enable_script_security
	// is set.
	Scripts, Security bool
	// Worst is the worst kind of the issues, or 0 if there are none.
	Worst Kind
}

// Convert reads the file name, a whole path, and converts it; shown is how
// messages name it. It never fails otherwise than by Broken issues.
func Convert(name, shown string, o Options) *Result {
	is := &issues{}
	r := newReader(o, is)
	if err := r.open(absolute("/", name), shown); err != nil {
		r.stop(Pos{File: shown}, "cannot be read: %v", cause(err))
	}
	tree := r.parse()
	c := newConverter(is)
	if !r.stopped {
		c.root(tree)
	}
	if !r.stopped && c.known == 0 && slices.ContainsFunc(tree.children, func(n *node) bool { return len(n.words) > 0 }) {
		r.stop(Pos{File: shown}, "nothing in this file is a keyword of keepalived's")
	}
	res := &Result{Secrets: c.secrets}
	if !r.stopped {
		c.settle()
		res.Scripts, res.Security = c.scripts()
		var places []place
		res.Config, places = c.load(shown, o.Root)
		if res.Config != nil && o.Lookup != nil {
			c.programs(res.Config, o.Lookup)
		}
		if res.Config != nil && !o.ConfigOnly {
			res.Config, res.Text, places = c.write(res.Config, shown, o.Root)
		}
		if res.Config != nil {
			res.Config.Relocate(relocation(places))
		}
	}
	slices.SortStableFunc(is.all, func(a, b Issue) int {
		if a.Pos.File != b.Pos.File {
			return 0
		}
		return a.Pos.Line - b.Pos.Line
	})
	if is.dropped > 0 {
		is.all = append(is.all, Issue{Pos: Pos{File: shown}, Kind: is.worst, Message: fmt.Sprintf("%d more messages are not shown", is.dropped)})
	}
	res.Issues, res.Worst = is.all, is.worst
	return res
}

// load has package config read the text. What it refuses is left out and
// reported as a loss, until it refuses nothing any more.
func (c *converter) load(shown string, root fs.FS) (*config.Config, []place) {
	const rounds = 20
	for range rounds {
		text, places := c.doc.text(nil)
		cfg, problems := config.ParseFS(shown, []byte(text), root)
		if cfg == nil {
			for i := range problems {
				problems[i].Message = relined(problems[i].Message, places)
			}
			if !c.drop(problems.Errors(), places, shown) {
				return nil, nil
			}
			continue
		}
		for _, p := range problems {
			c.add(Note, posOf(p, places, shown), p.Key, "%s", relined(p.Message, places))
		}
		return cfg, places
	}
	c.add(Broken, Pos{File: shown}, "", "what is left of the file is not accepted after %d rounds of leaving things out", rounds)
	return nil, nil
}

// write makes the text for the user, and reads it as the user's hakeep will.
func (c *converter) write(cfg *config.Config, shown string, root fs.FS) (*config.Config, []byte, []place) {
	text, places := c.doc.text(c.header(shown))
	again, _ := config.ParseFS(shown, []byte(text), root)
	if again == nil || cfg.Digest() != again.Digest() {
		c.add(Broken, Pos{File: shown}, "", "the converted text does not mean the same when it is read; please report this")
		return nil, nil, nil
	}
	return again, []byte(text), places
}

// posOf returns where a problem of the text is in the user's files.
func posOf(p config.Problem, places []place, shown string) Pos {
	if p.Line > 0 && p.Line <= len(places) && places[p.Line-1].pos.Line > 0 {
		return places[p.Line-1].pos
	}
	return Pos{File: shown}
}

// ofLine matches what a message says about another line.
var ofLine = regexp.MustCompile(`\bin line ([0-9]+)`)

// relined has a message name lines of the user's file instead of the text's.
func relined(message string, places []place) string {
	return ofLine.ReplaceAllStringFunc(message, func(s string) string {
		n, err := strconv.Atoi(strings.TrimPrefix(s, "in line "))
		if err != nil || n < 1 || n > len(places) || places[n-1].pos.Line == 0 {
			return s
		}
		return "in line " + strconv.Itoa(places[n-1].pos.Line)
	})
}

func relocation(places []place) []config.Place {
	out := make([]config.Place, len(places))
	for i, p := range places {
		out[i] = config.Place{File: p.pos.File, Line: p.pos.Line}
	}
	return out
}

// drop leaves out what problems are about; false means that nothing can be.
func (c *converter) drop(problems config.Problems, places []place, shown string) bool {
	any := false
	for _, p := range problems {
		pos := posOf(p, places, shown)
		if p.Line < 1 || p.Line > len(places) || places[p.Line-1].sec == nil {
			continue // such as that there are more problems: the next round shows them
		}
		at := places[p.Line-1]
		if at.sec.gone() || at.ent != nil && at.ent.key == "" || at.elem != nil && at.elem.dropped {
			continue // by another problem
		}
		any = true
		lose, kind := c.add, Lost
		switch {
		case onlyOurs(p):
			lose = c.addOwn
		case skipped(p):
			kind = Changed
		}
		switch {
		case at.elem != nil:
			at.elem.dropped = true
			if at.ent.empty() && identifies(at.ent.key) {
				lose(kind, pos, p.Key, "%s; the whole block is left out", p.Message)
				c.removeSection(at.sec)
				continue
			}
			lose(kind, pos, p.Key, "%s; this is left out", p.Message)
			if at.ent.empty() {
				c.removeEntry(at.ent)
			}
		case at.ent != nil && !identifies(at.ent.key):
			lose(kind, pos, p.Key, "%s; this is left out", p.Message)
			c.removeEntry(at.ent)
		case at.sec.header == "" || at.sec == c.doc.global:
			c.add(Broken, pos, p.Key, "%s", p.Message)
			return false
		default:
			lose(kind, pos, p.Key, "%s; the whole block is left out", p.Message)
			c.removeSection(at.sec)
		}
	}
	if !any && len(problems) > 0 {
		c.add(Broken, posOf(problems[0], places, shown), problems[0].Key, "%s", problems[0].Message)
	}
	return any
}

// identifies reports whether a block without this keyword would be another one
// or none at all, on the wire or on this host. A default in its place could do
// harm.
func identifies(key string) bool {
	return slices.Contains([]string{
		"name", "interface", "virtual_router_id", "version", "advert_int", "unicast_peer", "unicast_src_ip", "mcast_src_ip", "mcast_dst_ip",
		"strict_mode", "native_ipv6", "script", "file", "process", "group",
		"address", "protocol", "lvs_sched", "lvs_method", "url", "path", "misc_path", "track_file", "regex", "digest", "status_code",
	}, key)
}

// onlyOurs reports whether keepalived takes what a problem is about.
func onlyOurs(p config.Problem) bool {
	return strings.Contains(p.Key, ".notification_email") || strings.Contains(p.Message, "can move with one instance only") ||
		strings.Contains(p.Message, "is not done")
}

// removeEntry leaves only a comment of an entry.
func (c *converter) removeEntry(e *entry) {
	*e = entry{lead: e.lead, pos: e.pos, replaced: "left out: " + e.key}
}

// removeSection leaves only a comment of a section.
func (c *converter) removeSection(s *section) {
	s.dropped = true
	c.counts[string(s.block)]--
	c.doc.sections = append(c.doc.sections, &section{lead: []string{"left out: " + s.path}, pos: s.pos})
}

// header says what was done.
func (c *converter) header(shown string) []string {
	head := []string{"Made by hakeep import from " + printable(shown) + "."}
	var done []string
	for _, b := range []string{"vrrp_instance", "vrrp_sync_group", "vrrp_script", "track_file", "vrrp_track_process", "track_group", "virtual_server", "virtual_server_group"} {
		if n := c.counts[b]; n > 0 {
			done = append(done, fmt.Sprintf("%d %s", n, b))
		}
	}
	if len(done) > 0 {
		head = append(head, "Converted: "+strings.Join(done, ", ")+".")
	}
	for _, part := range []struct {
		kind  Kind
		title string
	}{{Changed, "Changed:"}, {Lost, "NOT CONVERTED:"}, {Note, "Notes:"}} {
		const most = 200
		first := true
		shownCount := 0
		for _, i := range c.all {
			if i.Kind != part.kind {
				continue
			}
			if first {
				head, first = append(head, "", part.title), false
			}
			if shownCount++; shownCount <= most {
				head = append(head, "  "+i.String())
			}
		}
		if shownCount > most {
			head = append(head, fmt.Sprintf("  and %d more", shownCount-most))
		}
	}
	return head
}
