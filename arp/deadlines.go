package arp

import (
	"math"
	"slices"
	"time"
)

// never is the deadline of what is not going to happen.
const never = time.Duration(math.MaxInt64)

// deadlines is a binary heap of indices by time, with at most one time for
// each index. Equal times come in the order of the indices, so that what the
// schedule does depends on nothing but its inputs.
type deadlines struct {
	heap  []deadline
	place []int32 // by index: position in heap plus one, 0 when not there
}

type deadline struct {
	at    time.Duration
	index int32
}

func (d deadline) before(e deadline) bool {
	return d.at < e.at || d.at == e.at && d.index < e.index
}

// earliest returns the earliest time, which is never when there is none, and
// its index.
func (d *deadlines) earliest() (time.Duration, int32) {
	if len(d.heap) == 0 {
		return never, 0
	}
	return d.heap[0].at, d.heap[0].index
}

// set gives index i the time at, in place of the one that it had. The time
// never takes it out.
func (d *deadlines) set(i int32, at time.Duration) {
	for int(i) >= len(d.place) {
		d.place = append(d.place, 0)
	}
	position := int(d.place[i]) - 1
	switch {
	case at == never && position < 0:
		return
	case at == never:
		d.drop(position)
		return
	case position < 0:
		position = len(d.heap)
		d.heap = append(d.heap, deadline{})
	}
	d.put(position, deadline{at: at, index: i})
	d.up(position)
	d.down(int(d.place[i]) - 1)
}

func (d *deadlines) drop(position int) {
	d.place[d.heap[position].index] = 0
	last := len(d.heap) - 1
	moved := d.heap[last]
	d.heap = d.heap[:last]
	if position == last {
		return
	}
	d.put(position, moved)
	d.up(position)
	d.down(int(d.place[moved.index]) - 1)
}

func (d *deadlines) put(position int, e deadline) {
	d.heap[position] = e
	d.place[e.index] = int32(position + 1)
}

func (d *deadlines) up(position int) {
	e := d.heap[position]
	for position > 0 {
		parent := (position - 1) / 2
		if !e.before(d.heap[parent]) {
			break
		}
		d.put(position, d.heap[parent])
		position = parent
	}
	d.put(position, e)
}

func (d *deadlines) down(position int) {
	e := d.heap[position]
	for {
		child := 2*position + 1
		if child >= len(d.heap) {
			break
		}
		if right := child + 1; right < len(d.heap) && d.heap[right].before(d.heap[child]) {
			child = right
		}
		if !d.heap[child].before(e) {
			break
		}
		d.put(position, d.heap[child])
		position = child
	}
	d.put(position, e)
}

func (d *deadlines) clone() deadlines {
	return deadlines{heap: slices.Clone(d.heap), place: slices.Clone(d.place)}
}
