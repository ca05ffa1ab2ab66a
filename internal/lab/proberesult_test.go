package lab

import (
	"testing"
	"time"
)

// ms builds samples from (sent, answered) pairs in milliseconds; 0 is never.
func ms(pairs ...[2]int64) []sample {
	out := make([]sample, len(pairs))
	for i, p := range pairs {
		out[i] = sample{sent: p[0] * 1e6, answered: p[1] * 1e6}
	}
	return out
}

func TestFindOutages(t *testing.T) {
	t.Parallel()
	type outage struct {
		from, to   int64
		lost, late int
		open       bool
	}
	tests := []struct {
		name    string
		samples []sample
		end     int64
		want    []outage
	}{
		{"nothing asked", nil, 100, nil},
		{"all answered", ms([2]int64{1, 2}, [2]int64{3, 4}, [2]int64{5, 6}), 7, nil},
		{"one lost is no outage", ms([2]int64{1, 1}, [2]int64{2, 0}, [2]int64{3, 3}), 4, nil},
		{"lost in the middle", ms([2]int64{1, 1}, [2]int64{3, 0}, [2]int64{5, 0}, [2]int64{9, 9}), 10,
			[]outage{{1, 9, 2, 0, false}}},
		{"answered late", ms([2]int64{1, 1}, [2]int64{2, 20}, [2]int64{18, 20}, [2]int64{21, 21}), 22,
			[]outage{{1, 20, 0, 1, false}}},
		{"answered out of order", ms([2]int64{1, 12}, [2]int64{2, 2}, [2]int64{3, 3}, [2]int64{12, 13}), 13, nil},
		{"the prober's own pause", ms([2]int64{1, 1}, [2]int64{50, 50}), 51, nil},
		{"never answered", ms([2]int64{1, 0}, [2]int64{2, 0}), 10, []outage{{1, 10, 2, 0, true}}},
		{"dead from the start", ms([2]int64{1, 0}, [2]int64{9, 9}), 10, []outage{{1, 9, 1, 0, true}}},
		{"dead to the end", ms([2]int64{1, 1}, [2]int64{2, 0}), 10, []outage{{1, 10, 1, 0, true}}},
		{"two", ms([2]int64{1, 1}, [2]int64{2, 0}, [2]int64{8, 8}, [2]int64{9, 0}, [2]int64{20, 20}), 21,
			[]outage{{1, 8, 1, 0, false}, {8, 20, 1, 0, false}}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := findOutages(tc.samples, 1e6, tc.end*1e6, 5*time.Millisecond)
			if len(got) != len(tc.want) {
				t.Fatalf("got %v, want %v", got, tc.want)
			}
			for i, w := range tc.want {
				g := outage{got[i].From.UnixNano() / 1e6, got[i].To.UnixNano() / 1e6, got[i].Lost, got[i].Late, got[i].Open}
				if g != w {
					t.Errorf("got %+v, want %+v", g, w)
				}
			}
		})
	}
}

func TestRecoveryAfter(t *testing.T) {
	t.Parallel()
	at := func(n int) time.Time { return time.Unix(0, int64(n)*1e6) }
	r := &ProbeResult{Start: at(0), End: at(100), Outages: []Outage{
		{From: at(5), To: at(9)}, {From: at(20), To: at(50)},
	}}
	if d, ok := r.RecoveryAfter(at(10)); d != 40*time.Millisecond || !ok {
		t.Errorf("got %v %v, want 40ms", d, ok)
	}
	if d, ok := r.RecoveryAfter(at(60)); d != 0 || !ok {
		t.Errorf("got %v %v, want no outage", d, ok)
	}
	r.Outages[1] = Outage{From: at(20), To: at(100), Open: true}
	if _, ok := r.RecoveryAfter(at(10)); ok {
		t.Error("an outage that never ended has a recovery")
	}
	if got := r.Longest().Duration(); got != 80*time.Millisecond {
		t.Errorf("got longest %v, want 80ms", got)
	}
	if got := r.Total(); got != 84*time.Millisecond {
		t.Errorf("got total %v, want 84ms", got)
	}
}
