package manual

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakeep/internal/config"
)

// TestCompatibility: docs/compatibility.md is what the keyword table says, every
// keyword that is done names tests that show it, and these tests exist.
func TestCompatibility(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, k := range config.Keywords() {
		key, tests := proof(k)
		used[key] = true
		if k.Fate == config.Done && tests == "" {
			t.Errorf("%s/%s is done, but no test is named that shows it: add one to proofs", k.Block, k.Name)
		}
	}
	names := map[string]bool{}
	for key, tests := range proofs {
		if !used[key] {
			t.Errorf("proofs has %q, which is no keyword that is done", key)
		}
		for _, name := range strings.Fields(tests) {
			names[name] = name != "-"
		}
	}
	for _, name := range strings.Fields(readers) {
		names[name] = true
	}
	existing := map[string]map[string]bool{}
	for name, is := range names {
		dir, test, _ := strings.Cut(name, ".")
		if existing[dir] == nil && is {
			existing[dir] = testsIn(t, dir)
		}
		if is && !existing[dir][test] {
			t.Errorf("there is no test %s", name)
		}
	}
	path := filepath.Join("..", "..", "..", "docs", "compatibility.md")
	got := compatibility()
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

// proof finds the tests of a keyword that is done, and under which key.
func proof(k config.Keyword) (key, tests string) {
	if k.Fate != config.Done {
		return "", ""
	}
	key = string(k.Block) + "/" + k.Name
	if tests, ok := proofs[key]; ok {
		return key, tests
	}
	return string(k.Block), proofs[string(k.Block)]
}

// testsIn are the names of the tests in a directory of the repository.
func testsIn(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "..", dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range tree.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}

// compatibility is docs/compatibility.md.
func compatibility() []byte {
	var b bytes.Buffer
	b.WriteString(`# Compatibility with keepalived

<!-- Generated from the keyword table in internal/config and the tests named in
cmd/hakeep/manual/compat_rows_test.go by go test ./cmd/hakeep/manual -update.
Change it there. -->

Every keyword of keepalived's, by the block that it stands in, and what becomes of
it here:

- **done**: it means what it means to keepalived, except for a departure that is named.
- **accepted, no effect**: ` + "`hakeep check`" + ` and the log warn; the reason is beside it.
- **refused**: an error that says why; "not yet" is meant literally.

The tests that show a keyword are named by their directory. Besides, for every
keyword that is done ` + "`internal/config.TestKeywords`" + ` shows how it is read, and
` + "`internal/daemon.TestEveryFieldHasAnEffect`" + ` that what was read is not forgotten on the
way to the parts that act on it. The types and ranges of the values are in
[configuration.md](configuration.md).

`)
	table := config.Keywords()
	counts(&b, table)
	for _, s := range sections(table) {
		title := s.title
		if s.block != config.BlockRoot && !strings.HasPrefix(title, "Entries of ") {
			title = "`" + title + "`"
		}
		fmt.Fprintf(&b, "## %s\n\n| keyword | fate | default | departure | shown by |\n|---|---|---|---|---|\n", title)
		for _, k := range table {
			if k.Block == s.block {
				compatibilityRow(&b, k)
			}
		}
		b.WriteByte('\n')
	}
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n')
}

// counts says how many keywords have which fate.
func counts(b *bytes.Buffer, table []config.Keyword) {
	number := map[config.Fate]int{}
	own := 0
	for _, k := range table {
		if ours(k) {
			own++
			continue
		}
		number[k.Fate]++
	}
	fmt.Fprintf(b, "Of %d keywords and arguments of keepalived's %d are done, %d accepted without effect and %d refused. "+
		"%d more are hakeep's own.\n\n", len(table)-own, number[config.Done], number[config.Warned], number[config.Refused], own)
}

func compatibilityRow(b *bytes.Buffer, k config.Keyword) {
	fate := k.Fate.String()
	if k.Reason != "" {
		fate += ": " + k.Reason
	}
	if ours(k) {
		fate += "; hakeep's own"
	}
	def, isValue := initial(k)
	if k.Fate != config.Done {
		def, isValue = "", false
	}
	if def = cell(def); isValue {
		def = "`" + def + "`"
	}
	_, tests := proof(k)
	names := strings.Fields(tests)
	names = slices.DeleteFunc(names, func(n string) bool { return n == "-" })
	fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", k.Name, cell(fate), def, cell(k.Departure), strings.Join(names, "<br>"))
}
