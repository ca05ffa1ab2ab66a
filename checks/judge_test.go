package checks

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

const second = time.Second

func TestJudge(t *testing.T) {
	t.Parallel()
	type step struct {
		at          time.Duration
		ok          bool
		up, changed bool
		wait        time.Duration
		retry       bool
	}
	keepalived := Policy{Interval: 6 * second, Fall: 2, RetryDelay: second, Start: StartUp} // retry 1, delay_before_retry 1
	alpha := keepalived
	alpha.Start = StartDown
	for _, c := range []struct {
		name      string
		p         Policy
		up, known bool
		steps     []step
	}{
		{"first attempt decides: up", Policy{Interval: second, Rise: 3, Fall: 3}, false, false, []step{
			{0, true, true, true, second, false}}},
		{"first attempt decides: down", Policy{Interval: second, Rise: 3, Fall: 3}, false, false, []step{
			{0, false, false, true, second, false}}},
		{"rise and fall", Policy{Interval: second, Rise: 2, Fall: 3}, false, false, []step{
			{0, true, true, true, second, false},
			{1 * second, false, true, false, second, false},
			{2 * second, false, true, false, second, false},
			{3 * second, true, true, false, second, false}, // begins anew
			{4 * second, false, true, false, second, false},
			{5 * second, false, true, false, second, false},
			{6 * second, false, false, true, second, false},
			{7 * second, true, false, false, second, false},
			{8 * second, false, false, false, second, false},
			{9 * second, true, false, false, second, false},
			{10 * second, true, true, true, second, false}}},
		{"keepalived without alpha: the first failure is final", keepalived, true, true, []step{
			{0, false, false, true, 6 * second, false},
			{6 * second, true, true, true, 6 * second, false}}},
		{"keepalived: retry", keepalived, true, true, []step{
			{0, true, true, false, 6 * second, false},
			{6 * second, false, true, false, second, true},
			{7 * second, true, true, false, 6 * second, false},
			{13 * second, false, true, false, second, true},
			{14 * second, false, false, true, 6 * second, false},
			{20 * second, false, false, false, 6 * second, false},
			{26 * second, true, true, true, 6 * second, false}}},
		{"keepalived with alpha", alpha, false, true, []step{
			{0, false, false, false, 6 * second, false},
			{6 * second, true, true, true, 6 * second, false},
			{12 * second, false, true, false, second, true}}},
		{"dampening", Policy{Interval: second, Fall: 2, Dampen: 2500 * time.Millisecond}, false, false, []step{
			{0, true, true, true, second, false},
			{1 * second, false, true, false, second, false},
			{2 * second, false, true, false, second, false},
			{3 * second, false, true, false, second / 2, true}, // when the time is over
			{3*second + second/2, false, false, true, second, false},
			{5 * second, true, false, false, second, false},
			{6 * second, true, false, false, second, false},
			{7 * second, false, false, false, second, false}, // begins anew
			{8 * second, true, false, false, second, false},
			{11 * second, true, true, true, second, false}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			j := NewJudge(c.p)
			if j.Up() != c.up || j.Known() != c.known {
				t.Errorf("at first: up %v, known %v", j.Up(), j.Known())
			}
			for i, s := range c.steps {
				changed, wait, retry := j.Step(s.at, s.ok)
				if j.Up() != s.up || changed != s.changed || wait != s.wait || retry != s.retry {
					t.Fatalf("step %d at %v: up %v, changed %v, wait %v, retry %v; want %+v", i, s.at, j.Up(), changed, wait, retry, s)
				}
			}
		})
	}
}

// TestJudgeNeedsRows: the outcome never turns but after rise or fall attempts in
// a row that last at least as long as Dampen, and turns when they do.
func TestJudgeNeedsRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{
			Interval: second, Rise: rapid.IntRange(1, 4).Draw(t, "rise"), Fall: rapid.IntRange(1, 4).Draw(t, "fall"),
			Dampen: time.Duration(rapid.IntRange(0, 3).Draw(t, "dampen")) * second,
		}
		j := NewJudge(p)
		up := rapid.Bool().Draw(t, "first")
		j.Step(0, up)
		var row int
		var since, now time.Duration
		for range 60 {
			now += time.Duration(rapid.IntRange(1, 20).Draw(t, "pause")) * second / 10
			ok := rapid.Bool().Draw(t, "ok")
			turn := false
			if ok == up {
				row = 0
			} else {
				if row == 0 {
					since = now
				}
				row++
				need := map[bool]int{true: p.Rise, false: p.Fall}[ok]
				turn = row >= need && now-since >= p.Dampen
			}
			if turn {
				up, row = ok, 0
			}
			changed, wait, _ := j.Step(now, ok)
			if j.Up() != up || changed != turn || wait < MinInterval || wait > p.Interval {
				t.Fatalf("at %v: up %v, changed %v, wait %v; want up %v, changed %v", now, j.Up(), changed, wait, up, turn)
			}
		}
	})
}

func TestJudgeAdoptAndRestart(t *testing.T) {
	t.Parallel()
	j := NewJudge(Policy{Interval: second, Fall: 3})
	j.Step(0, true)
	j.Step(0, false)
	j.Adopt(Policy{Interval: second, Fall: 2})
	if j.Step(0, false); !j.Up() {
		t.Error("an attempt under the old policy counted under the new one")
	}
	j.Restart()
	if !j.Up() || j.Known() {
		t.Errorf("after Restart: up %v, known %v", j.Up(), j.Known())
	}
	if changed, _, _ := j.Step(0, false); !changed || j.Up() {
		t.Error("the first attempt after Restart did not decide")
	}
}
