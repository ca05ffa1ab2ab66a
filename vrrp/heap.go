package vrrp

// The router's heap orders the indices of its instances by their deadlines.
// Every change of an instance's timers is followed by fix, or by heapify when
// many changed.

func (r *Router) before(a, b int) bool {
	x, y := r.instances[r.heap[a]].deadline(), r.instances[r.heap[b]].deadline()
	return x < y || x == y && r.heap[a] < r.heap[b]
}

func (r *Router) swap(a, b int) {
	r.heap[a], r.heap[b] = r.heap[b], r.heap[a]
	r.instances[r.heap[a]].heapAt = a
	r.instances[r.heap[b]].heapAt = b
}

func (r *Router) up(at int) {
	for at > 0 {
		parent := (at - 1) / 2
		if !r.before(at, parent) {
			return
		}
		r.swap(at, parent)
		at = parent
	}
}

func (r *Router) down(at int) {
	for {
		child := 2*at + 1
		if child >= len(r.heap) {
			return
		}
		if child+1 < len(r.heap) && r.before(child+1, child) {
			child++
		}
		if !r.before(child, at) {
			return
		}
		r.swap(at, child)
		at = child
	}
}

// fix restores the order after the deadline of instance i changed. It mends one
// change: who goes on to change another instance calls it before that.
func (r *Router) fix(i int) {
	if len(r.heap) != len(r.instances) {
		return // it is about to be built anew
	}
	in := &r.instances[i]
	r.down(in.heapAt)
	r.up(in.heapAt)
}

// heapify builds the heap anew.
func (r *Router) heapify() {
	r.heap = r.heap[:0]
	for i := range r.instances {
		r.heap = append(r.heap, i)
		r.instances[i].heapAt = i
	}
	for at := len(r.heap)/2 - 1; at >= 0; at-- {
		r.down(at)
	}
}
