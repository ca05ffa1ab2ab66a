package vrrp

import (
	"cmp"
	"slices"
	"time"
)

// group is a sync group (keepalived: vrrp_sync_group): its members are master
// all together or not at all, and in fault together.
type group struct {
	name    string
	members []int // indices of instances, never changed in place
	state   State
	// healed is when the members were announced last because one of them heard a
	// master of lower priority.
	healed time.Duration
}

// groupNamed returns a sync group, nil if there is none, as for the empty name.
func (r *Router) groupNamed(name string) *group {
	if name == "" {
		return nil
	}
	at, ok := slices.BinarySearchFunc(r.groups, name, func(g group, name string) int { return cmp.Compare(g.name, name) })
	if !ok {
		return nil
	}
	return &r.groups[at]
}

// groupOf returns the members of a sync group.
func (r *Router) groupOf(name string) []int {
	if g := r.groupNamed(name); g != nil {
		return g.members
	}
	return nil
}

// regroup builds the groups from the instances' parameters. A group that goes on
// keeps its state.
func (r *Router) regroup(params []*Params) {
	members := map[string][]int{}
	for i, p := range params {
		if p.SyncGroup != "" && !r.instances[i].gone {
			members[p.SyncGroup] = append(members[p.SyncGroup], i)
		}
	}
	var groups []group
	for name, list := range members {
		g := group{name: name, members: list, state: Init, healed: longAgo}
		for _, old := range r.groups {
			if old.name == name {
				g.state, g.healed = old.state, old.healed
			}
		}
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b group) int { return cmp.Compare(a.name, b.name) })
	r.groups = groups
}

// takeOver lets a backup whose timer ended become master. A member of a sync
// group has to wait until all others are master or want to be; it asks again
// after another master down time (keepalived).
func (in *instance) takeOver(r *Router, now time.Duration) {
	if in.taking { // the addresses took too long
		in.toMaster(r, now, in.takeoverCause())
		return
	}
	members := r.groupOf(in.p.SyncGroup)
	for _, i := range members {
		m := &r.instances[i]
		if m != in && m.state != Master && !(m.state == Backup && (m.wants || m.taking)) {
			in.wants = true
			in.arm(now, waitMasterDown)
			return
		}
	}
	in.assume(r, now, in.takeoverCause())
	r.fix(r.byID[in.id])
	for _, i := range members {
		if m := &r.instances[i]; m.state == Backup && !m.taking {
			m.assume(r, now, CauseGroup)
			r.fix(i)
		}
	}
}

// assume takes over, from a master that is still heard in a planned way.
func (in *instance) assume(r *Router, now time.Duration, cause Cause) {
	if in.p.PlannedMoves && !in.p.BreakBeforeMake && in.ignored {
		in.take(r, now)
		return
	}
	in.toMaster(r, now, cause)
}

// pullToBackup lets the group of an instance that lost against a better master
// follow it.
func (r *Router) pullToBackup(in *instance, now time.Duration) {
	r.fix(r.byID[in.id])
	for _, i := range r.groupOf(in.p.SyncGroup) {
		m := &r.instances[i]
		switch {
		case m.state == Backup && m.taking:
			m.abortTake(r)
			m.arm(now, waitMasterDown)
		case m.state == Master:
			// The winner's advert for this member has not come yet.
			m.linger(r, now, m.p.Interval+lingerMargin)
			m.follower(r, now, CauseGroup)
		default:
			continue
		}
		r.fix(i)
	}
}

// healGroup announces what the other members of the group of a master hold, which
// has heard a master of lower priority. That router gives up the whole group when
// it hears one better master, so for the other members it may never be heard, and
// neighbours would go on looking for their addresses there. Members that listen
// stay silent. However many members hear it, all are announced once in the bound
// on announcements.
func (r *Router) healGroup(in *instance, now time.Duration) {
	g := r.groupNamed(in.p.SyncGroup)
	if g == nil || now-g.healed < r.groupGap(g) {
		return
	}
	g.healed = now
	r.fix(r.byID[in.id])
	for _, i := range g.members {
		if m := &r.instances[i]; m != in && m.state == Master && !m.unsure(now) {
			r.emit(Action{Kind: AnnounceGroup, ID: m.id})
			m.settleAfter(now)
			r.fix(i)
		}
	}
}

// groupGap is announceGap for a whole group: that of its slowest member.
func (r *Router) groupGap(g *group) (gap time.Duration) {
	for _, i := range g.members {
		gap = max(gap, announceGap(r.instances[i].p.Interval))
	}
	return gap
}

// spreadFaults gives each member of a group FaultGroup while another one has a
// fault of its own.
func (r *Router) spreadFaults(name string, now time.Duration) {
	members := r.groupOf(name)
	ill := 0
	for _, i := range members {
		if r.instances[i].faults&^FaultGroup != 0 {
			ill++
		}
	}
	for _, i := range members {
		m := &r.instances[i]
		faults := m.faults &^ FaultGroup
		if ill > 1 || ill == 1 && faults == 0 {
			faults |= FaultGroup
		}
		if faults != m.faults {
			m.applyFaults(r, now, faults)
			r.fix(i)
		}
	}
}

// groupTransitions tells of groups whose state is another one now.
func (r *Router) groupTransitions() {
	for g := range r.groups {
		grp := &r.groups[g]
		if state := r.groupState(grp.members); state != grp.state {
			r.emit(Action{Kind: GroupTransition, Group: grp.name, From: grp.state, To: state})
			grp.state = state
		}
	}
}

// groupState is Fault if a member is, Master if all are, Init if none has
// started, else Backup.
func (r *Router) groupState(members []int) State {
	count := map[State]int{}
	for _, i := range members {
		count[r.instances[i].state]++
	}
	switch {
	case count[Fault] > 0:
		return Fault
	case count[Master] == len(members):
		return Master
	case count[Init] == len(members):
		return Init
	}
	return Backup
}
