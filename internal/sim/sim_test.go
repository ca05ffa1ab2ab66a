package sim

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// envInt reads a number from the environment.
func envInt(t *testing.T, name string, fallback int64) int64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q: %v", name, text, err)
	}
	return n
}

// TestRandom simulates random networks with random faults.
// HAKEEP_SIM_SECONDS is how many simulated seconds in total, HAKEEP_SIM_SEED
// replays the run with that seed and prints everything that happens in it.
func TestRandom(t *testing.T) {
	t.Parallel()
	if os.Getenv("HAKEEP_SIM_SEED") != "" {
		replay(t, uint64(envInt(t, "HAKEEP_SIM_SEED", 0)))
		return
	}
	want := time.Duration(envInt(t, "HAKEEP_SIM_SECONDS", 1_000_000)) * time.Second
	if (testing.Short() || raceEnabled) && os.Getenv("HAKEEP_SIM_SECONDS") == "" {
		want /= 20
	}
	start := time.Now()
	var total Stats
	for seed := uint64(1); total.Simulated < want; seed++ {
		stats, err := NewPlan(seed).Run(nil)
		total.add(&stats)
		if err != nil {
			report(t, seed, err)
			return
		}
	}
	t.Logf("%d simulated seconds in %d runs, %v; %d faults %v; %d adverts, %d announcements, %d packets lost; %d transitions; %d quiet states and %d single faults examined; %d cache entries, %d excused",
		total.Simulated/time.Second, total.Runs, time.Since(start).Round(time.Millisecond), total.faults(), total.Faults,
		total.Adverts, total.Announces, total.Lost, total.Transitions, total.Settled, total.Singles, total.Caches, total.Excused)
}

// report tells how a run failed: in the fewest faults that do it, and how to
// see it again.
func report(t *testing.T, seed uint64, err error) {
	t.Helper()
	p := NewPlan(seed).Minimise()
	trace := &Trace{Keep: 150}
	_, small := p.Run(trace)
	t.Errorf("seed %d: %v\nin full: HAKEEP_SIM_SEED=%d go test -run TestRandom -v\n\nminimised: %v\n%v\n%v", seed, err, seed, small, p, trace)
}

func replay(t *testing.T, seed uint64) {
	t.Helper()
	p := NewPlan(seed)
	trace := new(Trace)
	_, err := p.Run(trace)
	fmt.Println(p)
	fmt.Println(trace)
	if err != nil {
		t.Fatal(err)
	}
}

// TestReplay: a seed is the whole run.
func TestReplay(t *testing.T) {
	t.Parallel()
	for seed := uint64(1000); seed < 1010; seed++ {
		a, b := new(Trace), new(Trace)
		_, errA := NewPlan(seed).Run(a)
		_, errB := NewPlan(seed).Run(b)
		if a.String() != b.String() || !errors.Is(errA, errB) && fmt.Sprint(errA) != fmt.Sprint(errB) {
			t.Fatalf("seed %d gives two different runs", seed)
		}
	}
}
