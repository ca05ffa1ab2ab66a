package checks

import (
	"context"
	"errors"
	"testing"
)

// fixed is a target that is always well or never.
type fixed bool

func (f fixed) Checker(*Pinger) (Checker, error) { return f, nil }

func (f fixed) Check(context.Context) Result {
	if f {
		return Result{OK: true}
	}
	return Result{Err: errors.New("no")}
}

func TestSeveral(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		targets []Target
		need    int
		want    bool
	}{
		{[]Target{fixed(true), fixed(false), fixed(false)}, 1, true},
		{[]Target{fixed(true), fixed(false), fixed(false)}, 2, false},
		{[]Target{fixed(true), fixed(true), fixed(false)}, 2, true},
		{[]Target{fixed(true), fixed(true)}, 2, true},
		{[]Target{fixed(false)}, 1, false},
	} {
		checker, err := Several{c.targets, c.need}.Checker(nil)
		if err != nil {
			t.Fatal(err)
		}
		if r := checker.Check(t.Context()); r.OK != c.want || r.OK != (r.Err == nil) {
			t.Errorf("%v need %d: %+v", c.targets, c.need, r)
		}
	}
	for _, need := range []int{0, 2} {
		if _, err := (Several{[]Target{fixed(true)}, need}).Checker(nil); err == nil {
			t.Errorf("need %d of 1 is taken", need)
		}
	}
}
