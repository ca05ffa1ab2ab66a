package arp

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// The distances of bursts that a master of lower priority provokes. keepalived
// has no such limit, so the numbers are our own: the first distance is longer
// than any round a sender needs, the last is the default advertisement interval
// (RFC 9568, 5.2.7), so that at one advert a second each is answered as
// keepalived does.
const (
	provokedGapMin = 100 * time.Millisecond
	provokedGapMax = time.Second
	provokedQuiet  = 2 * time.Second
)

// Schedule decides which announcement is due when. It is a pure value: it reads
// no clock and sends nothing. All times are those of one monotonic clock of the
// caller's choice and must not go back. It is owned by one goroutine.
//
// What is outstanding is bounded by the addresses, not by the calls: see Begin.
type Schedule struct {
	instances slots[instance]
	entries   slots[entry]
	flows     slots[flow]
	lanes     slots[lane]

	byID      map[uint32]int32
	byAddress map[addressKey]int32 // the first entry; others by entry.sibling
	byLane    map[laneKey]int32
	groups    []Group

	members  chain    // entries of an instance, in the order of their targets
	queue    chain    // entries of a flow that are waiting
	siblings chain    // flows of an instance
	turns    [2]chain // flows of a lane that have waiting entries, by class
	open     [2]chain // lanes that may send and have waiting entries, by class
	unused   chain    // lanes without flows

	ready  [2]list   // of open
	idle   list      // of unused
	timers deadlines // by instance
	closed deadlines // by lane: lanes with waiting entries that must wait

	now     time.Duration // the latest time that the caller gave
	pending int
}

// The two classes of waiting announcements.
const (
	classFirst = iota // the first of a burst
	classAgain        // repetitions, second bursts and refreshes
	notWaiting
)

// instance is one virtual router that is master.
type instance struct {
	id       uint32
	settings Settings
	members  list // of entries
	flows    list
	count    int // of members

	refresh time.Duration // next refresh, or never
	second  time.Duration // earliest entry.second

	provoked     bool          // a burst that was put off begins at provokedNext
	provokedNext time.Duration // no provoked burst before this
	provokedGap  time.Duration // distance after the last one, 0 when there was none
}

// entry is one target of an instance.
type entry struct {
	target       Target
	instance     int32
	flow         int32
	sibling      int32         // next entry with the same address, on another link
	class        uint8         // of the queue it waits in, or notWaiting
	left         int           // announcements owed now
	second       time.Duration // begin of the later burst, or never
	secondRounds int
}

// addressKey is an address of an instance. It is plain memory, because hashing a
// netip.Addr was the largest part of taking over 1,000 addresses.
type addressKey struct {
	high, low, instance uint64
}

// addressOf returns the key of a valid address in its normal form.
func addressOf(in int32, addr netip.Addr) addressKey {
	b := addr.As16()
	return addressKey{
		high: binary.BigEndian.Uint64(b[:8]), low: binary.BigEndian.Uint64(b[8:]), instance: uint64(in),
	}
}

// NewSchedule returns a schedule in which nothing is due.
func NewSchedule() *Schedule {
	return &Schedule{
		byID:      make(map[uint32]int32),
		byAddress: make(map[addressKey]int32),
		byLane:    make(map[laneKey]int32),
	}
}

// Begin starts a burst of the instance id at the time now, for the reason
// cause: rounds over the targets, and the same again after a delay, both as
// [Settings] and [Cause] say. No targets means all that the instance has, but
// with CauseAdded it means none; CauseLowerPriority always means all, those given
// included. The instance is known from its first Begin until Stop; so long its
// settings are in force and its refreshes run, if Settings.Refresh asks for
// them. Later calls that do not change the period keep the phase.
//
// Begin never takes addresses away; StopAddr does. A target whose address and
// link are known gets the hardware address, the Router flag and the group now
// given. Targets without a valid address or link are ignored.
//
// While a burst is going on Begin merges: each address owes what is left of the
// old burst or the new one, whichever is more, and one later burst, at the later
// of both times. So no sequence of calls makes an address owe more than one
// burst now and one later. A provoked burst ([CauseLowerPriority]) that comes
// too soon after the one before waits; while it does, further ones change
// nothing.
func (s *Schedule) Begin(now time.Duration, id uint32, cause Cause, set Settings, targets []Target) {
	now = s.tick(now)
	in := s.instance(now, id, set)
	defer s.arm(in)
	if cause == CauseLowerPriority && s.instances.items[in].provoked {
		return
	}
	var rounds int
	var delay time.Duration
	class := uint8(classFirst)
	switch cause {
	case CauseMaster, CauseAdded:
		rounds, delay = max(set.Repeat, 1), set.Delay
	case CauseLowerPriority: // all addresses, below
	case CauseRefresh:
		rounds, class = max(set.RefreshRepeat, 1), classAgain
	default:
		panic("arp: begin with unknown " + cause.String())
	}
	for i := range targets {
		if e := s.learn(now, in, targets[i]); e != 0 {
			s.owe(now, e, rounds, delay, class)
		}
	}
	inst := &s.instances.items[in]
	switch {
	case cause == CauseLowerPriority && set.LowerPrioRepeat <= 0:
	case cause == CauseLowerPriority && now < inst.provokedNext:
		inst.provoked = true
	case cause == CauseLowerPriority:
		s.provoke(now, in)
	case len(targets) == 0 && cause != CauseAdded:
		s.burst(now, in, rounds, delay, class)
	}
}

// Configure puts other settings in force for the instance id without announcing
// anything: a reload. An unknown instance is ignored.
func (s *Schedule) Configure(now time.Duration, id uint32, set Settings) {
	now = s.tick(now)
	if in, known := s.byID[id]; known {
		s.configure(now, in, set)
		s.arm(in)
	}
}

// Stop ends everything of the instance id, which is not master any more:
// nothing of it is handed out after this call. The pacing of its links is not
// forgotten. An unknown instance is ignored.
func (s *Schedule) Stop(id uint32) {
	in, known := s.byID[id]
	if !known {
		return
	}
	inst := &s.instances.items[in]
	for !inst.members.empty() {
		s.forget(inst.members.head)
	}
	s.timers.set(in, never)
	delete(s.byID, id)
	s.instances.give(in)
}

// StopAddr ends everything of one address of the instance id, on all links. An
// unknown instance or address is ignored.
func (s *Schedule) StopAddr(id uint32, addr netip.Addr) {
	in, known := s.byID[id]
	if !known || !addr.IsValid() {
		return
	}
	key := addressOf(in, normal(addr))
	for e := s.byAddress[key]; e != 0; e = s.byAddress[key] {
		s.forget(e)
	}
	s.arm(in)
}

// Next returns the time at which Due should be called, and whether there is
// one. When announcements are waiting that may leave, it is a time that has
// passed already.
func (s *Schedule) Next() (time.Duration, bool) {
	at, _ := s.timers.earliest()
	if opens, _ := s.closed.earliest(); opens < at {
		at = opens
	}
	if !s.ready[classFirst].empty() || !s.ready[classAgain].empty() {
		at = min(at, s.now)
	}
	return at, at != never
}

// Due hands out the announcements that are due at the time now, at most max of
// them, by calling emit for each, and returns how many. First announcements of a
// burst come before repetitions; instances take turns; no more than pacing
// allows. What is left over is handed out by later calls, and Next says so.
// The function emit must not call the schedule.
func (s *Schedule) Due(now time.Duration, max int, emit func(Target)) int {
	now = s.tick(now)
	for at, in := s.timers.earliest(); at <= now; at, in = s.timers.earliest() {
		s.fire(now, in)
	}
	for at, la := s.closed.earliest(); at <= now; at, la = s.closed.earliest() {
		s.reopen(la)
	}
	n := 0
	for n < max {
		e := s.pick(now)
		if e == 0 {
			break
		}
		emit(s.entries.items[e].target)
		n++
	}
	return n
}

// Pending returns how many announcements are waiting, those not counted whose
// time has not come yet.
func (s *Schedule) Pending() int { return s.pending }

// Clone returns a copy that shares nothing with s.
func (s *Schedule) Clone() *Schedule {
	c := *s
	c.instances, c.entries = s.instances.clone(), s.entries.clone()
	c.flows, c.lanes = s.flows.clone(), s.lanes.clone()
	c.byID, c.byAddress, c.byLane = maps.Clone(s.byID), maps.Clone(s.byAddress), maps.Clone(s.byLane)
	c.groups = slices.Clone(s.groups)
	c.members, c.queue, c.siblings = s.members.clone(), s.queue.clone(), s.siblings.clone()
	c.unused = s.unused.clone()
	for class := range s.turns {
		c.turns[class], c.open[class] = s.turns[class].clone(), s.open[class].clone()
	}
	c.timers, c.closed = s.timers.clone(), s.closed.clone()
	return &c
}

// tick notes the time that the caller gave. A time that goes back counts as the
// latest one: the lists rely on it.
func (s *Schedule) tick(now time.Duration) time.Duration {
	s.now = max(s.now, now)
	return s.now
}

// instance returns the index of the instance id, which now has the settings
// set, and makes it known when it is not.
func (s *Schedule) instance(now time.Duration, id uint32, set Settings) int32 {
	in, known := s.byID[id]
	if !known {
		in = s.instances.take()
		s.byID[id] = in
		s.instances.items[in] = instance{id: id, refresh: never, second: never}
	}
	s.configure(now, in, set)
	return in
}

func (s *Schedule) configure(now time.Duration, in int32, set Settings) {
	inst := &s.instances.items[in]
	if set.Refresh <= 0 {
		inst.refresh = never
	} else if set.Refresh != inst.settings.Refresh {
		inst.refresh = now + set.Refresh
	}
	inst.settings = set
}

// burst makes every entry of the instance owe what owe says.
func (s *Schedule) burst(now time.Duration, in int32, rounds int, delay time.Duration, class uint8) {
	for e := s.instances.items[in].members.head; e != 0; e = s.members.next(e) {
		s.owe(now, e, rounds, delay, class)
	}
}

// owe makes the entry owe a number of rounds now, and as many again after the
// delay if that is positive.
func (s *Schedule) owe(now time.Duration, e int32, rounds int, delay time.Duration, class uint8) {
	if rounds <= 0 {
		return
	}
	s.raise(now, e, rounds, class)
	if delay <= 0 {
		return
	}
	en := &s.entries.items[e]
	if en.second == never || en.second < now+delay {
		en.second = now + delay
	}
	en.secondRounds = max(en.secondRounds, rounds)
	inst := &s.instances.items[en.instance]
	inst.second = min(inst.second, en.second)
}

// provoke begins a burst over all entries because of a lower-priority master.
func (s *Schedule) provoke(now time.Duration, in int32) {
	inst := &s.instances.items[in]
	if inst.provokedGap == 0 || now >= inst.provokedNext-inst.provokedGap+provokedQuiet {
		inst.provokedGap = provokedGapMin
	} else {
		inst.provokedGap = min(2*inst.provokedGap, provokedGapMax)
	}
	inst.provokedNext = now + inst.provokedGap
	inst.provoked = false
	s.burst(now, in, inst.settings.LowerPrioRepeat, inst.settings.LowerPrioDelay, classFirst)
}

// arm sets the timer of the instance to its earliest deadline.
func (s *Schedule) arm(in int32) {
	inst := &s.instances.items[in]
	at := never
	if inst.count > 0 {
		at = min(inst.refresh, inst.second)
		if inst.provoked {
			at = min(at, inst.provokedNext)
		}
	}
	s.timers.set(in, at)
}

// fire does what is due for the instance, whose timer has run out.
func (s *Schedule) fire(now time.Duration, in int32) {
	inst := &s.instances.items[in]
	if inst.second <= now {
		s.beginSecond(now, in)
	}
	if inst.provoked && inst.provokedNext <= now {
		s.provoke(now, in)
	}
	if inst.refresh <= now {
		s.burst(now, in, inst.settings.RefreshRepeat, 0, classAgain)
		// The phase is kept, but what was slept through is not made up for.
		inst.refresh += (now - inst.refresh + inst.settings.Refresh) / inst.settings.Refresh * inst.settings.Refresh
	}
	s.arm(in)
}

// beginSecond begins the second bursts that are due. It looks at all entries of
// the instance, once for every different time at which bursts began.
func (s *Schedule) beginSecond(now time.Duration, in int32) {
	inst := &s.instances.items[in]
	inst.second = never
	for e := inst.members.head; e != 0; e = s.members.next(e) {
		en := &s.entries.items[e]
		if en.second > now {
			inst.second = min(inst.second, en.second)
			continue
		}
		rounds := en.secondRounds
		en.second, en.secondRounds = never, 0
		s.raise(now, e, rounds, classAgain)
	}
}
