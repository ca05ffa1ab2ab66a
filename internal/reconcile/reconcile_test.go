package reconcile_test

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"hakeep/internal/reconcile"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	type state map[string]int
	tests := []struct {
		name            string
		desired, actual state
		want            reconcile.Delta[string]
	}{
		{"nothing", nil, nil, reconcile.Delta[string]{}},
		{"equal is not touched", state{"a": 1}, state{"a": 1}, reconcile.Delta[string]{}},
		{"from nothing, in order", state{"b": 1, "a": 1, "c": 1}, nil, reconcile.Delta[string]{Add: []string{"a", "b", "c"}}},
		{"to nothing, in order", nil, state{"b": 1, "a": 1}, reconcile.Delta[string]{Delete: []string{"a", "b"}}},
		{
			"all three",
			state{"keep": 1, "new2": 1, "new1": 1, "change": 2},
			state{"keep": 1, "old": 1, "change": 1},
			reconcile.Delta[string]{Add: []string{"new1", "new2"}, Replace: []string{"change"}, Delete: []string{"old"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := reconcile.Diff(tt.desired, tt.actual, func(d, a int) bool { return d == a }, cmp.Compare[string])
			if diff := gocmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Diff (-want +got):\n%s", diff)
			}
			if got.Empty() != tt.want.Empty() {
				t.Errorf("Empty() = %v, want %v", got.Empty(), tt.want.Empty())
			}
		})
	}
}

// Applying the difference to any state gives any other state, and a second
// difference is empty.
func TestDiffLeadsAnywhere(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	pick := func() map[int]int {
		m := map[int]int{}
		for range random.IntN(12) {
			m[random.IntN(15)] = random.IntN(3)
		}
		return m
	}
	same := func(d, a int) bool { return d == a }
	for range 2000 {
		desired, actual := pick(), pick()
		d := reconcile.Diff(desired, actual, same, cmp.Compare[int])
		for _, k := range d.Add {
			if _, there := actual[k]; there {
				t.Fatalf("adds %d, which is there", k)
			}
			actual[k] = desired[k]
		}
		for _, k := range d.Replace {
			actual[k] = desired[k]
		}
		for _, k := range d.Delete {
			delete(actual, k)
		}
		if !maps.Equal(desired, actual) {
			t.Fatalf("got %v, want %v", actual, desired)
		}
		if again := reconcile.Diff(desired, actual, same, cmp.Compare[int]); !again.Empty() {
			t.Fatalf("second difference %+v", again)
		}
	}
}

func TestBudget(t *testing.T) {
	t.Parallel()
	const s = time.Second
	tests := []struct {
		name string
		at   []time.Duration
		want []bool
	}{
		{"limit within the window", []time.Duration{0, 1 * s, 2 * s, 3 * s}, []bool{true, true, true, false}},
		{"all at once", []time.Duration{5 * s, 5 * s, 5 * s, 5 * s}, []bool{true, true, true, false}},
		{"the window slides", []time.Duration{0, 4 * s, 8 * s, 10 * s, 11 * s, 14 * s}, []bool{true, true, true, true, false, true}},
		{"refused ones are not counted", []time.Duration{0, 0, 0, 9 * s, 9 * s, 10 * s}, []bool{true, true, true, false, false, true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := reconcile.Budget{Limit: 3, Window: 10 * s}
			for i, at := range tt.at {
				if exhausted := b.Exhausted(at); exhausted == tt.want[i] {
					t.Errorf("at %v: Exhausted = %v, want %v", at, exhausted, !tt.want[i])
				}
				if got := b.Spend(at); got != tt.want[i] {
					t.Errorf("at %v: Spend = %v, want %v", at, got, tt.want[i])
				}
			}
		})
	}
	var zero reconcile.Budget
	if zero.Spend(0) {
		t.Error("the zero budget allows something")
	}
	b := reconcile.Budget{Limit: 1, Window: s}
	b.Spend(0)
	b.Reset()
	if !b.Spend(0) {
		t.Error("nothing allowed after Reset")
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	b := reconcile.Backoff{Min: time.Second, Max: 5 * time.Second}
	for i, want := range []time.Duration{1, 2, 4, 5, 5} {
		if got := b.Fail(); got != want*time.Second {
			t.Errorf("pause %d = %v, want %v", i, got, want*time.Second)
		}
	}
	b.Succeed()
	if got := b.Fail(); got != time.Second {
		t.Errorf("pause after success = %v, want 1s", got)
	}
}
