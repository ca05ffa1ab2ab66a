package sim

import "time"

// happening is something that the world does at a moment. Those of the same
// moment happen in the order in which they were planned, so that a run replays
// exactly.
type happening struct {
	at  time.Duration
	seq uint64
	do  func()
}

func (a *happening) before(b *happening) bool { return a.at < b.at || a.at == b.at && a.seq < b.seq }

// queue is a heap of happenings.
type queue struct {
	items []happening
	seq   uint64
}

func (q *queue) push(at time.Duration, do func()) {
	q.seq++
	q.items = append(q.items, happening{at, q.seq, do})
	for i := len(q.items) - 1; i > 0; {
		parent := (i - 1) / 2
		if !q.items[i].before(&q.items[parent]) {
			return
		}
		q.items[i], q.items[parent] = q.items[parent], q.items[i]
		i = parent
	}
}

func (q *queue) pop() happening {
	first := q.items[0]
	last := len(q.items) - 1
	q.items[0] = q.items[last]
	q.items[last] = happening{}
	q.items = q.items[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return first
		}
		if child+1 < last && q.items[child+1].before(&q.items[child]) {
			child++
		}
		if !q.items[child].before(&q.items[i]) {
			return first
		}
		q.items[i], q.items[child] = q.items[child], q.items[i]
		i = child
	}
}
