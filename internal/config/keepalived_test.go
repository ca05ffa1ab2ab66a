package config

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestKeepalivedKeywords: every keyword of keepalived's is in the table, in its
// block, whatever its fate; and every row that is not refused and says that it is
// keepalived's is on keepalived's list.
func TestKeepalivedKeywords(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/keepalived-keywords.txt")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, k := range Keywords() {
		rows[string(k.Block)+"/"+k.Name] = true
	}
	listed := map[string]bool{}
	block := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] != ' ' {
			block, line, _ = strings.Cut(line, ":")
		}
		for _, word := range strings.Fields(line) {
			name := word
			if _, other, ok := strings.Cut(word, "="); ok {
				name = other
			}
			id := block + "/" + name
			listed[id] = true
			if common := string(Block(block).Common()) + "/" + name; !rows[id] && rows[common] {
				id, listed[common] = common, true
			}
			if !rows[id] {
				t.Errorf("keepalived's %s of %q has no row in the keyword table", word, block)
			}
		}
	}
	if len(listed) < 500 {
		t.Errorf("only %d keywords are listed", len(listed))
	}
	// These stand at keepalived's top level.
	moved := []string{"global_defs/instance", "global_defs/net_namespace", "global_defs/net_namespace_ipvs", "global_defs/use_pid_dir"}
	for _, k := range Keywords() {
		id := string(k.Block) + "/" + k.Name
		if k.Source == sourceKeepalived && k.Fate != Refused && !listed[id] && !slices.Contains(moved, id) {
			t.Errorf("%s is said to be keepalived's, but is not on its list", id)
		}
	}
}
