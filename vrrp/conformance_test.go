package vrrp

import (
	"bytes"
	stdflag "flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = stdflag.Bool("update", false, "write docs/conformance.md")

// row is one requirement of a specification.
type row struct {
	section string
	level   string // the keyword of RFC 2119, or rule
	text    string // what is required, in our own words
	fate    fate
	tests   string // names; those of other packages as "dir.TestName"
	remark  string // why not, or under which condition
}

// rule is the level of what is said without a keyword.
const rule = "rule"

var levels = []string{"MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "RECOMMENDED", "NOT RECOMMENDED", "MAY", rule}

// fate is what became of a requirement.
type fate uint8

const (
	met           fate = iota + 1
	differs            // deliberately not, for the reason in remark
	operator           // for those who configure and run it
	notApplicable      // there is nothing it could be about
)

func (f fate) String() string {
	return [...]string{met: "yes", differs: "deliberately not", operator: "operator", notApplicable: "not applicable"}[f]
}

// TestConformance checks the tables and that docs/conformance.md is up to date.
func TestConformance(t *testing.T) {
	t.Parallel()
	existing := testNames(t)
	places := map[string][]string{} // of a test: where it is named
	for rfc, rows := range map[string][]row{"RFC9568": rfc9568, "RFC3768": rfc3768} {
		for _, r := range rows {
			if err := checkRow(&r, existing); err != nil {
				t.Errorf("%s, %s: %q: %v", rfc, r.section, r.text, err)
			}
			for _, name := range strings.Fields(r.tests) {
				places[name] = append(places[name], rfc+" "+r.section)
			}
		}
	}
	for name := range existing {
		section, ok := sectionOf(name)
		if ok && !slices.ContainsFunc(places[name], func(p string) bool { return strings.HasPrefix(p, section) }) {
			t.Errorf("%s is not named for %s", name, section)
		}
	}
	const file = "../docs/conformance.md"
	want := document()
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the tables say; run go test ./vrrp -run TestConformance -update (-want +got):\n%s",
			file, cmp.Diff(string(want), string(got)))
	}
}

// checkRow says what is wrong with one row.
func checkRow(r *row, existing map[string]bool) error {
	names := strings.Fields(r.tests)
	switch {
	case !slices.Contains(levels, r.level):
		return fmt.Errorf("level %q", r.level)
	case r.fate == met && len(names) == 0:
		return fmt.Errorf("no test")
	case r.fate != met && r.remark == "":
		return fmt.Errorf("no reason")
	}
	for _, name := range names {
		if !existing[name] {
			return fmt.Errorf("there is no test %s", name)
		}
	}
	return nil
}

// sectionOf turns TestRFC9568_5_1_1_3_TTL into RFC9568 5.1.1.3.
func sectionOf(test string) (string, bool) {
	words := strings.Split(strings.TrimPrefix(test, "Test"), "_")
	if !strings.HasPrefix(words[0], "RFC") || len(words) < 3 {
		return "", false
	}
	return words[0] + " " + strings.Join(words[1:len(words)-1], "."), true
}

// testNames are the tests of this package, and those of the packages that the
// tables name as "dir.TestName".
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	dirs := map[string]bool{"": true}
	for _, r := range slices.Concat(rfc9568, rfc3768) {
		for _, name := range strings.Fields(r.tests) {
			if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
				dirs[name[:dot]] = true
			}
		}
	}
	for dir := range dirs {
		path, prefix := ".", ""
		if dir != "" {
			path, prefix = filepath.Join("..", dir), dir+"."
		}
		files, err := filepath.Glob(filepath.Join(path, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range tree.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
					names[prefix+f.Name.Name] = true
				}
			}
		}
	}
	return names
}

// document is docs/conformance.md.
func document() []byte {
	var b bytes.Buffer
	b.WriteString(`# Conformance

<!-- Generated from vrrp/conformance_rows_test.go and vrrp/conformance_rows_v2_test.go by
go test ./vrrp -run TestConformance -update. Change it there. -->

Every sentence of the VRRP specifications that demands, advises or allows something, in our own
words, and what hakeep makes of it. "rule" is what is said without a keyword of RFC 2119. Tests
are those of the package vrrp, unless a directory stands before the name. "Deliberately not" has
its reason beside it.

`)
	for _, part := range []struct {
		title string
		rows  []row
	}{
		{"RFC 9568 (version 3), with the verified errata 7947, 7949 and 8298 to 8301", rfc9568},
		{"RFC 3768 (version 2)", rfc3768},
	} {
		fmt.Fprintf(&b, "## %s\n\n", part.title)
		writeCounts(&b, part.rows)
		b.WriteString("| Section | Level | Requirement | hakeep | Tests |\n|---|---|---|---|---|\n")
		for _, r := range part.rows {
			fate := r.fate.String()
			if r.remark != "" {
				fate += ": " + r.remark
			}
			tests := strings.Join(strings.Fields(r.tests), "<br>")
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.section, r.level, r.text, fate, tests)
		}
		b.WriteByte('\n')
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// writeCounts writes how many requirements of each level have which fate.
func writeCounts(b *bytes.Buffer, rows []row) {
	counts := map[string]map[fate]int{}
	tests := map[string]bool{}
	for _, r := range rows {
		if counts[r.level] == nil {
			counts[r.level] = map[fate]int{}
		}
		counts[r.level][r.fate]++
		for _, name := range strings.Fields(r.tests) {
			tests[name] = true
		}
	}
	b.WriteString("| Level | Requirements | yes | deliberately not | operator | not applicable |\n|---|---|---|---|---|---|\n")
	sum := map[fate]int{}
	line := func(level string, c map[fate]int) {
		all := 0
		for _, n := range c {
			all += n
		}
		fmt.Fprintf(b, "| %s | %d | %d | %d | %d | %d |\n", level, all, c[met], c[differs], c[operator], c[notApplicable])
	}
	for _, level := range levels {
		if c := counts[level]; c != nil {
			line(level, c)
			for f := range maps.Keys(c) {
				sum[f] += c[f]
			}
		}
	}
	line("all", sum)
	fmt.Fprintf(b, "\nShown by %d tests.\n\n", len(tests))
}
