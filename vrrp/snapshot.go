package vrrp

import (
	"net/netip"
	"time"
)

// InstanceState is what there is to know of an instance at one moment.
type InstanceState struct {
	ID     ID
	Name   string
	State  State
	Faults Faults
	// Since and Cause are of the last transition.
	Since time.Duration
	Cause Cause
	// Priority is the effective priority.
	Priority uint8
	// Source and Link are where adverts leave.
	Source netip.Addr
	Link   int
	// Master and MasterPriority are of the last advert that was followed;
	// invalid while master itself.
	Master         netip.Addr
	MasterPriority uint8
	// Interval is the learned interval of a backup, the own one of a master.
	Interval time.Duration
	// Standby is set while an operator holds it back.
	Standby bool
	// Lingering is set while the addresses of a former master are kept; Gone if
	// the configuration has the instance no more.
	Lingering, Gone bool
	// Deadline is when the instance acts next if nothing arrives; Forever for
	// never.
	Deadline time.Duration
}

// Snapshot appends the state of every instance, in the order of the
// configuration, to s; at the end those that are Gone.
func (r *Router) Snapshot(s []InstanceState) []InstanceState {
	for i := range r.instances {
		in := &r.instances[i]
		s = append(s, InstanceState{
			ID: in.id, Name: in.p.Name, State: in.state, Faults: in.faults, Since: in.since, Cause: in.cause,
			Priority: in.priority(), Source: in.src, Link: in.link,
			Master: in.master, MasterPriority: in.masterPriority,
			Interval: in.learned, Deadline: in.deadline(),
			Standby: in.standby, Lingering: in.lingering(), Gone: in.gone,
		})
	}
	return s
}

// Priority returns the effective priority of an instance; 0 if there is none.
func (r *Router) Priority(id ID) uint8 {
	if i := r.index(id); i >= 0 {
		return r.instances[i].priority()
	}
	return 0
}

// State returns the state of an instance; 0 if there is none.
func (r *Router) State(id ID) State {
	if i := r.index(id); i >= 0 {
		return r.instances[i].state
	}
	return 0
}

// Params returns the parameters of an instance; nil if there is none.
func (r *Router) Params(id ID) *Params {
	if i := r.index(id); i >= 0 {
		return r.instances[i].p
	}
	return nil
}
