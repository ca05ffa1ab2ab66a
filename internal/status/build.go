package status

import (
	"net/netip"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/notify"
	"hakeep/internal/track"
	"hakeep/internal/wire"
)

// Input is what a Document is made of.
type Input struct {
	Now time.Time
	// Daemon is what main knows of itself.
	Daemon Daemon
	// Config is the configuration in force.
	Config *config.Config
	// Snapshot is what the elector answered, nil if it did not. Then Problem
	// says why not.
	Snapshot *wire.Snapshot
	Problem  string
	// Starts is how often main started an elector.
	Starts   uint64
	Warnings []string
	// Standby are the instances that are held back, by name.
	Standby map[string]Standby
	// Tracked and Parts are what the tracker knows, Notify is the notifier's; nil
	// for nothing.
	Tracked []track.Status
	Parts   map[string][]track.Part
	Notify  *notify.Status
	// Balancing is load balancing; nil for none.
	Balancing *BalancingInput
}

// Build makes the document. The instances are those of the configuration, in
// its order.
func Build(in *Input) *Document {
	d := &Document{
		Schema: Schema, Time: in.Now, Daemon: in.Daemon,
		Elector:   Elector{Error: in.Problem, Starts: in.Starts},
		Warnings:  append([]string{}, in.Warnings...),
		Instances: make([]Instance, 0, len(in.Config.Instances)),
		Links:     []Link{}, Tracked: []Tracked{}, Groups: []Group{},
		Notify: Notify{Targets: []NotifyTarget{}, FIFOs: []NotifyFIFO{}},
	}
	states := map[string]*wire.InstanceStatus{}
	if s := in.Snapshot; s != nil {
		d.Elector = electorStatus(s, in.Starts)
		for i := range s.Instances {
			states[s.Instances[i].Name] = &s.Instances[i]
		}
		for _, l := range s.Links {
			d.Links = append(d.Links, Link{Interface: l.Interface, Reasons: l.Reasons})
		}
	}
	for i := range in.Config.Instances {
		c := &in.Config.Instances[i]
		inst := configured(c)
		if st := states[c.Name]; st != nil {
			inst.observe(st)
			inst.Priority.linkParts(c.Tracks.Interfaces, st.Tracked)
		}
		if s, ok := in.Standby[c.Name]; ok {
			// What main wants; the elector follows within a moment.
			// A master has that long to be heard.
			down := time.Duration(inst.Intervals.Down * float64(time.Second))
			s.NoMaster = inst.State == "BACKUP" && inst.Master == nil && in.Now.Sub(inst.Since) > down
			inst.Standby = &s
			if s.NoMaster {
				d.Warnings = append(d.Warnings, NoMaster(c.Name))
			}
		}
		d.Warnings = append(d.Warnings, deaf(&inst)...)
		d.Warnings = append(d.Warnings, conflicts(in.Now, &inst)...)
		d.Instances = append(d.Instances, inst)
	}
	d.addTracking(in)
	d.addGroups(in.Config.Groups)
	if in.Notify != nil {
		d.addNotify(in.Notify, in.Config)
	}
	d.Balancing = Balancing{VirtualServers: []VirtualServer{}}
	if in.Balancing != nil {
		d.Balancing = Balance(in.Balancing)
	}
	d.OK = d.judge()
	return d
}

func electorStatus(s *wire.Snapshot, starts uint64) Elector {
	return Elector{
		Running: true, PID: s.PID, Started: s.Started, Starts: starts,
		Realtime: s.Realtime, RealtimeReason: s.RealtimeReason,
		Lateness: lateness(s.Lateness), Relieved: s.Relieved,
		Takeovers: Takeovers{
			Timer: lateness(s.Takeovers.Timer), Advert: lateness(s.Takeovers.Advert),
			Addresses: lateness(s.Takeovers.Addresses), Announced: lateness(s.Takeovers.Announced),
		},
		Sockets: Sockets{
			Sent: s.Sockets.Sent, Received: s.Sockets.Received, SendErrors: s.Sockets.SendErrors, Dropped: s.Sockets.Dropped,
		},
	}
}

func lateness(l wire.Lateness) Lateness {
	return Lateness{Count: l.Count, P50: l.P50.Seconds(), P99: l.P99.Seconds(), Max: l.Max.Seconds()}
}

// NoMaster is the warning about an instance that is held back while nobody is
// master.
func NoMaster(instance string) string {
	return instance + " is held back (standby) and no master is heard: its addresses are on no router; hakeep resume " + instance + " takes them back"
}

// configured is what the configuration says of an instance.
func configured(c *config.Instance) Instance {
	inst := Instance{
		Name: c.Name, State: StateUnknown, Family: "ipv4", Version: int(c.Version), VRID: int(c.VRID), Interface: c.Interface,
		Group:     c.McastDst,
		Priority:  Priority{Effective: int(c.Priority), Configured: int(c.Priority), Owner: c.Priority == 255},
		Peers:     []Peer{},
		Conflicts: []Conflict{},
		Intervals: Intervals{Configured: c.AdvertInt.Seconds()},
		Addresses: Addresses{Configured: []Address{}, Installed: []netip.Prefix{}, Missing: []netip.Prefix{}},
		Counters:  Counters{Reasons: map[string]uint64{}},
	}
	if c.Family == config.FamilyIPv6 {
		inst.Family = "ipv6"
	}
	for _, p := range c.UnicastPeers {
		inst.UnicastPeers = append(inst.UnicastPeers, p.Addr)
	}
	add := func(list []config.Address, excluded bool) {
		for _, a := range list {
			inst.Addresses.Configured = append(inst.Addresses.Configured, Address{Address: a.Prefix, Interface: a.Dev, Excluded: excluded})
		}
	}
	add(c.Addresses, false)
	add(c.Excluded, true)
	return inst
}

// observe adds what the elector says of an instance.
func (in *Instance) observe(s *wire.InstanceStatus) {
	in.State, in.Since, in.Why, in.Faults = s.State, s.Since, s.Cause, s.Faults
	in.Source, in.Lingering = s.Source, s.Lingering
	in.Priority.Effective = int(s.Priority)
	if s.Master.IsValid() {
		in.Master = &Master{Address: s.Master, Priority: int(s.MasterPriority)}
	}
	for _, p := range s.Peers {
		in.Peers = append(in.Peers, Peer{
			Address: p.Addr, Priority: int(p.Priority), Interval: p.Interval.Seconds(), LastSeen: p.LastSeen, Adverts: p.Adverts,
		})
	}
	for _, c := range s.Conflicts {
		in.Conflicts = append(in.Conflicts, Conflict{Address: c.Addr, MAC: c.MAC, By: c.By, Packets: c.Count, LastSeen: c.LastSeen})
	}
	in.Intervals.Advert, in.Intervals.Down, in.Intervals.Skew = s.Interval.Seconds(), s.DownInterval.Seconds(), s.Skew.Seconds()
	in.Addresses.Installed = append(in.Addresses.Installed, s.Installed...)
	in.Addresses.Missing = append(in.Addresses.Missing, s.Missing...)
	c := &s.Counters
	in.Counters = Counters{
		AdvertsSent: c.AdvertsSent, AdvertsReceived: c.AdvertsReceived,
		PriorityZeroSent: c.PriorityZeroSent, PriorityZeroReceived: c.PriorityZeroReceived,
		BecameMaster: c.BecameMaster, ReleasedMaster: c.ReleasedMaster,
		Reasons: in.Counters.Reasons,
	}
	for reason, n := range c.Reasons {
		in.Counters.Reasons[reason] = n
	}
	in.DoubleMaster = DoubleMaster{Count: s.DoubleMaster, Seconds: s.DoubleMasterSeconds}
}

// Problems turns problems of a configuration into their JSON form.
func Problems(ps config.Problems) []Problem {
	out := make([]Problem, 0, len(ps))
	for _, p := range ps {
		out = append(out, Problem{
			File: p.File, Line: p.Line, Key: p.Key, Severity: p.Severity.String(), Message: p.Message, Text: Text(p),
		})
	}
	return out
}

// Text is a problem in one line. A warning says that it is one.
func Text(p config.Problem) string {
	if p.Severity == config.Warning {
		p.Message = "warning: " + p.Message
	}
	return p.String()
}
