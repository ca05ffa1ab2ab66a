package dumps

import (
	"time"

	"hakeep/internal/config"
	"hakeep/internal/status"
	"hakeep/internal/track"
	"hakeep/internal/wire"
)

// Input is what a dump is made of.
type Input struct {
	// Version is the daemon's, Host the name for router_id when none is set.
	Version, Host string
	// Config is the configuration in force.
	Config *config.Config
	// Snapshot is what the elector answered; it is never nil. An instance that is
	// not in it is in INIT.
	Snapshot *wire.Snapshot
	// Tracked is what the tracker knows.
	Tracked []track.Status
	// Base is what the counters of an instance were when they were cleared; it is
	// taken off. Without an entry nothing is.
	Base map[string]wire.Counters
	// Routes and Rules are those of an instance in the manner of ip route and ip
	// rule.
	Routes, Rules map[string][]string
	// Balancing is load balancing, for [Checks] alone.
	Balancing status.Balancing
}

// view is one instance from both sides.
type view struct {
	*config.Instance
	status wire.InstanceStatus
	stats  stats
}

func (in *Input) views() []view {
	known := map[string]*wire.InstanceStatus{}
	for i := range in.Snapshot.Instances {
		known[in.Snapshot.Instances[i].Name] = &in.Snapshot.Instances[i]
	}
	out := make([]view, 0, len(in.Config.Instances))
	for i := range in.Config.Instances {
		c := &in.Config.Instances[i]
		v := view{Instance: c, status: wire.InstanceStatus{Name: c.Name, State: "INIT", Priority: c.Priority, Interval: c.AdvertInt}}
		if st := known[c.Name]; st != nil {
			v.status = *st
		}
		v.stats = count(&v.status.Counters, in.Base[c.Name])
		out = append(out, v)
	}
	return out
}

// state is keepalived's number for a state (vrrp.h): INIT 0, BACKUP 1, MASTER 2,
// FAULT 3.
func (v *view) state() int {
	switch v.status.State {
	case "BACKUP":
		return 1
	case "MASTER":
		return 2
	case "FAULT":
		return 3
	}
	return 0
}

// installed says which of the addresses are in the kernel.
func (v *view) installed(a *config.Address) bool {
	for _, p := range v.status.Installed {
		if p == a.Prefix {
			return true
		}
	}
	return false
}

// stats are keepalived's counters of an instance. An authentication type that
// does not exist is among authMismatch; keepalived's counter of its own for it
// stays 0.
type stats struct {
	received, sent, became, released  uint64
	length, interval, ttl, kind, list uint64
	authMismatch, authFailure         uint64
	zeroReceived, zeroSent            uint64
}

// count translates counters, and takes base off. A counter that is below its
// base is that of a new elector, which began at 0.
func count(c *wire.Counters, base wire.Counters) stats {
	less := func(now, then uint64) uint64 {
		if now < then {
			return now
		}
		return now - then
	}
	reasons := func(names ...string) (n uint64) {
		for _, name := range names {
			n += less(c.Reasons[name], base.Reasons[name])
		}
		return n
	}
	return stats{
		received: less(c.AdvertsReceived, base.AdvertsReceived), sent: less(c.AdvertsSent, base.AdvertsSent),
		became: less(c.BecameMaster, base.BecameMaster), released: less(c.ReleasedMaster, base.ReleasedMaster),
		length: reasons("length"), interval: reasons("interval", "interval-mismatch"),
		ttl: reasons("ttl"), kind: reasons("type"), list: reasons("address-list", "address-count"),
		authMismatch: reasons("auth-type"), authFailure: reasons("auth"),
		zeroReceived: less(c.PriorityZeroReceived, base.PriorityZeroReceived), zeroSent: less(c.PriorityZeroSent, base.PriorityZeroSent),
	}
}

// seconds is a duration as a number of seconds, as keepalived prints it in JSON.
func seconds(d time.Duration) float64 { return d.Seconds() }

// whole is a duration in whole seconds; keepalived loses the fraction.
func whole(d time.Duration) int64 { return int64(d / time.Second) }
