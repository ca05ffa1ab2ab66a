package arp

// audit checks what must always hold between the records of a schedule.
func audit(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *Schedule) {
	t.Helper()
	length := func(c *chain, l list) int {
		n := 0
		var before int32
		for i := l.head; i != 0; i = c.next(i) {
			if c.links[i].prev != before {
				t.Fatalf("link of %d leads back to %d, want %d", i, c.links[i].prev, before)
			}
			before = i
			n++
		}
		if l.tail != before {
			t.Fatalf("the tail is %d, want %d", l.tail, before)
		}
		return n
	}
	used := func(n, free int) int { return max(n-1, 0) - free }

	entries, flows, pending := 0, 0, 0
	if len(s.byID) != used(len(s.instances.items), len(s.instances.free)) {
		t.Fatalf("%d instances by id, %d records, %d free", len(s.byID), len(s.instances.items), len(s.instances.free))
	}
	for id, in := range s.byID {
		inst := &s.instances.items[in]
		if inst.id != id || length(&s.members, inst.members) != inst.count {
			t.Fatalf("instance %d: %+v", id, inst)
		}
		entries += inst.count
		flows += length(&s.siblings, inst.flows)
		for e := inst.members.head; e != 0; e = s.members.next(e) {
			en := s.entries.items[e]
			if en.instance != in || (en.left > 0) != (en.class != notWaiting) || en.left < 0 {
				t.Fatalf("entry %+v", en)
			}
			if f := s.flows.items[en.flow]; f.instance != in || s.lanes.items[f.lane].key != keyOf(en.target) {
				t.Fatalf("entry %+v in flow %+v", en, f)
			}
			if (en.second == never) != (en.secondRounds == 0) || en.second < inst.second {
				t.Fatalf("second burst of %+v, instance %+v", en, inst)
			}
			if s.onLink(s.byAddress[addressOf(in, en.target.Addr)], en.target.Link) != e {
				t.Fatalf("entry %+v is not found by its address", en)
			}
			pending += en.left
		}
	}
	if pending != s.pending || entries != used(len(s.entries.items), len(s.entries.free)) ||
		flows != used(len(s.flows.items), len(s.flows.free)) || len(s.byAddress) > entries {
		t.Fatalf("pending %d of %d, %d entries, %d flows, %d addresses", pending, s.pending, entries, flows, len(s.byAddress))
	}
	idle, waiting := auditLanes(t, s, length)
	if idle != length(&s.unused, s.idle) || waiting != len(s.closed.heap) {
		t.Fatalf("%d lanes idle, %d closed; lists have %d and %d",
			idle, waiting, length(&s.unused, s.idle), len(s.closed.heap))
	}
}

// auditLanes checks the lanes and returns how many have no flows and how many
// are closed.
func auditLanes(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *Schedule, length func(*chain, list) int) (idle, closed int) {
	t.Helper()
	open := [2]int{}
	for key, l := range s.byLane {
		la := &s.lanes.items[l]
		if la.key != key {
			t.Fatalf("lane %+v by key %+v", la, key)
		}
		if la.flows == 0 {
			idle++
		}
		waiting := 0
		for class := range la.waiting {
			waiting += length(&s.turns[class], la.waiting[class])
			if !la.closed && !la.waiting[class].empty() {
				open[class]++
			}
			for fl := la.waiting[class].head; fl != 0; fl = s.turns[class].next(fl) {
				f := s.flows.items[fl]
				if f.lane != l || length(&s.queue, f.waiting[class]) == 0 {
					t.Fatalf("flow %+v waits in lane %d", f, l)
				}
			}
		}
		if la.closed {
			closed++
			if waiting == 0 {
				t.Fatalf("lane %+v is closed, but nothing waits", la)
			}
		}
	}
	for class := range open {
		if n := length(&s.open[class], s.ready[class]); n != open[class] {
			t.Fatalf("class %d: %d lanes are ready, want %d", class, n, open[class])
		}
	}
	return idle, closed
}
