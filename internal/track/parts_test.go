package track

import (
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestParts: what a total is made of, also while a reload's addition has no
// result.
func TestParts(t *testing.T) {
	t.Parallel()
	m := New(Options{Logger: slog.New(slog.DiscardHandler)})
	gate, local := Ref{ID: ID{KindCheck, "gate"}, Weight: 20}, Ref{ID: ID{KindCheck, "local"}}
	apply := func(refs ...Ref) {
		t.Helper()
		s := Specs{Instances: []Instance{{Name: "VI_1", Track: refs}}}
		for _, r := range refs {
			s.Checks = append(s.Checks, Check{Name: r.ID.Name})
		}
		if err := m.Apply(s); err != nil {
			t.Fatal(err)
		}
	}
	want := func(parts ...Part) {
		t.Helper()
		if diff := cmp.Diff(map[string][]Part{"VI_1": parts}, m.Parts()); diff != "" {
			t.Error(diff)
		}
		sum := m.Totals()["VI_1"]
		weight, fault := 0, false
		for _, p := range parts {
			weight, fault = weight+p.Weight, fault || p.Fault
		}
		if sum.Weight != weight || sum.Fault != fault {
			t.Errorf("the total is %+v, the parts are %+v", sum, parts)
		}
	}
	apply(gate)
	want(Part{Ref: gate, Pending: true})
	m.Report("gate", true, "")
	want(Part{Ref: gate, Weight: 20})
	apply(gate, local) // ready before: what is added counts as well
	want(Part{Ref: gate, Weight: 20}, Part{Ref: local})
	m.Report("local", false, "")
	m.Report("gate", false, "")
	want(Part{Ref: gate}, Part{Ref: local, Fault: true})
}
