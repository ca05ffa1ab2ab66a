package track

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestCounter plays results ("+" success, "-" failure) and compares the outcome
// after each.
func TestCounter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		rise, fall     int
		fail           bool
		results, wants string
	}{
		{name: "each result counts", rise: 1, fall: 1, results: "+-+-", wants: "+-+-"},
		{name: "zero means one", results: "+-+-", wants: "+-+-"},
		{name: "first success decides", rise: 3, fall: 3, results: "+", wants: "+"},
		{name: "first failure decides", rise: 3, fall: 3, results: "-", wants: "-"},
		{name: "fall in a row", rise: 1, fall: 3, results: "+-----", wants: "+++---"},
		{name: "a success fills it up again", rise: 1, fall: 3, results: "+--+--+---", wants: "+++++++++-"},
		{name: "rise in a row", rise: 3, fall: 1, results: "-+++", wants: "---+"},
		{name: "a failure empties it again", rise: 3, fall: 1, results: "-++-+++", wants: "------+"},
		{name: "both", rise: 2, fall: 2, results: "+-+--+-++-+--", wants: "++++----++++-"},
		{name: "init_fail wants rise successes", rise: 2, fall: 1, fail: true, results: "++-", wants: "-+-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := NewCounter(c.rise, c.fall)
			if c.fail {
				k.Fail()
			}
			if k.OK() || k.Known() != c.fail {
				t.Errorf("at first: ok %v, known %v", k.OK(), k.Known())
			}
			var got strings.Builder
			for i, r := range c.results {
				known, before := k.Known(), k.OK()
				changed := k.Result(r == '+')
				if want := !known || before != k.OK(); changed != want {
					t.Errorf("result %d: changed %v, want %v", i, changed, want)
				}
				got.WriteString(map[bool]string{true: "+", false: "-"}[k.OK()])
			}
			if got.String() != c.wants {
				t.Errorf("results %s: got %s, want %s", c.results, &got, c.wants)
			}
		})
	}
}

// TestCounterTurnsAfterRowsOnly: the outcome turns exactly when rise successes,
// or fall failures, came in a row since it turned last.
func TestCounterTurnsAfterRowsOnly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rise, fall := rapid.IntRange(1, 5).Draw(t, "rise"), rapid.IntRange(1, 5).Draw(t, "fall")
		k := NewCounter(rise, fall)
		ok := rapid.Bool().Draw(t, "first")
		k.Result(ok)
		row := 0
		for range 50 {
			r := rapid.Bool().Draw(t, "result")
			if r == ok {
				row = 0
			} else if row++; ok && row == fall || !ok && row == rise {
				ok, row = r, 0
			}
			k.Result(r)
			if k.OK() != ok {
				t.Fatalf("ok %v, want %v (row %d, rise %d, fall %d)", k.OK(), ok, row, rise, fall)
			}
		}
	})
}

func TestCounterAdoptAndRestart(t *testing.T) {
	t.Parallel()
	k := NewCounter(1, 3)
	k.Result(true)
	k.Result(false)
	k.Adopt(2, 2)
	if !k.OK() {
		t.Error("new bounds turned the outcome")
	}
	k.Result(false)
	if !k.OK() {
		t.Error("one failure of two was enough")
	}
	k.Restart()
	if !k.OK() || k.Known() {
		t.Errorf("after Restart: ok %v, known %v", k.OK(), k.Known())
	}
	if k.Result(false); k.OK() {
		t.Error("the first result after Restart did not decide")
	}
}
