// Package docs holds the manual against the program: what a table lists has to
// be all that there is.
package docs

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hakeep/internal/status"
	"hakeep/vrrp"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section is the text below a heading, up to the next one.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n"+heading+"\n")
	if !ok {
		t.Fatalf("no heading %q", heading)
	}
	if end := regexp.MustCompile(`(?m)^#+ `).FindStringIndex(rest); end != nil {
		rest = rest[:end[0]]
	}
	return rest
}

// firstCells lists the words in code in the first column of a section's tables.
func firstCells(text string) []string {
	var words []string
	for _, row := range regexp.MustCompile(`(?m)^\| (`+"`"+`[^|]*)\|`).FindAllStringSubmatch(text, -1) {
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			words = append(words, m[1])
		}
	}
	return words
}

// compare reports what is in the program but not in the manual, and the other
// way round.
func compare(t *testing.T, what string, program, manual []string) {
	t.Helper()
	for _, w := range program {
		if !slices.Contains(manual, w) {
			t.Errorf("%s: operation.md does not name %q", what, w)
		}
	}
	for i, w := range manual {
		if !slices.Contains(program, w) {
			t.Errorf("%s: there is no %q any more", what, w)
		}
		if slices.Contains(manual[:i], w) {
			t.Errorf("%s: %q is there twice", what, w)
		}
	}
}

// fields lists the JSON fields of a type by their paths.
func fields(typ reflect.Type, path string) []string {
	switch {
	case typ == reflect.TypeFor[time.Time]() || typ.PkgPath() == "net/netip":
		return []string{path}
	case typ.Kind() == reflect.Pointer:
		return fields(typ.Elem(), path)
	case typ.Kind() == reflect.Slice:
		return fields(typ.Elem(), path+"[]")
	case typ.Kind() != reflect.Struct:
		return []string{path}
	}
	var out []string
	for i := range typ.NumField() {
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		if path != "" {
			name = path + "." + name
		}
		out = append(out, fields(typ.Field(i).Type, name)...)
	}
	return out
}

// TestStatusFields: operation.md names every field of `hakeep status --json`.
func TestStatusFields(t *testing.T) {
	t.Parallel()
	listed := firstCells(section(t, read(t, "operation.md"), "## Status"))
	// Objects that may be absent have rows of their own.
	listed = slices.DeleteFunc(listed, func(s string) bool { return s == "daemon.last_reload" || s == "daemon.last_reload.problems[]" })
	compare(t, "fields", fields(reflect.TypeFor[status.Document](), ""), listed)
}

// TestWords: operation.md explains every word that status, events and metrics
// use for reasons.
func TestWords(t *testing.T) {
	t.Parallel()
	manual := read(t, "operation.md")
	var causes, faults, reasons []string
	for c := vrrp.CauseStartup; c.String() != "unknown"; c++ {
		causes = append(causes, c.String())
	}
	faults = (^vrrp.Faults(0)).Names()
	for r := vrrp.ReasonNone + 1; r < vrrp.NumReasons; r++ {
		reasons = append(reasons, r.String())
	}
	compare(t, "causes", causes, firstCells(section(t, manual, "### Why a state changed")))
	compare(t, "faults", faults, firstCells(section(t, manual, "### What keeps an instance in FAULT")))
	packets := section(t, manual, "### What is wrong with a packet")
	compare(t, "reasons", reasons, firstCells(packets))
	discarded, odd, _ := strings.Cut(packets, "Accepted but odd")
	for r := vrrp.ReasonNone + 1; r < vrrp.NumReasons; r++ {
		where := odd
		if r.Discards() {
			where = discarded
		}
		if !slices.Contains(firstCells(where), r.String()) {
			t.Errorf("%v is among the wrong ones: discarded %v", r, r.Discards())
		}
	}
}

// TestUnitIsDescribed: what operation.md says of the unit is in it.
func TestUnitIsDescribed(t *testing.T) {
	t.Parallel()
	unit := read(t, "../packaging/hakeep.service")
	text := section(t, read(t, "operation.md"), "## systemd")
	for _, m := range regexp.MustCompile(`\*\*(\w+=\S+?)\*\*`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(unit, "\n"+m[1]+"\n") {
			t.Errorf("the unit has no %s", m[1])
		}
	}
	caps := regexp.MustCompile(`(?m)^CapabilityBoundingSet=(.*)$`).FindStringSubmatch(unit)
	for _, c := range strings.Fields(caps[1]) {
		if !strings.Contains(text, c) {
			t.Errorf("operation.md does not say what %s is for", c)
		}
	}
}

// TestLinks: what the manual links to is there.
func TestLinks(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(read(t, page), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}
