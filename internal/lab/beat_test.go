package lab

import (
	"testing"
	"time"
)

func TestBeat(t *testing.T) {
	t.Parallel()
	b, err := StartBeat(time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(50 * time.Millisecond) // what is measured is real time
	r := b.Stop()
	if r.Count == 0 || r.P50 > r.P99 || r.P99 > r.Max {
		t.Errorf("%+v", r)
	}
	t.Log(r)
}

// TestStalled: only what lies between the two counts.
func TestStalled(t *testing.T) {
	t.Parallel()
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	r := BeatResult{Stalls: []Stall{{at(10), at(20)}, {at(30), at(50)}}}
	for _, c := range []struct{ from, to, want int }{{0, 100, 30}, {0, 10, 0}, {15, 35, 10}, {40, 45, 5}, {50, 60, 0}} {
		if got := r.Stalled(at(c.from), at(c.to)); got != time.Duration(c.want)*time.Millisecond {
			t.Errorf("from %d to %d: %v, want %d ms", c.from, c.to, got, c.want)
		}
	}
}
