package track

import "testing"

func TestFileWeight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value, weight int
		reverse       bool
		want          int
		fault         bool
	}{
		{0, 1, false, 0, false},
		{10, 1, false, 10, false},
		{-10, 1, false, -10, false},
		{10, 2, false, 20, false},
		{10, 2, true, -20, false},
		{10, -2, false, -20, false},
		{253, 1, false, 253, false},
		{254, 1, false, 253, false},
		{1 << 30, 254, false, 253, false},
		{-253, 1, false, -253, false},
		{-254, 1, false, 0, true},
		{-127, 2, false, 0, true},
		{127, 2, true, 0, true},
		{-1 << 31, 254, false, 0, true},
		{0, 0, false, 0, false},
		{1, 0, false, 0, true},
		{-1, 0, false, 0, true},
		{0, 0, true, 0, true},
		{1, 0, true, 0, false},
	} {
		got, fault := FileWeight(c.value, c.weight, c.reverse)
		if got != c.want || fault != c.fault {
			t.Errorf("%d × %d (reverse %v) = %d, fault %v; want %d, %v", c.value, c.weight, c.reverse, got, fault, c.want, c.fault)
		}
	}
}

// TestWeight is the table of keepalived's meaning of weights.
func TestWeight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		weight      int
		reverse, ok bool
		want        int
		fault       bool
	}{
		{20, false, true, 20, false},
		{20, false, false, 0, false},
		{20, true, true, -20, false},
		{20, true, false, 0, false},
		{-20, false, true, 0, false},
		{-20, false, false, -20, false},
		{-20, true, true, 0, false},
		{-20, true, false, 20, false},
		{0, false, true, 0, false},
		{0, false, false, 0, true},
		{0, true, true, 0, true},
		{0, true, false, 0, false},
	} {
		ref := Ref{ID{KindScript, "s"}, c.weight, c.reverse}
		got, fault := Weight(ref, Outcome{Known: true, OK: c.ok})
		if got != c.want || fault != c.fault {
			t.Errorf("weight %d (reverse %v), ok %v: %d, fault %v; want %d, %v", c.weight, c.reverse, c.ok, got, fault, c.want, c.fault)
		}
		if got, fault := Weight(ref, Outcome{}); got != 0 || fault {
			t.Errorf("weight %d without a result: %d, fault %v", c.weight, got, fault)
		}
	}
}

func TestSum(t *testing.T) {
	t.Parallel()
	well, failed, unknown := Outcome{Known: true, OK: true}, Outcome{Known: true}, Outcome{}
	file := Outcome{Known: true, Value: -30}
	ref := func(kind Kind, name string, weight int, reverse bool) Ref {
		return Ref{ID{kind, name}, weight, reverse}
	}
	for _, c := range []struct {
		name   string
		refs   []Ref
		have   []Outcome
		assume bool
		want   Total
	}{
		{"nothing", nil, nil, false, Total{Ready: true}},
		{"adds up", []Ref{ref(KindScript, "a", 20, false), ref(KindProcess, "b", -30, false), ref(KindFile, "c", 2, false)}, []Outcome{well, failed, file}, false, Total{Weight: 20 - 30 - 60, Ready: true}},
		{"is not clipped", []Ref{ref(KindScript, "a", 253, false), ref(KindScript, "b", 253, false)}, []Outcome{well, well}, false, Total{Weight: 506, Ready: true}},
		{"one fault is enough", []Ref{ref(KindScript, "a", 0, false), ref(KindCheck, "b", 0, false)}, []Outcome{well, failed}, false, Total{Fault: true, Ready: true}},
		{"waits for weight 0", []Ref{ref(KindScript, "a", 0, false), ref(KindScript, "b", 5, false)}, []Outcome{unknown, well}, false, Total{Weight: 5}},
		{"does not wait for weights", []Ref{ref(KindScript, "a", 5, false)}, []Outcome{unknown}, false, Total{Ready: true}},
		{"after a reload it does not wait", []Ref{ref(KindScript, "a", 0, false), ref(KindScript, "b", 0, true)}, []Outcome{unknown, unknown}, true, Total{Ready: true}},
		{"after a reload it counts as well", []Ref{ref(KindScript, "a", 5, false), ref(KindScript, "b", -5, false), ref(KindScript, "c", 7, true), ref(KindScript, "d", -7, true), ref(KindFile, "e", 3, false)},
			[]Outcome{unknown, unknown, unknown, unknown, unknown}, true, Total{Weight: 5 + 7, Ready: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := Sum(c.refs, func(id ID) Outcome {
				for i, r := range c.refs {
					if r.ID == id {
						return c.have[i]
					}
				}
				return Outcome{}
			}, c.assume)
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}
