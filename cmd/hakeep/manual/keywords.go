package manual

import (
	"slices"
	"strings"

	"hakeep/internal/config"
)

// section is one place of the configuration with its keywords.
type section struct {
	block config.Block
	// title is how the place is written in the file.
	title string
	// intro says what it is.
	intro string
	done  []config.Keyword
	// other are keywords that have no effect or are refused, by reason.
	other []group
}

// group is keywords of one fate for one reason.
type group struct {
	fate   config.Fate
	reason string
	names  []string
}

// sections orders the keyword table for readers: what can be written first, in
// the order of the table.
func sections(table []config.Keyword) []section {
	titles := map[config.Block]config.Keyword{}
	entries := map[config.Block][]string{}
	for _, k := range table {
		if k.Block == config.BlockRoot {
			titles[config.Block(k.Name)] = k
		}
		if k.Kind == config.KindTables && k.Entries != "" && strings.HasPrefix(k.Example, "[") && strings.HasSuffix(strings.TrimRight(k.Example, "]"), "."+string(k.Entries)) {
			titles[k.Entries] = k // a table within another one
			continue
		}
		if k.Entries != "" && !slices.Contains(entries[k.Entries], k.Name) {
			entries[k.Entries] = append(entries[k.Entries], k.Name)
		}
	}
	var out []section
	for _, k := range table {
		i := slices.IndexFunc(out, func(s section) bool { return s.block == k.Block })
		if i < 0 {
			i = len(out)
			out = append(out, newSection(k.Block, titles[k.Block], entries[k.Block]))
		}
		s := &out[i]
		if k.Fate == config.Done {
			s.done = append(s.done, k)
			continue
		}
		j := slices.IndexFunc(s.other, func(g group) bool { return g.fate == k.Fate && g.reason == k.Reason })
		if j < 0 {
			j = len(s.other)
			s.other = append(s.other, group{fate: k.Fate, reason: k.Reason})
		}
		s.other[j].names = append(s.other[j].names, k.Name)
	}
	return out
}

func newSection(b config.Block, k config.Keyword, partsOf []string) section {
	s := section{block: b, title: "[" + string(b) + "]", intro: k.Doc}
	switch {
	case b == config.BlockRoot:
		s.title, s.intro = "Top level", "The tables that the file consists of."
	case b == config.BlockChecker:
		s.title, s.intro = "Every checker", "Keywords that all checkers have. What a checker does not say comes from its real server, else from the virtual server, else from the kind of checker."
	case b == config.BlockURL:
		s.title, s.intro = "url of HTTP_GET and SSL_GET", "One page; a table, or several in a list."
	case k.Kind == config.KindTables && k.Block != config.BlockRoot:
		s.title = k.Example
	case len(partsOf) > 0:
		s.title = "Entries of " + strings.Join(partsOf, ", ")
		if len(partsOf) == 1 && partsOf[0] == string(b) {
			s.title = "[" + string(b) + "], a table within"
		}
		s.intro = "The named parts of an entry that is written as a table. In a line of text they are the words of keepalived."
	case k.Kind == config.KindTables:
		s.title = "[[" + string(b) + "]]"
	}
	return s
}

// describe is the type of a keyword with what is allowed.
func describe(k config.Keyword) string {
	s := k.Kind.String()
	if a := k.Allowed(); a != "" {
		s += ": " + a
	}
	return s
}

// initial is the value of a keyword that is not written, and whether it is one
// in TOML notation.
func initial(k config.Keyword) (text string, value bool) {
	switch {
	case k.Required:
		return "required", false
	case k.Default == "":
		return "none", false
	case strings.HasPrefix(k.Default, "<"):
		return strings.Trim(k.Default, "<>"), false
	}
	return k.Default, true
}

// reload says what a reload does with a change of a keyword.
func reload(r config.Reload) string {
	switch r {
	case config.ReloadInPlace:
		return "in place"
	case config.ReloadRecreate:
		return "leave and restart"
	case config.ReloadRestart:
		return "daemon restart"
	}
	return r.String()
}

// reloads explains the words of reload, in order.
func reloads() [][2]string {
	return [][2]string{
		{reload(config.ReloadInPlace), "The instance keeps its state, timers and counters; no advert is missed."},
		{reload(config.ReloadRecreate), "The value is part of what the instance is on the wire. The old instance leaves in order: a master says so with priority 0 and removes its addresses. A new one begins as at the start of the daemon."},
		{reload(config.ReloadRestart), "Takes effect when the daemon is started again; the reload succeeds and says so."},
	}
}

// ours says that a keyword does not come from keepalived.
func ours(k config.Keyword) bool { return !strings.HasPrefix(k.Source, "keepalived") }
