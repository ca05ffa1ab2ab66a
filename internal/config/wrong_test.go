package config

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files")

// TestWrong shows every problem of every file in testdata/wrong in one golden
// file, so that the messages can be read in one go.
func TestWrong(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/wrong/*.toml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files in testdata/wrong, want 20 or more (%v)", len(files), err)
	}
	var got bytes.Buffer
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cfg, problems := Parse(filepath.Base(file), text)
		if len(problems) == 0 {
			t.Errorf("%s: no problem is reported", file)
		}
		if (cfg == nil) != problems.HasErrors() {
			t.Errorf("%s: there is a configuration: %t, there are errors: %t", file, cfg != nil, problems.HasErrors())
		}
		fmt.Fprintf(&got, "== %s\n", filepath.Base(file))
		for i, p := range problems {
			if strings.Contains(p.Message, "hunter2") || strings.Contains(p.Message, "424242") {
				t.Errorf("a message shows a password: %s", p)
			}
			if i > 0 && p.Line != 0 && p.Line < problems[i-1].Line {
				t.Errorf("%s: problems are not sorted by line", file)
			}
			fmt.Fprintf(&got, "%-7s %s\n", p.Severity, p)
		}
		got.WriteByte('\n')
	}
	const golden = "testdata/wrong.golden"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}
