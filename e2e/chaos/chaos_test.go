package main

import (
	"os"
	"slices"
	"testing"
	"time"

	"hakeep/internal/nstest"
)

// TestChaos is a short run with a seed that is fixed, so that a failure can be
// looked into: CI must not fail for what cannot be repeated. `make chaos` takes
// another one each time.
func TestChaos(t *testing.T) {
	nstest.Require(t)
	nstest.RequireTool(t, "keepalived")
	nstest.RequireTool(t, "nft")
	r, err := run(nstest.Context(t, 5*time.Minute), settings{binary: nstest.Binary(t), seed: 7, length: 40 * time.Second, out: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	r.print(os.Stderr)
	if len(r.violations) > 0 {
		t.Errorf("%d violations", len(r.violations))
	}
	if len(r.samples) < 3 {
		t.Errorf("only %d rounds", len(r.samples))
	}
}

// TestGrowth: what is twice as large at the end has grown, what only wavers has
// not.
func TestGrowth(t *testing.T) {
	t.Parallel()
	r := newReport(1)
	for i := range 100 {
		r.sample(size{rss: [2]int{20000 + i%7*100, 20000 + i*400}, files: [2]int{16, 16 + i%2}, tasks: [2]int{9 + i/10, 10}})
	}
	want := []string{"main: 18 threads, were 10", "elector: 58000 KB, were 26000"}
	if got := r.growth(); !slices.Equal(got, want) {
		t.Errorf("grown: %q, want %q", got, want)
	}
}

// TestChooseSparesTheWatched: the router whose size is followed keeps its
// processes, and no router is broken twice at a time.
func TestChooseSparesTheWatched(t *testing.T) {
	t.Parallel()
	w := &world{rnd: newRand(3)}
	for i, name := range []string{"a", "b", "c", "k"} {
		w.routers = append(w.routers, &router{name: name, number: i + 1, isKeepalived: name == "k"})
	}
	seen := map[string]bool{}
	for range 2000 {
		used := map[string]bool{}
		for _, a := range w.choose() {
			seen[a.fault.name] = true
			switch {
			case used[a.router.name]:
				t.Fatalf("two faults of %s at a time", a.router.name)
			case a.fault.restarts && a.router.name == watched, a.fault.hakeepOnly && a.router.isKeepalived:
				t.Fatalf("chosen: %v", a)
			}
			used[a.router.name] = true
		}
	}
	for _, f := range faults {
		if !seen[f.name] {
			t.Errorf("never chosen: %s", f.name)
		}
	}
}
