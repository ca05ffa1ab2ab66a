package manual

import (
	"fmt"
	"strings"

	"hakeep/internal/config"
)

// Configuration is docs/configuration.md.
func Configuration() []byte {
	var b strings.Builder
	b.WriteString(`# Configuration

<!-- Generated from the keyword table in internal/config by
go test ./cmd/hakeep/manual -update. Change it there. -->

`)
	for _, p := range introduction() {
		b.WriteString(p + "\n\n")
	}
	b.WriteString("```toml\n" + example + "```\n\n")
	b.WriteString("A complete file with every key, commented out, is\n[reference.toml](../internal/config/reference.toml); the same text as a man page is hakeep.toml(5).\n\n")
	b.WriteString("## What a reload does with a change\n\n| reload | meaning |\n|---|---|\n")
	for _, r := range reloads() {
		fmt.Fprintf(&b, "| %s | %s |\n", r[0], r[1])
	}
	b.WriteString("\nA virtual address that moves from one instance to another, an instance with another name, and peers\nthat come and go are no reasons to leave: an instance is known by family, VRID and interface first.\n\n")
	for _, s := range sections(config.Keywords()) {
		markdownSection(&b, &s)
	}
	return []byte(strings.TrimRight(b.String(), "\n") + "\n")
}

func markdownSection(b *strings.Builder, s *section) {
	title := s.title
	if s.block != config.BlockRoot {
		title = "`" + title + "`"
		if strings.HasPrefix(s.title, "Entries of ") {
			title = s.title
		}
	}
	fmt.Fprintf(b, "## %s\n\n", title)
	if s.intro != "" {
		fmt.Fprintf(b, "%s\n\n", s.intro)
	}
	if len(s.done) > 0 {
		b.WriteString("| key | type, allowed | default | reload | meaning |\n|---|---|---|---|---|\n")
		for _, k := range s.done {
			markdownRow(b, k)
		}
		b.WriteByte('\n')
	}
	if len(s.other) == 0 {
		return
	}
	b.WriteString("| not available | fate | why |\n|---|---|---|\n")
	for _, g := range s.other {
		names := make([]string, len(g.names))
		for i, n := range g.names {
			names[i] = "`" + n + "`"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", strings.Join(names, ", "), g.fate, cell(g.reason))
	}
	b.WriteByte('\n')
}

func markdownRow(b *strings.Builder, k config.Keyword) {
	def, isValue := initial(k)
	if def = cell(def); isValue {
		def = "`" + def + "`"
	}
	meaning := k.Doc
	if k.Departure != "" {
		meaning += " *" + upper(k.Departure) + ".*"
	}
	if ours(k) {
		meaning += " *Not a keyword of keepalived's.*"
	}
	if k.Example != "" && !isValue && k.Example[0] != '[' {
		meaning += " Example: `" + k.Example + "`."
	}
	fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", k.Name, cell(describe(k)), def, reload(k.Reload), cell(meaning))
}

// cell makes a text fit into a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// upper begins a text with a capital letter, except where it is keepalived's
// name.
func upper(s string) string {
	if strings.HasPrefix(s, "keepalived") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// introduction is what to know before the first key, for both formats.
func introduction() []string {
	return []string{
		"hakeep reads one file, /etc/hakeep.toml unless --config names another, in TOML. A key has the name of keepalived's keyword wherever keepalived has one: what is written about that keyword elsewhere holds here too.",
		"A block is a table, a block that may be repeated an array of tables. A flag is true or false. A duration is a text with its unit, us, ms, s, m or h: \"100ms\". A list entry with several parts is keepalived's line as a text, or a table of named parts.",
		"The file is taken over as a whole or not at all. hakeep check prints everything that is wrong with it, each with its line. A keyword that hakeep does not know is an error; one of keepalived's that it cannot do yet is an error that says so (refused); one that has no meaning here is accepted with a warning (no effect).",
	}
}

const example = `[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
priority = 150
advert_int = "100ms"
virtual_ipaddress = ["192.0.2.10/24", { address = "198.51.100.10/24", dev = "eth1" }]
`
