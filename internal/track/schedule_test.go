package track

import (
	"slices"
	"testing"
	"time"
)

func TestStartsAreSpread(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 10, 200, 1000} {
		const interval = time.Second
		var second []time.Duration
		for i := range n {
			first := firstStart(i, n, interval)
			if first > startWindow || first > time.Duration(i)*startGap {
				t.Fatalf("%d of %d starts after %v", i, n, first)
			}
			gap := secondGap(i, interval)
			if gap < interval/10 || gap > interval {
				t.Fatalf("%d of %d: second run after %v", i, n, gap)
			}
			second = append(second, (first+gap)%interval)
		}
		slices.Sort(second)
		for i := 1; i < n; i++ {
			if most := second[i] - second[i-1]; n >= 10 && most > 5*interval/time.Duration(n)+interval/5 {
				t.Errorf("%d scripts: none for %v", n, most)
			}
		}
		// No moment sees many at once: at most 4 in the time of 2.
		for i := 0; i+8 < n; i++ {
			if second[i+8]-second[i] < interval/time.Duration(n) {
				t.Errorf("%d scripts: 8 within %v", n, second[i+8]-second[i])
				break
			}
		}
	}
}

func TestFollowing(t *testing.T) {
	t.Parallel()
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	for _, c := range []struct{ due, now, want int }{
		{1000, 1001, 2000},
		{1000, 1999, 2000},
		{1000, 2000, 2000},
		{1000, 2001, 3000},
		{1000, 61_500, 62_000},
	} {
		if got := following(at(c.due), at(c.now), time.Second); !got.Equal(at(c.want)) {
			t.Errorf("due %d, now %d: next at %d, want %d", c.due, c.now, got.UnixMilli(), c.want)
		}
	}
}
