package sim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"hakeep/vrrp"
)

// FaultKind is one way in which the world goes wrong, or is changed.
type FaultKind uint8

// The kinds. Those with a duration end by themselves.
const (
	// FaultLoss loses packets with probability P.
	FaultLoss FaultKind = iota + 1
	// FaultDup doubles packets, FaultHold delays some by up to Time more.
	FaultDup
	FaultHold
	// FaultCut stops everything from the nodes From to the nodes To.
	FaultCut
	// FaultDrop loses the next N adverts from From[0] to To[0].
	FaultDrop
	// FaultEcho sends adverts back to their senders, like a looping bridge.
	FaultEcho
	// FaultPort pulls a cable.
	FaultPort
	// FaultKill ends the process, FaultPower the machine, FaultLeave is the
	// planned stop; each starts again at the end.
	FaultKill
	FaultPower
	FaultLeave
	// FaultStall, FaultPause and FaultFreeze stop process, machine, and machine
	// with its clock.
	FaultStall
	FaultPause
	FaultFreeze
	// FaultReload reads the configuration again: N chooses what has changed, 0
	// nothing.
	FaultReload
	// FaultTaken has another program take an address for good.
	FaultTaken
	// FaultSteal removes an address once.
	FaultSteal
	// FaultRenumber takes the host's own addresses away.
	FaultRenumber
	// FaultStandby holds instance N back, or all for -1.
	FaultStandby
	// FaultTracked lets something fail that instance N tracks, with the weight
	// Weight, or with weight 0.
	FaultTracked
	// FaultUpgrade lets the process execute another program, which goes on with
	// its state and new sockets when the time is over.
	FaultUpgrade
	// FaultFlood has a stranger send adverts of any kind.
	FaultFlood
	// FaultForget has clients ask anew.
	FaultForget
)

var faultNames = [...]string{
	FaultLoss: "loss", FaultDup: "dup", FaultHold: "hold", FaultCut: "cut", FaultDrop: "drop", FaultEcho: "echo", FaultPort: "port",
	FaultKill: "kill", FaultPower: "power", FaultLeave: "leave", FaultStall: "stall", FaultPause: "pause", FaultFreeze: "freeze",
	FaultReload: "reload", FaultUpgrade: "upgrade", FaultStandby: "standby", FaultTracked: "tracked", FaultTaken: "taken", FaultSteal: "steal", FaultRenumber: "renumber", FaultFlood: "flood", FaultForget: "forget",
}

func (k FaultKind) String() string {
	if k > 0 && int(k) < len(faultNames) {
		return faultNames[k]
	}
	return "unknown"
}

// Fault is one of them, with what it hits and when.
type Fault struct {
	Kind FaultKind
	// At is counted from the begin of the phase.
	At, For  time.Duration
	Host     int
	P        float64
	N        int
	Weight   int
	Time     time.Duration
	From, To []node
}

func (f *Fault) String() string {
	s := fmt.Sprintf("at %v for %v: %v host %d", f.At, f.For, f.Kind, f.Host)
	if f.P > 0 {
		s += fmt.Sprintf(" p %.2f", f.P)
	}
	if f.N > 0 {
		s += fmt.Sprintf(" n %d", f.N)
	}
	if f.Time > 0 {
		s += fmt.Sprintf(" time %v", f.Time)
	}
	if len(f.From) > 0 {
		s += fmt.Sprintf(" from %v to %v", f.From, f.To)
	}
	return s
}

// Inject plans a fault, its time being counted from now.
func (w *World) Inject(f *Fault) {
	w.at(w.now+f.At, func() {
		w.stats.Faults[f.Kind]++
		w.mon.begin()
		undo := w.apply(f)
		finish := func() {
			if undo != nil {
				undo()
			}
			w.mon.end()
		}
		if f.For <= 0 {
			finish()
			return
		}
		w.at(w.now+f.For, finish)
	})
}

// apply makes the fault happen and returns what ends it.
func (w *World) apply(f *Fault) func() {
	n := &w.net
	switch f.Kind {
	case FaultLoss:
		n.losses = append(n.losses, f.P)
		n.loss = slices.Max(n.losses)
		return func() {
			i := slices.Index(n.losses, f.P)
			n.losses = slices.Delete(n.losses, i, i+1)
			n.loss = slices.Max(append(n.losses, 0))
		}
	case FaultDup:
		n.dup, n.holdMax = f.P, f.Time
		return func() { n.dup = 0 }
	case FaultHold:
		n.hold, n.holdMax = f.P, f.Time
		return func() { n.hold = 0 }
	case FaultCut:
		w.eachPair(f, n.cut)
		return func() { w.eachPair(f, n.join) }
	case FaultDrop:
		n.drops = append(n.drops, drop{f.From[0], f.To[0], f.N})
		return func() { n.drops = nil }
	case FaultEcho:
		n.echo = true
		return func() { n.echo = false }
	case FaultFlood:
		w.flood(f)
		return nil
	case FaultForget:
		for _, c := range w.clients {
			for _, a := range w.virtualAddrs() {
				c.ask(a)
			}
		}
		return nil
	}
	return w.applyHost(f, w.hosts[f.Host])
}

func (w *World) eachPair(f *Fault, do func(a, b node)) {
	for _, a := range f.From {
		for _, b := range f.To {
			if a != b {
				do(a, b)
			}
		}
	}
}

// applyHost is apply for what hits one host.
func (w *World) applyHost(f *Fault, h *Host) func() {
	switch f.Kind {
	case FaultPort:
		h.setCarrier(0, false)
		return func() { h.setCarrier(0, true) }
	case FaultKill, FaultPower, FaultLeave:
		return w.applyStop(f, h)
	case FaultStall, FaultPause, FaultFreeze:
		if h.power != powerOn {
			return nil
		}
		how := stalled
		if f.Kind != FaultStall {
			how = paused
		}
		h.sleep(how, f.Kind == FaultFreeze)
		return h.resume
	case FaultUpgrade:
		return h.upgrade()
	case FaultReload:
		h.Reload(changed(h.config, f.N))
	case FaultTaken:
		h.each(h.name(f.N), func(id vrrp.ID) vrrp.Event { return vrrp.AddressTaken{ID: id} })
	case FaultStandby:
		name := h.name(f.N)
		h.setStandby(name, true)
		return func() { h.setStandby(name, false) }
	case FaultTracked:
		name := h.name(f.N)
		h.track(name, f.Weight, f.Weight == 0)
		return func() { h.track(name, 0, false) }
	case FaultSteal:
		if len(h.kernel.addrs) > 0 {
			h.steal(h.kernel.addrs[f.N%len(h.kernel.addrs)].addr)
		}
	case FaultRenumber:
		own := h.ports[0].own
		if len(own) > 0 {
			h.setOwn(0, nil)
			return func() { h.setOwn(0, own) }
		}
	default:
		panic("sim: unknown fault")
	}
	return nil
}

// name is the n-th instance that is configured, or "" for all when n is negative.
func (h *Host) name(n int) string {
	if n < 0 || len(h.config) == 0 {
		return ""
	}
	return h.config[n%len(h.config)].Params.Name
}

// each steps an event for the instance of that name, or for all.
func (h *Host) each(name string, event func(vrrp.ID) vrrp.Event) {
	if h.proc == nil {
		return
	}
	h.proc.post(func() {
		p := h.proc // it may be another program by then
		for _, s := range p.router.Snapshot(nil) {
			if !s.Gone && (name == "" || s.Name == name) {
				p.step(event(s.ID))
			}
		}
	})
}

// setStandby holds an instance back, and with it its sync group.
func (h *Host) setStandby(name string, on bool) {
	names := []string{name}
	i := slices.IndexFunc(h.config, func(in *Instance) bool { return in.Params.Name == name })
	if i >= 0 && h.config[i].Params.SyncGroup != "" {
		names = nil
		for _, in := range h.config {
			if in.Params.SyncGroup == h.config[i].Params.SyncGroup {
				names = append(names, in.Params.Name)
			}
		}
	}
	for _, name := range names {
		h.each(name, func(id vrrp.ID) vrrp.Event { return vrrp.Standby{ID: id, On: on} })
	}
}

func (h *Host) track(name string, weight int, fault bool) {
	h.each(name, func(id vrrp.ID) vrrp.Event { return vrrp.Tracked{ID: id, Weight: weight, Fault: fault} })
}

func (w *World) applyStop(f *Fault, h *Host) func() {
	switch {
	case f.Kind == FaultPower && h.power != powerOff:
		h.cutPower()
	case h.power != powerOn:
		return nil
	case f.Kind == FaultKill:
		h.kill()
	default:
		h.proc.post(func() { h.proc.shutdown() })
	}
	return func() {
		if h.proc == nil {
			h.boot()
		} else if h.proc.stopping {
			w.at(w.now+w.bounds.Install, func() { w.restart(h) })
		}
	}
}

// restart boots a host whose planned leave may still be going on.
func (w *World) restart(h *Host) {
	if h.proc != nil {
		w.mon.gone(h)
	}
	h.boot()
}

// virtualAddrs are all addresses of all configurations, sorted.
func (w *World) virtualAddrs() []netip.Addr {
	var all []netip.Addr
	for _, h := range w.hosts {
		for _, in := range h.config {
			all = append(all, in.addrs()...)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// changed is a configuration after a reload. Variant 0 changes nothing but
// makes everything new, as reading a file does.
func changed(config []*Instance, variant int) []*Instance {
	next := make([]*Instance, len(config))
	for i, in := range config {
		next[i] = in.clone()
	}
	if variant == 0 || len(next) == 0 {
		return next
	}
	rng := rand.New(rand.NewPCG(uint64(variant), 1))
	p := next[rng.IntN(len(next))].Params
	switch rng.IntN(7) {
	case 6:
		if p.SyncGroup == "" && len(next) > 1 {
			next = slices.DeleteFunc(next, func(in *Instance) bool { return in.Params == p })
		}
	case 0:
		slices.Reverse(next)
	case 1:
		if p.Priority != vrrp.OwnerPriority && p.SyncGroup == "" {
			p.Priority = uint8(1 + rng.IntN(254))
		}
	case 2:
		if p.Version == vrrp.V3 {
			p.Interval = min(p.Interval*time.Duration(1+rng.IntN(3)), 40*time.Second)
		}
	case 3:
		p.Nopreempt = !p.Nopreempt && !p.StartMaster && p.Priority != vrrp.OwnerPriority
	case 4:
		if p.StartMaster {
			break
		}
		p.PreemptDelay = time.Duration(rng.IntN(4)) * p.Interval
	case 5:
		p.HigherPrioSendAdvert = !p.HigherPrioSendAdvert
		if len(p.Addrs) > 1 {
			p.Addrs = p.Addrs[:len(p.Addrs)-1]
		}
	}
	return next
}

// flood has a stranger send N adverts within the duration, each of any
// priority, interval and source, for any virtual router.
func (w *World) flood(f *Fault) {
	if len(w.mon.vrs) == 0 || f.N == 0 {
		return
	}
	for i := range f.N {
		w.at(w.now+f.For*time.Duration(i)/time.Duration(f.N), w.strange)
	}
}

// strange sends one advert that no router of ours would send.
func (w *World) strange() {
	vr := w.mon.vrs[w.rng.IntN(len(w.mon.vrs))]
	if len(vr.seats) == 0 {
		return
	}
	s := vr.seats[w.rng.IntN(len(vr.seats))]
	p := s.p
	a := vrrp.Advert{
		Version: p.Version, VRID: p.VRID, Priority: uint8(w.rng.IntN(256)), Interval: p.Interval,
		Addrs: p.Addrs, Auth: p.Auth, Password: p.Password, Form: p.Form,
	}
	if w.rng.IntN(4) == 0 {
		a.Priority = [...]uint8{0, 0, 1, p.Priority}[w.rng.IntN(4)]
	}
	if p.Version == vrrp.V3 && w.rng.IntN(4) == 0 {
		a.Interval = max(10*time.Millisecond, p.Interval/time.Duration(1+w.rng.IntN(8)))
	}
	src := netip.AddrFrom4([4]byte{192, 0, 2, byte(w.rng.IntN(256))})
	if p.Family == vrrp.IPv6 {
		src = netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: byte(w.rng.IntN(256))})
	}
	dst := p.Group
	if p.Unicast {
		dst = s.src
		if len(p.Peers) > 0 {
			src = p.Peers[w.rng.IntN(len(p.Peers))].Addr
		}
	}
	if !dst.IsValid() {
		return
	}
	w.transmit(&frame{kind: frameAdvert, from: stranger, to: nobodySpecial, lan: p.Link, src: src, dst: dst, payload: a.Append(nil, src, dst)})
}
