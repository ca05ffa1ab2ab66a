package vrrp

import (
	"net/netip"
	"time"
)

// RouterState is a Router as plain data, for another process: every moment in
// it is one of the clock that Step is given, which must go on there.
type RouterState struct {
	Instances []InstanceData
	LastID    ID
	Links     []Link
	Groups    []GroupData
	Stopped   bool
}

// GroupData is what a sync group remembers.
type GroupData struct {
	Name  string
	State State
}

// InstanceData is all of an instance. The fields are those of the Router's own
// instances and mean the same; whoever hands them over changes only Params, to
// equal ones.
type InstanceData struct {
	ID                                   ID
	Params                               *Params
	State                                State
	Faults                               Faults
	Since                                time.Duration
	Cause                                Cause
	Weight, LinkWeight                   int
	Tracked, Wants, Standby              bool
	Taking, AdvertiseInstalled           bool
	Settle, LingerUntil                  time.Duration
	Winner                               netip.Addr
	WonAt                                time.Duration
	Gone, Drawn                          bool
	Link                                 int
	Src                                  netip.Addr
	Timer, Armed                         time.Duration
	Wait                                 uint8
	Learned                              time.Duration
	Followed                             bool
	Master                               netip.Addr
	MasterPriority                       uint8
	Ignored                              bool
	HoldUntil                            time.Duration
	Graced                               bool
	Sent, Replied, Announced, Reannounce time.Duration
	RogueSince, RogueHeard               time.Duration
	RogueSent                            int
	Demoted                              bool
	TakenUntil                           time.Duration
}

// Export returns the state of the router between two Steps. Params and addresses
// are shared with it.
func (r *Router) Export() *RouterState {
	s := &RouterState{LastID: r.lastID, Stopped: r.stopped}
	for _, l := range r.links {
		s.Links = append(s.Links, *l)
	}
	for i := range r.groups {
		s.Groups = append(s.Groups, GroupData{Name: r.groups[i].name, State: r.groups[i].state})
	}
	for i := range r.instances {
		s.Instances = append(s.Instances, r.instances[i].export())
	}
	return s
}

// Restore returns the router that s was exported from.
func Restore(s *RouterState) *Router {
	r := NewRouter()
	r.lastID, r.stopped = s.LastID, s.Stopped
	for _, l := range s.Links {
		r.links[l.Name] = &l
	}
	r.vips = map[netip.Addr]bool{}
	for i := range s.Instances {
		in := restoreInstance(&s.Instances[i])
		r.instances = append(r.instances, in)
		if !in.gone {
			r.own(in.p)
		}
	}
	for _, g := range s.Groups {
		r.groups = append(r.groups, group{name: g.Name, state: g.State, healed: longAgo})
	}
	r.reindex(nil)
	r.heapify()
	return r
}

// own notes the virtual addresses of an instance.
func (r *Router) own(p *Params) {
	for _, list := range [...][]netip.Addr{p.Addrs, p.Excluded} {
		for _, a := range list {
			r.vips[a] = r.vips[a] || p.Priority == OwnerPriority
		}
	}
}

// Deaf tells that no advert could be received for a time: another process took
// over meanwhile, whose sockets are new. Backups listen for so much longer.
type Deaf struct{ For time.Duration }

func (Deaf) event() {}

// deaf puts off the time at which a backup gives its master up.
func (in *instance) deaf(d time.Duration) {
	switch in.wait {
	case waitMasterDown, waitSkew, waitStartMaster:
		if in.state == Backup {
			in.armed += d
			in.rearm()
		}
	}
}

func (in *instance) export() InstanceData {
	return InstanceData{
		ID: in.id, Params: in.p, State: in.state, Faults: in.faults, Since: in.since, Cause: in.cause,
		Weight: in.weight, LinkWeight: in.linkWeight, Tracked: in.tracked, Wants: in.wants, Standby: in.standby,
		Taking: in.taking, AdvertiseInstalled: in.advertiseInstalled, Settle: in.settle,
		LingerUntil: in.lingerUntil, Winner: in.winner, WonAt: in.wonAt, Gone: in.gone, Drawn: in.drawn, Link: in.link,
		Src: in.src, Timer: in.timer, Armed: in.armed, Wait: uint8(in.wait), Learned: in.learned,
		Followed: in.followed, Master: in.master, MasterPriority: in.masterPriority, Ignored: in.ignored,
		HoldUntil: in.holdUntil, Graced: in.graced, Sent: in.sent, Replied: in.replied, Announced: in.announced,
		Reannounce: in.reannounce, RogueSince: in.rogueSince, RogueHeard: in.rogueHeard,
		RogueSent: in.rogueSent, Demoted: in.demoted, TakenUntil: in.takenUntil,
	}
}

func restoreInstance(d *InstanceData) instance {
	return instance{
		id: d.ID, p: d.Params, state: d.State, faults: d.Faults, since: d.Since, cause: d.Cause,
		weight: d.Weight, linkWeight: d.LinkWeight, tracked: d.Tracked, wants: d.Wants, standby: d.Standby,
		taking: d.Taking, advertiseInstalled: d.AdvertiseInstalled, settle: d.Settle,
		lingerUntil: d.LingerUntil, winner: d.Winner, wonAt: d.WonAt, gone: d.Gone, drawn: d.Drawn, link: d.Link, src: d.Src,
		timer: d.Timer, armed: d.Armed, wait: waitKind(d.Wait), learned: d.Learned, followed: d.Followed,
		master: d.Master, masterPriority: d.MasterPriority, ignored: d.Ignored, holdUntil: d.HoldUntil,
		graced: d.Graced, sent: d.Sent, replied: d.Replied, announced: d.Announced, reannounce: d.Reannounce,
		rogueSince: d.RogueSince, rogueHeard: d.RogueHeard, rogueSent: d.RogueSent, demoted: d.Demoted,
		takenUntil: d.TakenUntil,
	}
}
