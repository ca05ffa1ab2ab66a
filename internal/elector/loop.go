package elector

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/arp"
	"hakeep/internal/acd"
	"hakeep/internal/cpus"
	"hakeep/internal/netif"
	"hakeep/internal/wire"
	"hakeep/vrrp"
	"hakeep/vrrp/vrrpnet"
)

const (
	// burst is how many adverts, or how many announcements, leave within
	// burstGap: the receive buffer of a peer's raw socket holds about 256. The
	// kernel takes some 10 µs for each, and another advert has to wait for them.
	burst    = 16
	burstGap = 250 * time.Microsecond

	// receiveBudget and receiveRounds bound what is read from the sockets before
	// timers get their turn.
	receiveBudget = 1024
	receiveRounds = 8

	// vigil is how long before a backup would take over the loop is awake, looking
	// for adverts: an idle CPU takes about as long to wake up. Adverts in time put
	// that off, so this is spent only when they fail to come.
	vigil = 100 * time.Microsecond

	// noticeGap is the least time between two notices of the same kind about
	// the same instance.
	noticeGap = time.Minute

	// guardGap is how long changes of the addresses that nobody else may use are
	// gathered. What others say of an address counts two seconds later (package acd).
	guardGap = 50 * time.Millisecond
)

// sockets is what the loop needs of vrrpnet.Net.
type sockets interface {
	Sync(want []vrrpnet.Endpoint) error
	Forget(link int)
	PollFD() int
	RecvReady(budget int, f func(*vrrpnet.Datagram)) (count int, more bool, err error)
	QueuePrepared(p *vrrpnet.Prepared) bool
	Flush() (sent int, err error)
	Stats() vrrpnet.Stats
}

// announcer is what the loop needs of arp.Sender.
type announcer interface {
	Room() int
	Queue(t arp.Target) bool
	Flush() (sent int, err error)
	Dropped() uint64
}

var (
	_ sockets   = (*vrrpnet.Net)(nil)
	_ announcer = (*arp.Sender)(nil)
)

// loop is the real-time thread's state. Nobody else touches it but its relief, and
// the two take turns.
type loop struct {
	turns  sync.Mutex // held in a turn
	relief *relief    // nil where there is none
	waits  waits

	clock   clock
	router  *vrrp.Router
	sockets sockets
	sender  announcer
	sched   *arp.Schedule
	inbox   *inbox
	journal *journal
	addrs   *desiredSlot
	// marks says who may go on as master after the death of both processes, nil if
	// nobody may; marking are members whose adverts are about to leave, and found
	// are the marks of an earlier process until the first configuration.
	marks   *marks
	marking []*member
	found   map[identity]time.Duration
	onDone  func() // called when the planned leave is complete
	guard   func([]acd.Address)

	config *wire.Config
	// byParams are the instances of config that are new or were changed by it, by what
	// the Router knows of them.
	byParams map[*vrrp.Params]*wire.Instance
	members  map[vrrp.ID]*member
	byKey    map[netif.Key]vrrp.ID // who an address belongs to
	// installing are instances whose addresses are not all in the kernel yet, or of
	// which the Router does not know it. touched are those to be looked at for that,
	// ready those that are complete.
	installing     map[vrrp.ID]bool
	touched, ready []vrrp.ID
	// adding are instances whose addresses are desired from this turn on.
	adding    []vrrp.ID
	links     map[int]string // names by index
	delays    linkDelays
	stats     stats
	takeovers takeovers
	lingers   lingers
	started   time.Time
	rt        realtime

	advert      vrrp.AdvertReceived // the one being stepped
	receive     func(*vrrpnet.Datagram)
	announce    func(arp.Target)
	spare       []any
	states      []vrrp.InstanceState // see snapshots
	ends        []vrrpnet.Endpoint   // that the sockets serve, nil if some they cannot
	socketsDue  bool                 // endpoints have changed
	addrsDue    bool                 // desired addresses have changed
	guardDue    bool                 // the addresses that nobody else may use have changed
	guardNext   time.Duration
	overdue     time.Duration // by which the next deadline has passed, until it is counted
	paced       bool          // instances are due that the last turn left over
	advertsNext time.Duration
	arpNext     time.Duration
	stopping    bool
	done        bool
}

func newLoop(c clock, s sockets, a announcer, box *inbox, j *journal, slot *desiredSlot) *loop {
	l := &loop{
		clock: c, router: vrrp.NewRouter(), sockets: s, sender: a, sched: arp.NewSchedule(),
		inbox: box, journal: j, addrs: slot, config: &wire.Config{},
		members: map[vrrp.ID]*member{}, byKey: map[netif.Key]vrrp.ID{}, installing: map[vrrp.ID]bool{}, links: map[int]string{},
		delays:  newLinkDelays(),
		started: time.Now(), takeovers: takeovers{running: map[vrrp.ID]takeover{}},
		guard: func([]acd.Address) {},
	}
	l.receive = l.datagram
	l.waits.wake = func() {
		l.inbox.post(wakeMsg{})
		l.relief.ring()
	}
	l.announce = func(t arp.Target) { l.sender.Queue(t) }
	return l
}

// run is the loop. It returns when the elector has left in a planned way.
func (l *loop) run() error {
	defer l.relief.leave()
	runtime.LockOSThread() // never unlocked: the thread has a priority of its own
	if l.rt.granted {
		if err := setFIFO(priorityLoop); err != nil {
			return fmt.Errorf("set priority of the advert thread: %w", err)
		}
		if err := cpus.Adverts(); err != nil { // a cgroup may have changed; adverts go on
			l.log("warn", err.Error())
		}
	}
	fds := []unix.PollFd{
		{Fd: int32(l.sockets.PollFD()), Events: unix.POLLIN},
		{Fd: int32(l.inbox.bell.fd), Events: unix.POLLIN},
	}
	l.turns.Lock()
	defer l.turns.Unlock()
	w := waiter{waits: &l.waits}
	for due := l.nextDue(); !l.done; due = l.nextDue() {
		if err := l.sleep(&w, fds, due); err != nil {
			return err
		}
		l.turn()
	}
	return nil
}

// turn does everything that is due now: what came in first, then the timers.
func (l *loop) turn() {
	l.noteOverdue()
	l.drain()
	l.spare = l.inbox.take(l.spare)
	for i, msg := range l.spare {
		l.handle(msg)
		l.spare[i] = nil
	}
	l.tellInstalled()
	l.timers()
	l.endTurn()
}

// endTurn carries out what follows from the steps of a turn.
func (l *loop) endTurn() {
	if l.overdue > 0 {
		l.stats.lateness.add(l.overdue)
	}
	if l.socketsDue {
		l.syncSockets()
	}
	l.tellAdded() // the address thread works while adverts leave
	l.flush()
	l.tellDesired()
	l.announcements()
	l.tellGuarded()
	l.journal.signal()
}

// noteOverdue notes how late the loop is for a deadline: it was too late, even if
// what has come in meanwhile puts the deadline off.
func (l *loop) noteOverdue() {
	l.overdue = 0
	now := l.clock.now()
	if due, ok := l.router.NextDeadline(); ok && !l.paced && now >= l.advertsNext {
		l.overdue = now - due
	}
}

// drain steps every advert that has arrived, within bounds: a flood must not
// keep a master from advertising.
func (l *loop) drain() {
	for range receiveRounds {
		_, more, err := l.sockets.RecvReady(receiveBudget, l.receive)
		if err != nil {
			l.stats.receiveErrors++
		}
		if !more {
			return
		}
	}
}

// datagram steps one packet.
func (l *loop) datagram(d *vrrpnet.Datagram) {
	l.advert = vrrp.AdvertReceived{Link: d.Link, Src: d.Src, Dst: d.Dst, TTL: d.TTL, Payload: d.Payload}
	now := l.clock.now()
	l.act(now, l.router.Step(now, &l.advert))
}

// timers lets what is due act, a bounded number of instances at a time. Before
// a backup takes over, the sockets are looked at once more: the thread may have
// been off the CPU since they were drained.
func (l *loop) timers() {
	now := l.clock.now()
	for _, link := range l.delays.due(now) {
		l.act(now, l.router.Step(now, vrrp.LinkChanged{Link: link}))
	}
	due, ok := l.router.NextDeadline()
	if !ok || due > now || now < l.advertsNext {
		return
	}
	if !l.paced {
		l.overdue = max(l.overdue, now-due)
	}
	if l.router.TakeoverDue(now) {
		l.drain()
		now = l.clock.now()
		if due, ok = l.router.NextDeadline(); !ok || due > now {
			return
		}
		if !l.paced {
			l.overdue = max(l.overdue, now-due)
		}
	}
	l.act(now, l.router.Step(now, vrrp.Timeout{Limit: burst, Paced: l.paced}))
	due, ok = l.router.NextDeadline()
	l.paced = ok && due <= now
	if l.paced {
		l.advertsNext = now + burstGap
	}
}

// flush sends what is queued.
func (l *loop) flush() {
	if len(l.marking) > 0 {
		defer l.storeMarks(sinceBoot())
	}
	if _, err := l.sockets.Flush(); err != nil {
		l.stats.sendErrors++ // the sockets count each kind
	}
	if len(l.takeovers.unsent) > 0 {
		l.takeovers.flushed(l.clock.now())
	}
}

// announcements sends what is due of them.
func (l *loop) announcements() {
	now := l.clock.now()
	if at, ok := l.sched.Next(); !ok || at > now {
		l.takeovers.sent(now) // nothing is left to send
		return
	}
	if now < l.arpNext {
		return
	}
	n := l.sched.Due(now, min(burst, l.sender.Room()), l.announce)
	if _, err := l.sender.Flush(); err != nil {
		l.stats.announceErrors++
	}
	if n >= burst {
		l.arpNext = now + burstGap
		return
	}
	l.takeovers.sent(l.clock.now())
}

// handle acts on one message of another thread.
func (l *loop) handle(msg any) {
	now := l.clock.now()
	switch m := msg.(type) {
	case linksMsg:
		for _, index := range m.deleted {
			l.sockets.Forget(index)
		}
		for _, name := range m.gone {
			l.delays.gone(name)
			l.act(now, l.router.Step(now, vrrp.LinkGone{Name: name}))
		}
		for i := range m.changed {
			l.links[m.changed[i].Index] = m.changed[i].Name
			l.act(now, l.router.Step(now, vrrp.LinkChanged{Link: l.delays.changed(now, m.changed[i])}))
		}
		l.socketsDue = true
	case addrsMsg:
		l.guardLater()
		l.addressResults(now, m)
	case conflictMsg:
		l.conflict(now, &m.conflict)
	case claimMsg:
		if id, all := l.lingers.claimed(place(m)); all {
			l.act(now, l.router.Step(now, vrrp.WinnerAnnounced{ID: id}))
		}
	case configMsg:
		m.reply <- l.reconfigure(now, m.config)
	case standbyMsg:
		l.standby(now, m)
	case trackedMsg:
		l.tracked(now, m)
	case upgradeMsg:
		m.reply <- l.upgrade(m)
	case snapshotMsg:
		m.reply <- l.snapshot(now, m.brief)
	case shutdownMsg:
		if !l.stopping {
			l.stopping = true
			l.act(now, l.router.Step(now, vrrp.Shutdown{}))
			l.addrsDue = true
		}
	case wakeMsg:
	case quitMsg:
		l.done = true
	default:
		panic(fmt.Sprintf("elector: unknown message %T", msg))
	}
}

// snapshots are the states of the instances, good until the next call.
func (l *loop) snapshots() []vrrp.InstanceState {
	l.states = l.router.Snapshot(l.states[:0])
	return l.states
}

func (l *loop) log(level, text string) {
	l.journal.add(wire.Event{Kind: wire.EventLog, Level: level, Text: text})
}

// addressResults notes what happened to addresses, announces new ones and
// tells the Router of those that others keep removing.
func (l *loop) addressResults(now time.Duration, msg addrsMsg) {
	fresh := map[vrrp.ID][]arp.Target{}
	for _, res := range msg.results {
		if res.item != "" {
			l.itemResult(now, &res)
			continue
		}
		id := l.byKey[res.key]
		m := l.members[id]
		name := ""
		if m != nil {
			name = m.inst.Params.Name
		}
		switch {
		case res.kind == addrFinal:
			l.done = true
			l.onDone()
		case m == nil:
			if res.kind == addrTaken {
				for _, id := range l.followers(res.key.String()) {
					l.act(now, l.router.Step(now, vrrp.AddressTaken{ID: id}))
				}
			}
		case res.kind == addrInstalled:
			m.installed[res.key] = res.target
			l.touched = append(l.touched, id)
			if m.install && !m.silent && res.target.Link != 0 {
				fresh[id] = append(fresh[id], res.target)
			}
		case res.kind == addrRemoved:
			delete(m.installed, res.key)
			l.sched.StopAddr(uint32(id), res.key.Prefix.Addr())
		case res.kind == addrTaken:
			l.act(now, l.router.Step(now, vrrp.AddressTaken{ID: id}))
		}
		if res.text != "" {
			l.journal.put(wire.Event{Kind: wire.EventAddress, Instance: name, Level: res.level, Text: res.text})
		}
	}
	for id, targets := range fresh {
		l.sched.Begin(now, uint32(id), arp.CauseAdded, l.members[id].inst.Announce, targets)
	}
}

// followers are the instances that follow a static item (track_group).
func (l *loop) followers(text string) []vrrp.ID {
	var ids []vrrp.ID
	for id, m := range l.members {
		if slices.Contains(l.config.Static.Followers[text], m.inst.Params.Name) {
			ids = append(ids, id)
		}
	}
	return ids
}

// itemResult notes what happened to a route or rule. Where others keep removing
// it, the instances that want it have a fault, as with an address.
func (l *loop) itemResult(now time.Duration, res *addrResult) {
	name := ""
	for _, id := range res.owners {
		m := l.members[id]
		if m == nil {
			continue
		}
		name = m.inst.Params.Name
		if res.kind == addrInstalled || res.kind == addrRemoved {
			delete(m.refused, res.item)
		} else {
			if m.refused == nil {
				m.refused = map[string]bool{}
			}
			m.refused[res.item] = true
		}
		if res.kind == addrTaken {
			l.act(now, l.router.Step(now, vrrp.AddressTaken{ID: id}))
		}
	}
	if res.text != "" {
		l.journal.put(wire.Event{Kind: wire.EventAddress, Instance: name, Level: res.level, Text: res.text})
	}
}

// announceInstalled announces what an instance has in the kernel already; what
// is still being installed is announced as it gets there.
func (l *loop) announceInstalled(now time.Duration, id vrrp.ID, m *member, cause arp.Cause) {
	targets := make([]arp.Target, 0, len(m.installed))
	for _, a := range m.inst.Addresses {
		if t, ok := m.installed[a.Key()]; ok && t.Link != 0 {
			targets = append(targets, t)
		}
	}
	if len(targets) > 0 {
		l.sched.Begin(now, uint32(id), cause, m.inst.Announce, targets)
	}
}
