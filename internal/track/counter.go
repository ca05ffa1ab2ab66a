package track

// Counter judges the results of a script by keepalived's model: a value of
// 0..rise+fall-1, well while it is at least rise. A result in the direction of
// the outcome fills the value up to its end; results against it move it by one
// until the outcome turns, which takes it to the other end. So it takes rise
// successes in a row to be well, and fall failures in a row not to be.
//
// The first result decides alone, whatever rise and fall are.
type Counter struct {
	rise, fall int
	value      int
	known      bool
}

// NewCounter begins without a result. rise and fall below 1 count as 1.
func NewCounter(rise, fall int) Counter {
	return Counter{rise: max(rise, 1), fall: max(fall, 1)}
}

// Fail begins as failed (keepalived: init_fail): the first result does not
// decide, it takes rise successes.
func (c *Counter) Fail() { c.value, c.known = 0, true }

// Restart lets the next result decide alone again.
func (c *Counter) Restart() { c.known = false }

// Adopt takes new bounds and keeps the outcome.
func (c *Counter) Adopt(rise, fall int) {
	ok := c.OK()
	c.rise, c.fall = max(rise, 1), max(fall, 1)
	c.value = 0
	if ok {
		c.value = c.top()
	}
}

// OK reports the outcome; before the first result it is false.
func (c *Counter) OK() bool { return c.value >= c.rise }

// Known reports whether there was a result, or Fail said how to begin.
func (c *Counter) Known() bool { return c.known }

// Result takes the result of a run and reports whether the outcome turned, or is
// known for the first time.
func (c *Counter) Result(ok bool) (changed bool) {
	if !c.known {
		c.known = true
		c.value = 0
		if ok {
			c.value = c.top()
		}
		return true
	}
	before := c.OK()
	switch {
	case ok && c.value+1 >= c.rise:
		c.value = c.top()
	case ok:
		c.value++
	case c.value-1 < c.rise:
		c.value = 0
	default:
		c.value--
	}
	return c.OK() != before
}

func (c *Counter) top() int { return c.rise + c.fall - 1 }
