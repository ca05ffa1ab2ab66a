package sim

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the traces of the scenarios anew")

const scenarios = "../../testdata/sim"

// TestScenarios runs each file of testdata/sim: commands, a line of four
// dashes, the whole trace. With -rewrite the trace is written anew; read the
// difference line by line.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(scenarios, "*.txt"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d scenarios, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			commands, want, _ := strings.Cut(string(raw), "\n----\n")
			commands = strings.TrimRight(commands, "\n")
			got, err := RunScenario(commands)
			if err != nil {
				t.Fatal(err)
			}
			if got == want {
				return
			}
			if *rewrite {
				if err := os.WriteFile(file, []byte(commands+"\n----\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Errorf("the trace differs (-want +got):\n%s", difference(want, got))
		})
	}
}

// difference shows the lines that only one of two texts has.
func difference(want, got string) string {
	count := make(map[string]int)
	for _, l := range strings.Split(want, "\n") {
		count[l]--
	}
	for _, l := range strings.Split(got, "\n") {
		count[l]++
	}
	var b strings.Builder
	for _, l := range strings.Split(want, "\n") {
		if count[l] < 0 {
			b.WriteString("-" + l + "\n")
			count[l]++
		}
	}
	for _, l := range strings.Split(got, "\n") {
		if count[l] > 0 {
			b.WriteString("+" + l + "\n")
			count[l]--
		}
	}
	return b.String()
}
