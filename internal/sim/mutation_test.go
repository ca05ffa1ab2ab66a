package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMutationTexts: each stands exactly once in vrrp, else it plants nothing.
func TestMutationTexts(t *testing.T) {
	t.Parallel()
	for _, m := range mutations {
		if _, _, err := m.plant(); err != nil {
			t.Error(err)
		}
	}
}

// plant returns the path of the mutated file and its new text.
func (m *mutation) plant() (path, text string, err error) {
	path, err = filepath.Abs(filepath.Join("..", "..", "vrrp", m.file))
	if err != nil {
		return "", "", err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", "", err
	}
	if n := strings.Count(string(raw), m.old); n != 1 {
		return "", "", fmt.Errorf("%s: its text stands %d times in %s: %q", m.name, n, m.file, m.old)
	}
	return path, strings.Replace(string(raw), m.old, m.new, 1), nil
}

// TestMutations plants each mutation and lets the simulator and the model
// checker look for it. What they do not find, they would not find in a real
// change either. Without HAKEEP_SIM_MUTATIONS=all it is mutationsInCI only.
func TestMutations(t *testing.T) {
	t.Parallel()
	if testing.Short() || raceEnabled {
		t.Skip("builds the package once for each mutation")
	}
	if os.Getenv("HAKEEP_SIM_HUNT") != "" {
		t.Skip("is the hunted itself")
	}
	list := mutations
	if os.Getenv("HAKEEP_SIM_MUTATIONS") != "all" {
		list = nil
		for _, name := range mutationsInCI {
			at := slices.IndexFunc(mutations, func(m mutation) bool { return m.name == name })
			if at < 0 {
				t.Fatalf("there is no mutation %q", name)
			}
			list = append(list, mutations[at])
		}
	}
	start, caught := time.Now(), 0
	for _, m := range list {
		t.Run(m.name, func(t *testing.T) {
			found := hunt(t, m)
			if found == "" {
				t.Fatal("nobody found it")
			}
			t.Logf("found by %s", found)
			caught++
		})
	}
	t.Logf("%d of %d mutations found, %d are planted in all, %v", caught, len(list), len(mutations), time.Since(start).Round(time.Second))
}

var foundLine = regexp.MustCompile(`(?m)^ *FOUND (.*)$`)

// hunt runs TestHunt against one mutation and returns what found it.
func hunt(t *testing.T, m mutation) string {
	t.Helper()
	dir := t.TempDir()
	path, text, err := m.plant()
	if err != nil {
		t.Error(err)
		return ""
	}
	mutant := filepath.Join(dir, m.file)
	if err := os.WriteFile(mutant, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutant}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-count=1", "-timeout=600s", "-ldflags=-s -w", "-overlay="+list, "-run=^TestHunt$", "-v", ".")
	cmd.Env = append(os.Environ(), "HAKEEP_SIM_HUNT=1")
	out, err := cmd.CombinedOutput()
	found := foundLine.FindSubmatch(out)
	switch {
	case found != nil:
		return string(found[1])
	case strings.Contains(string(out), "[build failed]"):
		t.Errorf("%s: does not build:\n%s", m.name, out)
		return ""
	case err != nil:
		t.Errorf("%s: %v\n%s", m.name, err, out)
		return ""
	}
	return ""
}

// TestHunt is what TestMutations runs against each mutation: a short search
// that ends with the first violation.
func TestHunt(t *testing.T) {
	if os.Getenv("HAKEEP_SIM_HUNT") == "" {
		t.Skip("is run by TestMutations")
	}
	defer func() {
		if p := recover(); p != nil {
			t.Logf("\nFOUND panic: %v", p)
		}
	}()
	var total Stats
	look := func(runs int) bool {
		for total.Runs < runs {
			seed := uint64(total.Runs + 1)
			stats, err := NewPlan(seed).Run(nil)
			total.add(&stats)
			if v, ok := err.(*Violation); ok {
				t.Logf("\nFOUND simulator, seed %d after %d simulated seconds: %v", seed, total.Simulated/time.Second, v.Inv)
				return true
			}
		}
		return false
	}
	if look(200) {
		return
	}
	states := 0
	for _, m := range append(trios(), models()...) {
		switch m.Name {
		case "plain", "equal", missing:
		case "planned moves at 10 ms": // as in TestModel
			m.Kinds = moveKinds
		default:
			m.Faults = 1
		}
		r, err := m.Search()
		states += r.States
		var v *Violation
		if errors.As(err, &v) {
			t.Logf("\nFOUND model checker, %q after %d states: %v", m.Name, states, v.Inv)
			return
		}
	}
	look(2500)
}
