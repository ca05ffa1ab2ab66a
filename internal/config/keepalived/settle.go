package keepalived

import (
	"slices"
	"strings"
	"time"

	"hakeep/internal/config"
)

// settle does what keepalived does with a whole configuration: versions,
// families, names that are not there.
func (c *converter) settle() {
	version := 2
	if e := c.doc.global.find("vrrp_version"); e != nil {
		if e.value == "3" {
			version = 3
		}
	} else {
		c.doc.global.entries = append(c.doc.global.entries, &entry{key: "vrrp_version", value: "2", comment: "keepalived's default"})
	}
	for _, s := range c.sections(config.BlockInstance) {
		c.settleInstance(s, version)
	}
	for _, kind := range []struct {
		list  string
		block config.Block
	}{{"track_script", config.BlockScript}, {"track_file", config.BlockFile}, {"track_process", config.BlockProcess}} {
		names := c.names(kind.block)
		for _, s := range slices.Concat(c.sections(config.BlockInstance), c.sections(config.BlockSync)) {
			c.present(s, kind.list, names)
		}
	}
	instances := c.names(config.BlockInstance)
	for _, b := range []config.Block{config.BlockSync, config.BlockTrackGroup} {
		for _, s := range c.sections(b) {
			c.present(s, "group", instances)
			if s.find("group") == nil {
				c.add(Changed, s.pos, s.path, "has no instances, so it is left out, as keepalived does")
				c.removeSection(s)
			}
		}
	}
	for _, s := range c.sections(config.BlockProcess) {
		settleMatch(s)
	}
	c.settleBalancing()
	c.users()
}

// settleMatch says what a param_match without a word means in keepalived: the very
// same arguments, which is the default if there are any; else that there are none.
func settleMatch(s *section) {
	e, process := s.find("param_match"), s.find("process")
	switch {
	case e == nil || e.value != bareMatch:
	case process != nil && strings.Contains(process.value, " "):
		s.remove("param_match")
	default:
		e.value = tomlString("initial")
	}
}

// sections returns the tables of a kind.
func (c *converter) sections(b config.Block) []*section {
	var out []*section
	for _, s := range c.doc.sections {
		if s.block == b && !s.gone() {
			out = append(out, s)
		}
	}
	return out
}

// names returns where the names of tables of a kind are.
func (c *converter) names(b config.Block) map[string]Pos {
	out := map[string]Pos{}
	for _, s := range c.sections(b) {
		if e := s.find("name"); e != nil {
			out[e.value] = s.pos
		}
	}
	return out
}

// present leaves out entries of a list whose names are not in the file.
func (c *converter) present(s *section, list string, names map[string]Pos) {
	e := s.find(list)
	if e == nil {
		return
	}
	for i := range e.elems {
		el := &e.elems[i]
		name, _, _ := strings.Cut(el.text, " ")
		pos, ok := names[tomlString(name)]
		if el.value == "" || el.dropped {
			continue
		}
		if !ok {
			el.dropped = true
			c.add(Changed, el.pos, s.join(list), "%s is not in this file and is left out, as keepalived does", quote(name))
		} else if list != "group" && pos.File == el.pos.File && pos.Line > el.pos.Line && el.pos.Used == 0 {
			c.add(Changed, el.pos, s.join(list), "%s comes later in the file, so keepalived does not find it here; hakeep does", quote(name))
		}
	}
	if e.empty() {
		c.removeEntry(e)
	}
}

// isIPv6 reports whether the text of an address is of IPv6.
func isIPv6(text string) bool {
	word, _, _ := strings.Cut(text, " ")
	return strings.Contains(word, ":")
}

func (c *converter) settleInstance(s *section, version int) {
	v6 := s.find("native_ipv6") != nil
	if e := s.find("virtual_ipaddress"); e != nil {
		v6 = c.oneFamily(s, e, v6)
	}
	if e := s.find("version"); e != nil {
		if v6 && e.value == "2" {
			c.add(Changed, e.pos, s.join("version"), "IPv6 needs version 3, which is used, as keepalived does")
			s.remove("version")
		} else if e.value == "3" {
			version = 3
		} else {
			version = 2
		}
	}
	if v6 {
		version = 3
	}
	if version == 3 {
		if e := s.find(string(config.BlockAuth)); e != nil {
			c.add(Changed, e.pos, s.join(string(config.BlockAuth)), "exists in version 2 only, so it is left out, as keepalived does")
			c.removeEntry(e)
		}
	}
	c.advertInt(s, version)
	c.ownInterface(s)
}

// ownInterface leaves an instance's own interface out of its track_interface, as
// keepalived does: it is tracked in any case, or by dont_track_primary in none, and
// a weight for it never counts.
func (c *converter) ownInterface(s *section) {
	e, own := s.find("track_interface"), s.find("interface")
	if e == nil || own == nil {
		return
	}
	for i := range e.elems {
		el := &e.elems[i]
		name, rest, _ := strings.Cut(el.text, " ")
		if el.value == "" || tomlString(name) != own.value {
			continue
		}
		el.dropped = true
		if rest == "" && s.find("dont_track_primary") == nil {
			c.add(Note, el.pos, s.join(e.key), "%s is the instance's own interface, which is tracked in any case", quote(name))
		} else {
			c.add(Changed, el.pos, s.join(e.key), "%s is the instance's own interface and is left out, with its weight, as keepalived does", quote(name))
		}
	}
	if e.empty() {
		c.removeEntry(e)
	}
}

// oneFamily leaves out virtual addresses of another family than the first one.
func (c *converter) oneFamily(s *section, e *entry, v6 bool) bool {
	first := true
	for i := range e.elems {
		el := &e.elems[i]
		if el.value == "" {
			continue
		}
		if first && !v6 {
			v6 = isIPv6(el.text)
		}
		first = false
		if isIPv6(el.text) != v6 {
			el.dropped = true
			c.add(Changed, el.pos, s.join(e.key), "%s is not of the family of the instance and is left out, as keepalived does", quote(el.text))
		}
	}
	if e.empty() {
		c.removeEntry(e)
	}
	return v6
}

// advertInt fits the interval to the version, as keepalived does.
func (c *converter) advertInt(s *section, version int) {
	e := s.find("advert_int")
	if e == nil {
		return
	}
	d, err := time.ParseDuration(strings.Trim(e.value, `"`))
	if err != nil {
		return
	}
	fit := d
	if version == 2 {
		fit = max(d.Round(time.Second), time.Second)
	} else {
		fit = min(d, 40950*time.Millisecond) // RFC 9568, 5.2.7: 12 bits of centiseconds
	}
	if fit != d {
		c.add(Changed, e.pos, s.join("advert_int"), "%s is not possible in version %d, so it is %s, as in keepalived", formatDuration(d), version, formatDuration(fit))
		e.value = tomlString(formatDuration(fit))
	}
}

// isCommand reports whether an entry says what is run.
func (c *converter) isCommand(s *section, e *entry) bool {
	k := c.rows[s.block][e.key]
	return k != nil && (k.Kind == config.KindCommand || k.Kind == config.KindBoolOrCommand) && k.Name != "process" && e.value != "true"
}

// scripts reports whether programs are run, and under keepalived's script
// security.
func (c *converter) scripts() (any, security bool) {
	for _, s := range append([]*section{c.doc.global}, c.doc.sections...) {
		any = any || slices.ContainsFunc(s.entries, func(e *entry) bool { return c.isCommand(s, e) })
	}
	e := c.doc.global.find("enable_script_security")
	return any, e != nil && e.value == "true"
}

// users names the commands that keepalived would have run as root.
func (c *converter) users() {
	if c.doc.global.find("script_user") != nil {
		return
	}
	for _, s := range append([]*section{c.doc.global}, c.doc.sections...) {
		if s.gone() || s.find("user") != nil && (s.block == config.BlockScript || s.block == config.BlockMiscCheck) {
			continue
		}
		for _, e := range s.entries {
			if !c.isCommand(s, e) || strings.HasPrefix(e.value, "{") {
				continue
			}
			c.addOwn(Changed, e.pos, s.join(e.key), "%s runs as %s; keepalived runs it as keepalived_script, or as root if there is no such user (script_user)",
				printable(strings.Trim(e.value, `"`)), config.DefaultScriptUser)
		}
	}
}

// programs reports the checks whose program is not there: an instance that tracks one
// is in FAULT, or has less priority, where it was not with keepalived.
func (c *converter) programs(cfg *config.Config, lookup func(string) error) {
	places := map[string]Pos{}
	for _, s := range c.sections(config.BlockScript) {
		if name, script := s.find("name"), s.find("script"); name != nil && script != nil {
			places[name.value] = script.pos
		}
	}
	for i := range cfg.Scripts {
		script := &cfg.Scripts[i]
		if script.Command.IsZero() {
			continue
		}
		if err := lookup(script.Command.Argv[0]); err != nil {
			c.addOwn(Changed, places[tomlString(script.Name)], string(config.BlockScript)+"."+script.Name+".script",
				"cannot be run on this host (%v): keepalived leaves the script out, hakeep counts it as failed", err)
		}
	}
}
