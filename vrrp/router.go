package vrrp

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Router is one host's whole protocol: every instance and its timers. It is not
// safe for concurrent use.
type Router struct {
	instances []instance // in the order of the configuration
	lastID    ID
	links     map[string]*Link    // never changed in place
	vips      map[netip.Addr]bool // virtual addresses; true: of an owner here
	byVRID    map[vridKey][]int   // indices of instances
	byID      map[ID]int          // likewise
	heap      []int               // indices of instances, earliest deadline first
	groups    []group
	moved     bool // a state has changed in this step
	departed  bool // an instance is gone for good since this step
	stopped   bool

	due     time.Duration // the deadline that is acted on, 0 outside of timeouts
	overdue []int         // see advertsDue
	advert  Advert        // the advert being received
	out     []Action      // returned by Step
}

type vridKey struct {
	family Family
	vrid   uint8
}

// NewRouter returns a router without instances. Step the host's links into it
// before the first Reconfigure.
func NewRouter() *Router {
	return &Router{links: map[string]*Link{}, byVRID: map[vridKey][]int{}}
}

// Step lets the router react to one event at the moment now, which must not be
// less than in the calls before. The actions are to be carried out in their
// order; the slice is valid until the next call.
func (r *Router) Step(now time.Duration, ev Event) []Action {
	r.out, r.moved = r.out[:0], false
	switch ev := ev.(type) {
	case *AdvertReceived:
		r.receive(now, ev)
	case Timeout:
		r.timeouts(now, ev)
	case LinkChanged:
		l := ev.Link
		r.links[l.Name] = &l
		r.resolveAll(now)
	case LinkGone:
		delete(r.links, ev.Name)
		r.resolveAll(now)
	case Reconfigure:
		r.reconfigure(now, ev)
	case AddressTaken:
		if i := r.index(ev.ID); i >= 0 && !r.stopped {
			r.instances[i].taken(r, now)
			r.fix(i)
		}
	case Installed:
		if i := r.index(ev.ID); i >= 0 && !r.stopped {
			r.instances[i].installed(r, now)
			r.fix(i)
		}
	case WinnerAnnounced:
		if i := r.index(ev.ID); i >= 0 {
			r.instances[i].winnerAnnounced(r)
			r.fix(i)
		}
	case Standby:
		if i := r.index(ev.ID); i >= 0 && !r.stopped {
			r.instances[i].standBy(r, now, ev.On)
			r.fix(i)
		}
	case Tracked:
		if i := r.index(ev.ID); i >= 0 && !r.stopped {
			r.instances[i].track(r, now, ev)
			r.fix(i)
		}
	case Deaf:
		for i := range r.instances {
			r.instances[i].deaf(ev.For)
		}
		r.heapify()
	case Shutdown:
		r.stopped = true
		for i := range r.instances {
			r.instances[i].stop(r, now, CauseShutdown)
		}
		r.heapify()
	default:
		panic("vrrp: unknown event")
	}
	if r.departed {
		r.forgetGone()
	}
	if r.moved {
		r.groupTransitions()
	}
	return r.out
}

// NextDeadline returns when a [Timeout] is due; false if nothing is awaited.
func (r *Router) NextDeadline() (time.Duration, bool) {
	if len(r.heap) == 0 {
		return 0, false
	}
	d := r.instances[r.heap[0]].deadline()
	return d, d != Forever
}

// Clone returns an independent copy.
func (r *Router) Clone() *Router {
	c := *r
	c.instances = slices.Clone(r.instances)
	c.links = maps.Clone(r.links)
	c.heap = slices.Clone(r.heap)
	c.groups = slices.Clone(r.groups)
	c.advert.Addrs = nil
	c.out, c.overdue = nil, nil
	return &c
}

func (r *Router) emit(a Action) { r.out = append(r.out, a) }

// receive handles one packet from the network.
func (r *Router) receive(now time.Duration, d *AdvertReceived) {
	in, reason := r.accept(d)
	var id ID
	if in != nil {
		id = in.id
	}
	if reason != ReasonNone {
		r.emit(Action{Kind: Discarded, ID: id, Reason: reason, Src: d.Src, Link: d.Link})
		return
	}
	a := &r.advert
	r.emit(Action{Kind: Accepted, ID: id, From: in.state, Src: d.Src, Priority: a.Priority, Interval: a.Interval})
	if in.lingering() {
		in.lingerAdvert(r, now, d.Src, a)
	}
	switch in.state {
	case Backup:
		in.backupAdvert(r, now, d.Src, a)
	case Master:
		in.masterAdvert(r, now, d.Src, a)
	}
	r.down(in.heapAt)
	r.up(in.heapAt)
}

// timeouts lets the deadlines that have passed act, earliest first.
func (r *Router) timeouts(now time.Duration, ev Timeout) {
	if ev.Adverts {
		r.advertTimeouts(now, ev)
		return
	}
	for n := 0; len(r.heap) > 0 && (ev.Limit == 0 || n < ev.Limit); n++ {
		i := r.heap[0]
		r.due = r.instances[i].deadline()
		if r.due > now {
			break
		}
		r.instances[i].timeout(r, now, ev.Paced)
		r.fix(i)
	}
	r.due = 0
}

// advertTimeouts lets the masters advertise whose adverts are due, earliest first.
func (r *Router) advertTimeouts(now time.Duration, ev Timeout) {
	r.overdue = r.advertsDue(r.overdue[:0], now, 0)
	slices.SortFunc(r.overdue, func(i, j int) int {
		return cmp.Or(cmp.Compare(r.instances[i].timer, r.instances[j].timer), cmp.Compare(i, j))
	})
	for n, i := range r.overdue {
		if ev.Limit > 0 && n >= ev.Limit {
			break
		}
		r.instances[i].masterTimeout(r, now, ev.Paced)
		r.fix(i)
	}
}

// advertsDue appends the masters, of those at and below a place of the heap, whose
// adverts are due. One that has to listen for another master first is none of them.
func (r *Router) advertsDue(list []int, now time.Duration, at int) []int {
	if at >= len(r.heap) {
		return list
	}
	i := r.heap[at]
	in := &r.instances[i]
	if in.deadline() > now {
		return list // and so are all below
	}
	if in.state == Master && in.timer <= now && !in.unsure(now) {
		list = append(list, i)
	}
	return r.advertsDue(r.advertsDue(list, now, 2*at+1), now, 2*at+2)
}

// AdvertDue returns when the first of the adverts was due that a Timeout with Adverts
// would send at this moment; false if there are none.
func (r *Router) AdvertDue(now time.Duration) (due time.Duration, ok bool) {
	r.overdue = r.advertsDue(r.overdue[:0], now, 0)
	due = Forever
	for _, i := range r.overdue {
		due = min(due, r.instances[i].timer)
	}
	return due, due != Forever
}

// TakeoverDue reports whether a Timeout at this moment would let a backup take
// over. The caller then looks once more for adverts that have just arrived.
func (r *Router) TakeoverDue(now time.Duration) bool { return r.takeoverDue(now, 0) }

func (r *Router) takeoverDue(now time.Duration, at int) bool {
	if at >= len(r.heap) {
		return false
	}
	in := &r.instances[r.heap[at]]
	if in.deadline() > now {
		return false // and so are all below
	}
	return in.state == Backup || r.takeoverDue(now, 2*at+1) || r.takeoverDue(now, 2*at+2)
}

// resolveAll tells every instance that links have changed.
func (r *Router) resolveAll(now time.Duration) {
	if r.stopped {
		return
	}
	for i := range r.instances {
		r.instances[i].resolve(r, now)
	}
	r.heapify()
}

// source is the address that adverts of p leave from, invalid if there is none.
func (r *Router) source(p *Params, l *Link) netip.Addr {
	if p.Source.IsValid() {
		if !p.Unicast && !p.TrackSource || r.hasAddr(p.Source, l) {
			return p.Source
		}
		return netip.Addr{}
	}
	if l == nil {
		return netip.Addr{}
	}
	var own netip.Addr
	for _, a := range l.Addrs {
		if FamilyOf(a) != p.Family || p.Family == IPv6 && !a.IsLinkLocalUnicast() {
			continue
		}
		owned, virtual := r.vips[a]
		if !virtual {
			return a
		}
		if owned && !own.IsValid() {
			own = a
		}
	}
	// An owner's addresses are the host's: two routers may each own one and back
	// up the other (RFC 9568, 4.2).
	return own
}

// hasAddr reports whether the host has the address; a link-local one must be on
// the instance's own link.
func (r *Router) hasAddr(a netip.Addr, l *Link) bool {
	if a.IsLinkLocalUnicast() && a.Is6() {
		return l != nil && slices.Contains(l.Addrs, a)
	}
	for _, l := range r.links {
		if slices.Contains(l.Addrs, a) {
			return true
		}
	}
	return false
}

// index finds an instance by its ID, -1 if there is none.
func (r *Router) index(id ID) int {
	if i, ok := r.byID[id]; ok {
		return i
	}
	return -1
}
