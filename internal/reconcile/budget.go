package reconcile

import "time"

// Budget bounds how often the same thing may happen: at most Limit times in
// any span of Window. The zero value allows nothing.
type Budget struct {
	// Limit is how many times are allowed within Window.
	Limit int
	// Window is the span that is looked at, ending now.
	Window time.Duration

	spent []time.Duration // when, oldest first, at most Limit of them
}

// Spend records one more time at now (a monotonic reading that never goes
// back) and reports whether it was within the budget. What is refused is not
// recorded, so something that goes on for ever is allowed again Limit times
// per Window.
func (b *Budget) Spend(now time.Duration) bool {
	if b.Exhausted(now) {
		return false
	}
	b.spent = append(b.spent, now)
	return true
}

// Exhausted reports whether Spend would refuse at now.
func (b *Budget) Exhausted(now time.Duration) bool {
	old := 0
	for old < len(b.spent) && now-b.spent[old] >= b.Window {
		old++
	}
	b.spent = append(b.spent[:0], b.spent[old:]...)
	return len(b.spent) >= b.Limit
}

// Reset forgets everything that was spent.
func (b *Budget) Reset() { b.spent = b.spent[:0] }
