package track

import (
	"testing"
	"time"
)

func TestQuorum(t *testing.T) {
	t.Parallel()
	type step struct {
		at      time.Duration
		n       int // -1: only Tick
		ok      bool
		changed bool
	}
	const s = time.Second
	for _, c := range []struct {
		name  string
		q     Quorum
		steps []step
	}{
		{"one is enough", Quorum{}, []step{{0, 1, true, true}, {0, 5, true, false}, {s, 0, false, true}}},
		{"first count counts at once", Quorum{Min: 2, Gain: s, Loss: s}, []step{{0, 1, false, true}}},
		{"range", Quorum{Min: 2, Max: 3}, []step{{0, 1, false, true}, {0, 2, true, true}, {0, 3, true, false}, {0, 4, false, true}, {0, 3, true, true}}},
		{"none is to run", Quorum{Max: NoProcess}, []step{{0, 0, true, true}, {0, 1, false, true}, {0, 0, true, true}}},
		{"loss is delayed", Quorum{Loss: s}, []step{{0, 1, true, true}, {s, 0, true, false}, {2*s - 1, -1, true, false}, {2 * s, -1, false, true}}},
		{"a restart in time is not seen", Quorum{Loss: s}, []step{{0, 1, true, true}, {s, 0, true, false}, {s + 1, 1, true, false}, {5 * s, -1, true, false}}},
		{"gain is delayed", Quorum{Gain: s}, []step{{0, 0, false, true}, {s, 1, false, false}, {2 * s, -1, true, true}}},
		{"the delay starts once", Quorum{Min: 3, Loss: s}, []step{{0, 3, true, true}, {s, 2, true, false}, {s + s/2, 1, true, false}, {2 * s, 1, false, true}}},
		{"a count when the delay is over", Quorum{Loss: s}, []step{{0, 1, true, true}, {s, 0, true, false}, {9 * s, 1, true, false}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for i, st := range c.steps {
				var changed bool
				if st.n < 0 {
					changed = c.q.Tick(st.at)
				} else {
					changed = c.q.Count(st.at, st.n)
				}
				if c.q.OK() != st.ok || changed != st.changed || !c.q.Known() {
					t.Fatalf("step %d: ok %v, changed %v; want %v, %v", i, c.q.OK(), changed, st.ok, st.changed)
				}
				if due, pending := c.q.Next(); pending && due <= st.at {
					t.Fatalf("step %d: next at %v, now is %v", i, due, st.at)
				}
			}
		})
	}
}
