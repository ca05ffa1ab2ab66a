package config

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/BurntSushi/toml"
)

// uncomment turns "#key = value" and "#[table]" into what they say and leaves
// "# prose" alone. The number of lines stays the same.
func uncomment(text string) string {
	return regexp.MustCompile(`(?m)^#([a-z\[])`).ReplaceAllString(text, "$1")
}

func TestReferenceAsShipped(t *testing.T) {
	t.Parallel()
	cfg, problems := Parse("reference.toml", []byte(Reference()))
	if problems.HasErrors() || cfg == nil {
		t.Errorf("problems:\n%s", problems)
	}
}

func TestReferenceUncommented(t *testing.T) {
	t.Parallel()
	text := uncomment(Reference())
	cfg, problems := Parse("reference.toml", []byte(text))
	if len(problems) > 0 {
		t.Fatalf("problems:\n%s", problems)
	}
	if len(cfg.Instances) != 4 {
		t.Errorf("%d instances, want 4", len(cfg.Instances))
	}
	if odd := regexp.MustCompile(`(?m)^#[^ \n].*$`).FindString(text); odd != "" {
		t.Errorf("a line is neither prose nor a key: %s", odd)
	}
}

// TestReferenceComplete checks that the reference and the keyword table name
// the same keys and the same defaults.
func TestReferenceComplete(t *testing.T) {
	t.Parallel()
	var tree map[string]any
	if _, err := toml.Decode(uncomment(Reference()), &tree); err != nil {
		t.Fatal(err)
	}
	s := newSchema()
	seen := make(map[string][]any)
	collect(t, s, BlockRoot, tree, seen)
	for _, k := range s.rows {
		id := string(k.Block) + "/" + k.Name
		values, ok := seen[id]
		switch {
		case k.Fate != Done && ok:
			t.Errorf("%s is in the reference but %v", id, k.Fate)
		case k.Fate == Done && !ok:
			t.Errorf("%s is done but not in the reference", id)
		case k.Fate == Done && k.fixedDefault() && !contains(values, tomlValue(t, k.Default)):
			// The two words for one thing cannot both show their default.
			if k.Name != "nopreempt" {
				t.Errorf("%s: the reference shows %v, the default is %s", id, values, k.Default)
			}
		}
	}
}

func collect(t *testing.T, s *schema, b Block, table map[string]any, seen map[string][]any) {
	t.Helper()
	for key, v := range table {
		id := string(b) + "/" + key
		k := s.lookup(b, key)
		if k == nil {
			t.Errorf("%s is in the reference but not in the table", id)
			continue
		}
		// The keys of a block may be interfaces, and those of checkers are common.
		id = string(k.Block) + "/" + k.Name
		seen[id] = append(seen[id], v)
		below := k.Entries
		switch {
		case key == oldFile:
			below = BlockFile
		case below == "":
			below = Block(key)
		}
		switch v := v.(type) {
		case map[string]any:
			collect(t, s, below, v, seen)
		case []map[string]any:
			for _, e := range v {
				collect(t, s, below, e, seen)
			}
		case []any:
			for _, e := range v {
				if m, ok := e.(map[string]any); ok {
					collect(t, s, below, m, seen)
				}
			}
		}
	}
}

func tomlValue(t *testing.T, text string) any {
	t.Helper()
	var v struct{ V any }
	if _, err := toml.Decode("V = "+text, &v); err != nil {
		t.Fatalf("default %s: %v", text, err)
	}
	return v.V
}

func contains(values []any, want any) bool {
	for _, v := range values {
		if fmt.Sprint(v) == fmt.Sprint(want) {
			return true
		}
	}
	return false
}
