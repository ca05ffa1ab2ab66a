package manual

import (
	"strings"
	"time"

	"hakeep/internal/config"
)

// FilePage is the man page hakeep.toml(5).
func FilePage(version string, date time.Time) []byte {
	p := &page{}
	p.macro("TH", "HAKEEP.TOML", "5", date.UTC().Format("2006-01-02"), "hakeep "+version, "hakeep")
	p.macro("SH", "NAME")
	p.text(`hakeep.toml \- configuration of hakeep`)
	p.macro("SH", "DESCRIPTION")
	for i, s := range introduction() {
		if i > 0 {
			p.macro("PP")
		}
		p.text(escape(s))
	}
	p.macro("PP")
	p.macro("nf")
	for line := range strings.Lines(example) {
		p.text(escape(strings.TrimRight(line, "\n")))
	}
	p.macro("fi")
	p.macro("SH", "RELOAD")
	p.text(escape("What a reload does with a changed value is said with each key:"))
	for _, r := range reloads() {
		p.macro("TP")
		p.text(`\fI` + escape(r[0]) + `\fR`)
		p.text(escape(r[1]))
	}
	for _, s := range sections(config.Keywords()) {
		p.section(&s)
	}
	p.macro("SH", "FILES")
	p.macro("TP")
	p.text(escape("/etc/hakeep.toml"))
	p.text(escape("The configuration unless --config names another file. It holds passwords: only root should read it."))
	p.macro("SH", "SEE ALSO")
	p.text(`\fBhakeep\fR(8), \fBhakeep\-check\fR(8), \fBhakeep\-reload\fR(8)`)
	return []byte(p.b.String())
}

// page is a man page in the making.
type page struct{ b strings.Builder }

func (p *page) macro(name string, args ...string) {
	p.b.WriteString("." + name)
	for _, a := range args {
		p.b.WriteString(` "` + strings.ReplaceAll(escape(a), `"`, `\(dq`) + `"`)
	}
	p.b.WriteByte('\n')
}

// text writes a line that is roff already.
func (p *page) text(s string) {
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	p.b.WriteString(s + "\n")
}

func (p *page) section(s *section) {
	p.macro("SH", s.title)
	if s.intro != "" {
		p.text(escape(s.intro))
	}
	for _, k := range s.done {
		p.keyword(k)
	}
	for _, g := range s.other {
		p.macro("TP")
		p.text(`\fI` + escape(g.fate.String()) + `\fR: ` + escape(g.reason))
		p.text(escape(strings.Join(g.names, ", ")))
	}
}

func (p *page) keyword(k config.Keyword) {
	p.macro("TP")
	p.text(`\fB` + escape(k.Name) + `\fR (` + escape(describe(k)) + ")")
	p.text(escape(k.Doc))
	def, _ := initial(k)
	if k.Required {
		p.text(escape("Required."))
	} else {
		p.text(escape("Default: " + def + "."))
	}
	if k.Departure != "" {
		p.text(escape("(" + upper(k.Departure) + ".)"))
	}
	if ours(k) {
		p.text(escape("(Not a keyword of keepalived's.)"))
	}
	p.text(`Reload: \fI` + escape(reload(k.Reload)) + `\fR.`)
}

// escape makes a text roff: what roff would take for markup, and the dashes
// that would be typeset as hyphens.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "^", `\(ha`, "~", `\(ti`).Replace(s)
}
