package manual

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"hakeep/internal/config"
)

var update = flag.Bool("update", false, "rewrite docs/configuration.md")

func TestConfigurationIsCurrent(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "..", "docs", "configuration.md")
	got := Configuration()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is not current: run go test ./cmd/hakeep/manual -update (-file +table):\n%s", path, diff)
	}
}

// TestEveryKeyword: each key is in both manuals, in the section of its block,
// the done ones with their defaults and what a reload does.
func TestEveryKeyword(t *testing.T) {
	t.Parallel()
	markdown := split(string(Configuration()), regexp.MustCompile(`(?m)^## `))
	roff := split(string(FilePage("1.2.3", time.Unix(0, 0))), regexp.MustCompile(`(?m)^\.SH `))
	for _, s := range sections(config.Keywords()) {
		inMarkdown, inRoff := part(t, markdown, s.title), part(t, roff, escape(s.title))
		for _, k := range s.done {
			row := regexp.MustCompile(`(?m)^\| ` + "`" + regexp.QuoteMeta(k.Name) + "`" + ` .*$`).FindString(inMarkdown)
			def, _ := initial(k)
			for _, want := range []string{cell(describe(k)), cell(def), "| " + reload(k.Reload) + " |", cell(k.Doc)} {
				if !strings.Contains(row, want) {
					t.Errorf("configuration.md, %s: %s does not say %q: %s", s.title, k.Name, want, row)
				}
			}
			if k.Doc == "" {
				t.Errorf("%s/%s is done but nothing says what it means", s.block, k.Name)
			}
			if !strings.Contains(inRoff, `\fB`+escape(k.Name)+`\fR (`) {
				t.Errorf("hakeep.toml.5, %s: %s is missing", s.title, k.Name)
			}
		}
		for _, g := range s.other {
			for _, name := range g.names {
				if !strings.Contains(inMarkdown, "`"+name+"`") || !strings.Contains(inRoff, escape(name)) {
					t.Errorf("%s: %s (%v) is missing", s.title, name, g.fate)
				}
			}
		}
	}
}

// split cuts a text into its sections.
func split(text string, heading *regexp.Regexp) []string { return heading.Split(text, -1) }

// part is the section with a title.
func part(t *testing.T, parts []string, title string) string {
	t.Helper()
	i := slices.IndexFunc(parts, func(p string) bool {
		head, _, _ := strings.Cut(p, "\n")
		return strings.Trim(head, "`\"") == title
	})
	if i < 0 {
		t.Fatalf("no section %q", title)
	}
	return parts[i]
}

// TestRoffIsPlain: nothing in the page is a request that we did not write, and
// every backslash begins an escape that we use.
func TestRoffIsPlain(t *testing.T) {
	t.Parallel()
	page := string(FilePage("1.2.3", time.Unix(0, 0)))
	request := regexp.MustCompile(`^\.(TH|SH|PP|TP|nf|fi)( |$)`)
	odd := regexp.MustCompile(`\\([^-e&f(]|\([^dht]|f[^BIR])`)
	for i, line := range strings.Split(page, "\n") {
		if (strings.HasPrefix(line, ".") && !request.MatchString(line)) || strings.HasPrefix(line, "'") || odd.MatchString(line) {
			t.Errorf("line %d: %s", i+1, line)
		}
	}
	if m := regexp.MustCompile(`[^\x00-\x7f]`).FindString(page); m != "" {
		t.Errorf("%q is not ASCII, which not every roff reads", m)
	}
}

func TestSections(t *testing.T) {
	t.Parallel()
	k := func(b config.Block, name string, fate config.Fate, reason string) config.Keyword {
		return config.Keyword{Block: b, Name: name, Fate: fate, Reason: reason, Kind: config.KindBool, Reload: config.ReloadInPlace}
	}
	many := k("", "vrrp_instance", config.Done, "")
	many.Kind, many.Doc = config.KindTables, "One virtual router."
	parts := k("vrrp_instance", "unicast_peer", config.Done, "")
	parts.Entries = "unicast_peer entry"
	got := sections([]config.Keyword{
		many, parts,
		k("vrrp_instance", "a", config.Refused, "not yet: x"), k("vrrp_instance", "b", config.Warned, "y"), k("vrrp_instance", "c", config.Refused, "not yet: x"),
		k("unicast_peer entry", "address", config.Done, ""),
	})
	type flat struct {
		Title, Intro string
		Done, Other  []string
	}
	var flats []flat
	for _, s := range got {
		f := flat{Title: s.title, Intro: s.intro}
		for _, k := range s.done {
			f.Done = append(f.Done, k.Name)
		}
		for _, g := range s.other {
			f.Other = append(f.Other, g.fate.String()+", "+g.reason+": "+strings.Join(g.names, " "))
		}
		flats = append(flats, f)
	}
	want := []flat{
		{Title: "Top level", Intro: "The tables that the file consists of.", Done: []string{"vrrp_instance"}},
		{Title: "[[vrrp_instance]]", Intro: "One virtual router.", Done: []string{"unicast_peer"},
			Other: []string{"refused, not yet: x: a c", "accepted, no effect, y: b"}},
		{Title: "Entries of unicast_peer", Intro: "The named parts of an entry that is written as a table. In a line of text they are the words of keepalived.", Done: []string{"address"}},
	}
	if diff := cmp.Diff(want, flats); diff != "" {
		t.Error(diff)
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	root := &cobra.Command{Use: "hakeep", Short: "x", Run: func(*cobra.Command, []string) {}}
	visible := &cobra.Command{Use: "status", Short: "y", Long: "Exit codes: 0.", Run: root.Run}
	hidden := &cobra.Command{Use: "elector", Hidden: true, Run: root.Run}
	root.AddCommand(visible, hidden)
	dir := t.TempDir()
	if err := Write(dir, root, "1.2.3", time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(dir, path)
			got = append(got, name)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{"bash/hakeep", "fish/hakeep.fish", "man5/hakeep.toml.5", "man8/hakeep-status.8", "man8/hakeep.8", "zsh/_hakeep"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	page, err := os.ReadFile(filepath.Join(dir, "man8", "hakeep-status.8"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{`.TH "HAKEEP-STATUS" "8" "Nov 2026" "hakeep 1.2.3"`, "Exit codes: 0.", `\fBhakeep.toml(5)\fP`} {
		if !strings.Contains(string(page), s) {
			t.Errorf("no %s in:\n%s", s, page)
		}
	}
}

func TestDate(t *testing.T) {
	t.Parallel()
	now := time.Unix(1800000000, 0)
	for epoch, want := range map[string]time.Time{"": now, "1700000000": time.Unix(1700000000, 0)} {
		if got, err := Date(epoch, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", epoch, got, err)
		}
	}
	if _, err := Date("yesterday", now); err == nil {
		t.Error("no error")
	}
}
