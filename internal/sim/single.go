package sim

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"hakeep/vrrp"
)

// singleFault injects one fault into a quiet world, of which it is known what
// must or must not follow, and lets it pass.
func (w *World) singleFault(rng *rand.Rand) error {
	w.mon.quietSince = w.now
	var err error
	if rng.IntN(2) == 0 {
		err = w.loseMaster(rng)
	} else {
		err = w.disturb(rng)
	}
	if err != nil {
		return err
	}
	w.stats.Singles++
	return nil
}

// masterOf returns the master of a virtual router that somebody could follow.
func (w *World) pickMaster(rng *rand.Rand) *seat {
	var all []*seat
	for _, vr := range w.mon.vrs {
		for _, s := range vr.seats {
			if s.state == vrrp.Master && len(vr.seats) > 1 {
				all = append(all, s)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[rng.IntN(len(all))]
}

// loseMaster lets a host fail that is master of something, and looks whether
// there is another master in time.
func (w *World) loseMaster(rng *rand.Rand) error {
	s := w.pickMaster(rng)
	if s == nil {
		return nil
	}
	h := s.host
	kind := [...]FaultKind{FaultPower, FaultKill, FaultLeave, FaultLeave, FaultStandby, FaultPort, FaultStall, FaultPause, FaultFreeze}[rng.IntN(9)]
	longest := time.Duration(0)
	for _, vr := range w.mon.vrs {
		for _, m := range vr.seats {
			if m.host != h || m.state != vrrp.Master {
				continue
			}
			bound, somebody := w.gapBound(vr, m, kind)
			if !somebody {
				continue
			}
			longest = max(longest, bound)
			w.at(w.now+bound, func() { w.checkGap(vr, m, kind, bound) })
		}
	}
	length := longest + w.within(longest/4, 2*longest)
	w.mon.seamless = nil
	if kind == FaultLeave || kind == FaultStandby {
		w.mon.seamless = w.seamlessAddrs(h)
	}
	w.Inject(&Fault{Kind: kind, Host: h.index, N: -1, For: length})
	err := w.quiet(0, length)
	w.mon.seamless = nil
	return err
}

// seamlessAddrs are the addresses that have to be somewhere all the time while
// h gives mastership up in a planned way, and takes it back.
func (w *World) seamlessAddrs(h *Host) map[netip.Addr]*virtualRouter {
	all := make(map[netip.Addr]*virtualRouter)
	for _, vr := range w.mon.vrs {
		var addrs []netip.Addr
		fit := len(vr.seats) > 1
		for _, s := range vr.seats {
			p := s.p
			fit = fit && p.PlannedMoves && !s.standby && !p.StartMaster && p.SyncGroup == ""
			if addrs == nil {
				addrs = s.inst().addrs()
			}
			fit = fit && slices.Equal(addrs, s.inst().addrs())
		}
		if fit {
			for _, a := range addrs {
				all[a] = vr
			}
		}
	}
	return all
}

// seatOf is the part of a host in the virtual router; nil if it has none.
func (vr *virtualRouter) seatOf(h *Host) *seat {
	for _, s := range vr.seats {
		if s.host == h {
			return s
		}
	}
	return nil
}

func (s *seat) inst() *Instance { return s.host.proc.members[s.id].inst }

// gapBound is the longest time without a master after m fails in this way.
func (w *World) gapBound(vr *virtualRouter, m *seat, kind FaultKind) (bound time.Duration, somebody bool) {
	bound = vrrp.Forever
	for _, s := range vr.seats {
		if s == m || s.state != vrrp.Backup || s.standby {
			continue
		}
		somebody = true
		wait := time.Duration(0)
		for _, o := range s.host.proc.seats {
			if o == s || s.p.SyncGroup != "" && o.p.SyncGroup == s.p.SyncGroup {
				wait = max(wait, o.waitAfter(o.vr.seatOf(m.host), kind))
			}
		}
		if s.p.PlannedMoves && s.p.SyncGroup != "" {
			// A member that was ready to pre-empt puts its addresses in place first.
			wait += w.bounds.Install + 2*w.bounds.Lateness
		}
		// The clock of the backup may be slow.
		bound = min(bound, wait+wait/500+w.mon.slack(s.host.proc))
	}
	// The last advert, or the leave, is on its way, and was read late.
	return bound + 2*w.bounds.Lateness + w.bounds.MaxDelay, somebody
}

// waitAfter is how long a backup waits after its master m has failed.
func (s *seat) waitAfter(m *seat, kind FaultKind) time.Duration {
	if m == nil || kind != FaultLeave && kind != FaultStandby {
		return masterDown(s.p, s.priority, s.learned)
	}
	learned := s.learned
	if p := m.p; p.PlannedMoves && p.Version == vrrp.V3 && p.LeaveInterval > 0 {
		learned = min(learned, p.LeaveInterval)
	}
	return skew(s.p, s.priority, learned)
}

func (w *World) checkGap(vr *virtualRouter, m *seat, kind FaultKind, bound time.Duration) {
	for _, s := range vr.seats {
		if s != m && s.state == vrrp.Master {
			return
		}
	}
	w.mon.fail(InvGap, m, "nobody is master %v after %v of the master", bound, kind)
}

// disturb does something that must not change a state.
func (w *World) disturb(rng *rand.Rand) error {
	s := w.pickMaster(rng)
	if s == nil {
		return nil
	}
	f := w.disturbance(rng, s)
	if rng.IntN(8) == 0 {
		f = w.crash(rng, s.host)
	}
	if f == nil {
		return nil
	}
	m := w.mon
	m.isStill = true
	clear(m.still)
	switch f.Kind {
	case FaultPower, FaultKill, FaultLeave, FaultPort:
		m.still[w.hosts[f.Host]] = true
	}
	w.Inject(f)
	err := w.quiet(0, f.At+f.For)
	m.isStill = false
	return err
}

// disturbance chooses something harmless near the master s.
func (w *World) disturbance(rng *rand.Rand, s *seat) *Fault {
	i := s.p.Interval
	switch rng.IntN(8) {
	case 7:
		if h := w.bystander(rng); h != nil {
			return &Fault{Kind: FaultPause, Host: h.index, For: w.pauseLength(rng, h, s)}
		}
		return nil
	case 6:
		return &Fault{Kind: FaultUpgrade, Host: rng.IntN(len(w.hosts)), At: w.within(0, i), For: w.within(0, w.shortest()/4)}
	case 0:
		return &Fault{Kind: FaultReload, Host: rng.IntN(len(w.hosts)), At: w.within(0, i)}
	case 1:
		return &Fault{Kind: FaultDup, P: 1, Time: w.shortest() / 4, For: 10 * i}
	case 2:
		return &Fault{Kind: FaultHold, P: 0.5, Time: w.shortest() / 4, For: 10 * i}
	case 3:
		return w.dropSome(rng, s)
	}
	h := w.bystander(rng)
	if h == nil {
		return nil
	}
	kind := [...]FaultKind{FaultPower, FaultKill, FaultLeave, FaultPort, FaultStall, FaultFreeze, FaultPause, FaultPause}[rng.IntN(8)]
	length := w.within(i, 20*i)
	switch kind {
	case FaultPause:
		return &Fault{Kind: kind, Host: h.index, For: w.pauseLength(rng, h, s)}
	case FaultPower, FaultKill, FaultLeave, FaultPort:
		for _, s := range h.proc.seats {
			if !w.hearsInTime(s) {
				return nil
			}
		}
	}
	return &Fault{Kind: kind, Host: h.index, At: w.within(0, i), For: length}
}

// hearsInTime reports whether a backup that starts anew surely hears its master
// before its timer ends. It has only its own interval then: a slower master it
// may take for dead, which RFC 9568, 5.2.7, warns of.
func (w *World) hearsInTime(s *seat) bool {
	for _, m := range s.vr.seats {
		if m.state == vrrp.Master && m != s {
			// The clock of one may be fast and that of the other one slow.
			next := m.p.Interval + m.p.Interval/500 + w.mon.slack(m.host.proc) + 2*w.bounds.Lateness + w.bounds.MaxDelay
			return next < masterDown(s.p, s.priority, s.p.Interval)
		}
	}
	return true
}

// crash kills the process of a master for so short a time that it must go on as
// master of everything that it was master of, and nobody else may notice.
func (w *World) crash(rng *rand.Rand, h *Host) *Fault {
	left := vrrp.Forever
	for _, vr := range w.mon.vrs {
		s := vr.seatOf(h)
		switch {
		case s == nil:
		case s.standby || s.state != vrrp.Master && (s.p.StartMaster || !w.hearsInTime(s)) || s.p.AwaitTracking:
			return nil
		case s.state == vrrp.Master:
			end := s.sent + time.Duration(s.p.DownAdverts)*s.p.Interval - max(s.p.Interval/10, 10*time.Millisecond)
			left = min(left, end-end/1000000-h.local())
		}
	}
	if left -= 2*w.mon.slack(h.proc) + 4*w.bounds.Lateness + w.bounds.Install; left <= 0 || left >= vrrp.Forever/2 {
		return nil
	}
	return &Fault{Kind: FaultKill, Host: h.index, For: max(w.within(0, left-left/500), 1)}
}

// shortest is the shortest interval of all.
func (w *World) shortest() time.Duration {
	d := vrrp.Forever
	for _, vr := range w.mon.vrs {
		for _, s := range vr.seats {
			d = min(d, s.p.Interval)
		}
	}
	return d
}

// dropSome loses as many adverts in a row as every backup must bear with time
// to spare.
func (w *World) dropSome(rng *rand.Rand, m *seat) *Fault {
	fewest := vrrp.DefaultDownAdverts
	for _, vr := range w.mon.vrs {
		for _, s := range vr.seats {
			fewest = min(fewest, s.p.DownAdverts)
		}
	}
	to := m.vr.seats[rng.IntN(len(m.vr.seats))]
	if to == m || fewest < 3 {
		return nil
	}
	return &Fault{Kind: FaultDrop, From: []node{m.host.node()}, To: []node{to.host.node()}, N: 1 + rng.IntN(fewest-2), For: 3 * m.p.Interval}
}

// bystander is a running host that is master of nothing and would not take
// anything over when it starts again.
func (w *World) bystander(rng *rand.Rand) *Host {
	var all []*Host
	for _, h := range w.hosts {
		if h.power != powerOn || h.proc == nil || len(h.proc.seats) == 0 {
			continue
		}
		fit := true
		for _, vr := range w.mon.vrs {
			for _, s := range vr.seats {
				if s.host == h && (s.state != vrrp.Backup || s.p.StartMaster || s.standby) {
					fit = false
				}
			}
		}
		if fit {
			all = append(all, h)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[rng.IntN(len(all))]
}

// pauseLength is how long a backup may be paused without being able to think
// that its master is silent: so short that its timer goes on for an interval
// after it, or so long that it must know that it was not running.
func (w *World) pauseLength(rng *rand.Rand, h *Host, m *seat) time.Duration {
	short, long := vrrp.Forever, time.Duration(0)
	for _, vr := range w.mon.vrs {
		for _, s := range vr.seats {
			if s.host != h {
				continue
			}
			short = min(short, time.Duration(s.p.DownAdverts-2)*s.learned)
			long = max(long, masterDown(s.p, s.priority, s.learned)+s.learned)
		}
	}
	if short > 0 && rng.IntN(3) == 0 {
		return w.within(0, short)
	}
	length := w.within(long+long/50, 3*long)
	if rng.IntN(2) == 0 {
		// It ends just after an advert of m was missed: the next one is far.
		since := w.now - m.host.clock.world(m.sent)
		length += m.p.Interval - (length+since)%m.p.Interval + w.within(0, w.bounds.MaxDelay)
	}
	return length
}

// quiet lets d pass and then the settling time, and examines what it led to.
func (w *World) quiet(longest, d time.Duration) error {
	if err := w.Run(d + w.mon.settleTime(longest)); err != nil {
		return err
	}
	if w.mon.active > 0 || !w.net.perfect() {
		panic("sim: a fault does not end")
	}
	return w.mon.settled()
}
