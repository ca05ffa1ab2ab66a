package arp

import (
	"net/netip"
	"time"
)

// flow is what one instance has to announce in one lane.
type flow struct {
	instance int32
	lane     int32
	count    int     // of entries, waiting or not
	waiting  [2]list // of entries, by class
}

// lane is a pacing budget: a link, or a group of links, for one family. It
// outlives its flows until its budget is replenished, so that stopping and
// beginning again does not get round the pacing.
type lane struct {
	key     laneKey
	flows   int           // how many flows belong to it
	waiting [2]list       // of flows that have waiting entries, by class
	opens   time.Duration // no announcement before this
	closed  bool          // waits for that time and has waiting entries
	grouped bool          // gap is in force, not the instance's settings
	gap     time.Duration
}

type laneKey struct {
	link  int    // 0 for a group
	group uint32 // 0 for a link
	v6    bool
}

// SetGroups puts the pacing of groups in force, in place of all that was given
// before: keepalived's garp_group blocks. Targets in a group that is not named
// share a budget too, with the intervals of their instances' settings.
func (s *Schedule) SetGroups(groups []Group) {
	s.groups = append(s.groups[:0], groups...)
	for i := 1; i < len(s.lanes.items); i++ {
		s.govern(&s.lanes.items[i])
	}
}

// govern gives the lane the interval of its group, if it has one.
func (s *Schedule) govern(la *lane) {
	la.grouped, la.gap = false, 0
	for _, g := range s.groups {
		if g.ID == 0 || g.ID != la.key.group {
			continue
		}
		la.grouped, la.gap = true, g.Interval
		if la.key.v6 {
			la.gap = g.NAInterval
		}
	}
}

func keyOf(t Target) laneKey {
	key := laneKey{group: t.Group, v6: t.Addr.Is6()}
	if t.Group == 0 {
		key.link = t.Link
	}
	return key
}

// normal returns the address in the form in which it is compared and announced.
func normal(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// onLink returns the first of the entries of an address, beginning with e, that
// is on the link, or 0.
func (s *Schedule) onLink(e int32, link int) int32 {
	for e != 0 && s.entries.items[e].target.Link != link {
		e = s.entries.items[e].sibling
	}
	return e
}

// learn makes the target known to the instance, or updates it, and returns its
// entry. For a target that cannot be announced it returns 0.
func (s *Schedule) learn(now time.Duration, in int32, t Target) int32 {
	t.Addr = normal(t.Addr)
	if !t.Addr.IsValid() || t.Link <= 0 {
		return 0
	}
	key := addressOf(in, t.Addr)
	first := s.byAddress[key]
	if e := s.onLink(first, t.Link); e != 0 {
		old := s.entries.items[e].target
		s.entries.items[e].target = t
		if keyOf(old) != keyOf(t) {
			s.move(now, e)
		}
		return e
	}
	e := s.entries.take()
	s.entries.items[e] = entry{
		target:   t,
		instance: in,
		sibling:  first,
		class:    notWaiting,
		second:   never,
	}
	s.byAddress[key] = e
	s.members.push(&s.instances.items[in].members, e)
	s.instances.items[in].count++
	s.attach(now, e)
	return e
}

// forget removes the entry and all that it owes.
func (s *Schedule) forget(e int32) {
	s.dequeue(e)
	en := &s.entries.items[e]
	s.pending -= en.left
	key := addressOf(en.instance, en.target.Addr)
	if before := s.byAddress[key]; before != e {
		for s.entries.items[before].sibling != e {
			before = s.entries.items[before].sibling
		}
		s.entries.items[before].sibling = en.sibling
	} else if en.sibling != 0 {
		s.byAddress[key] = en.sibling
	} else {
		delete(s.byAddress, key)
	}
	inst := &s.instances.items[en.instance]
	s.members.remove(&inst.members, e)
	inst.count--
	s.detach(e)
	s.entries.give(e)
}

// move takes the entry to the lane that its target names now.
func (s *Schedule) move(now time.Duration, e int32) {
	class := s.entries.items[e].class
	s.dequeue(e)
	s.detach(e)
	s.attach(now, e)
	if class != notWaiting {
		s.enqueue(now, e, class)
	}
}

// attach finds or makes the flow and the lane for the entry.
func (s *Schedule) attach(now time.Duration, e int32) {
	en := &s.entries.items[e]
	key := keyOf(en.target)
	inst := &s.instances.items[en.instance]
	fl := inst.flows.head
	for fl != 0 && s.lanes.items[s.flows.items[fl].lane].key != key {
		fl = s.siblings.next(fl)
	}
	if fl == 0 {
		la := s.lane(now, key)
		fl = s.flows.take()
		s.flows.items[fl] = flow{instance: en.instance, lane: la}
		s.siblings.push(&inst.flows, fl)
		if s.lanes.items[la].flows == 0 {
			s.unused.remove(&s.idle, la)
		}
		s.lanes.items[la].flows++
	}
	s.flows.items[fl].count++
	en.flow = fl
}

// detach takes the entry, which is not waiting, out of its flow.
func (s *Schedule) detach(e int32) {
	en := &s.entries.items[e]
	fl := en.flow
	en.flow = 0
	f := &s.flows.items[fl]
	if f.count--; f.count > 0 {
		return
	}
	la := f.lane
	s.siblings.remove(&s.instances.items[f.instance].flows, fl)
	s.flows.give(fl)
	if s.lanes.items[la].flows--; s.lanes.items[la].flows == 0 {
		s.unused.push(&s.idle, la)
	}
}

// lane returns the lane of the key. A new one without flows is in the idle
// list. It takes the place of the lane that has been idle longest, if that one
// has nothing to remember any more: interface indices come and go, lanes must
// not grow with them.
func (s *Schedule) lane(now time.Duration, key laneKey) int32 {
	if la, known := s.byLane[key]; known {
		return la
	}
	la := s.idle.head
	if la != 0 && s.lanes.items[la].opens <= now {
		delete(s.byLane, s.lanes.items[la].key)
	} else {
		la = s.lanes.take()
		s.unused.push(&s.idle, la)
	}
	s.lanes.items[la] = lane{key: key}
	s.govern(&s.lanes.items[la])
	s.byLane[key] = la
	return la
}

// raise makes the entry owe at least a number of rounds. An entry that is
// waiting keeps its place: whoever begins again and again must not push the end
// of the queue back.
func (s *Schedule) raise(now time.Duration, e int32, rounds int, class uint8) {
	en := &s.entries.items[e]
	if rounds <= en.left {
		return
	}
	s.pending += rounds - en.left
	en.left = rounds
	if en.class == notWaiting {
		s.enqueue(now, e, class)
	}
}

// enqueue puts the entry at the end of its queue, its flow at the end of the
// lane's turns and the lane at the end of the open ones if they were not there.
func (s *Schedule) enqueue(now time.Duration, e int32, class uint8) {
	en := &s.entries.items[e]
	en.class = class
	f := &s.flows.items[en.flow]
	if f.waiting[class].empty() {
		la := &s.lanes.items[f.lane]
		if la.waiting[class].empty() && !la.closed {
			if now < la.opens {
				la.closed = true
				s.closed.set(f.lane, la.opens)
			} else {
				s.open[class].push(&s.ready[class], f.lane)
			}
		}
		s.turns[class].push(&la.waiting[class], en.flow)
	}
	s.queue.push(&f.waiting[class], e)
}

// dequeue takes the entry out of the queue, if it is waiting, and undoes the
// rest of enqueue where nothing else is waiting.
func (s *Schedule) dequeue(e int32) {
	en := &s.entries.items[e]
	class := en.class
	if class == notWaiting {
		return
	}
	en.class = notWaiting
	f := &s.flows.items[en.flow]
	s.queue.remove(&f.waiting[class], e)
	if !f.waiting[class].empty() {
		return
	}
	la := &s.lanes.items[f.lane]
	s.turns[class].remove(&la.waiting[class], en.flow)
	if !la.waiting[class].empty() {
		return
	}
	if !la.closed {
		s.open[class].remove(&s.ready[class], f.lane)
	} else if la.waiting[1-class].empty() {
		la.closed = false
		s.closed.set(f.lane, never)
	}
}

// pick takes the entry whose turn it is, counts its announcement and returns
// it, or 0 when nothing may leave now.
func (s *Schedule) pick(now time.Duration) int32 {
	class := uint8(classFirst)
	if s.ready[classFirst].empty() {
		class = classAgain
	}
	l := s.ready[class].head
	if l == 0 {
		return 0
	}
	la := &s.lanes.items[l]
	fl := la.waiting[class].head
	f := &s.flows.items[fl]
	e := f.waiting[class].head

	s.dequeue(e)
	if !f.waiting[class].empty() { // to the end of the lane's turns
		s.turns[class].remove(&la.waiting[class], fl)
		s.turns[class].push(&la.waiting[class], fl)
	}
	if !la.waiting[class].empty() { // to the end of the open lanes
		s.open[class].remove(&s.ready[class], l)
		s.open[class].push(&s.ready[class], l)
	}
	s.pending--
	if s.entries.items[e].left--; s.entries.items[e].left > 0 {
		s.enqueue(now, e, classAgain)
	}
	s.pace(now, l, f.instance)
	return e
}

// pace closes the lane for the interval that follows an announcement.
func (s *Schedule) pace(now time.Duration, l, in int32) {
	la := &s.lanes.items[l]
	settings := &s.instances.items[in].settings
	gap := settings.Interval
	if la.key.v6 {
		gap = settings.NAInterval
	}
	if la.grouped {
		gap = la.gap
	}
	if gap <= 0 {
		return
	}
	la.opens = now + gap
	for class := range la.waiting {
		if !la.waiting[class].empty() {
			s.open[class].remove(&s.ready[class], l)
			la.closed = true
		}
	}
	if la.closed {
		s.closed.set(l, la.opens)
	}
}

// reopen lets the lane, whose time has come, send again.
func (s *Schedule) reopen(l int32) {
	s.closed.set(l, never)
	la := &s.lanes.items[l]
	la.closed = false
	for class := range la.waiting {
		if !la.waiting[class].empty() {
			s.open[class].push(&s.ready[class], l)
		}
	}
}
