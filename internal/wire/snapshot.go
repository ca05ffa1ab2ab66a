package wire

import (
	"net/netip"
	"time"
)

// Snapshot is the state of the elector at one moment.
type Snapshot struct {
	// Number is that of the request.
	Number uint64
	Time   time.Time
	PID    int
	// Started is when the elector started.
	Started time.Time
	// Realtime is whether real-time scheduling was granted; RealtimeReason why
	// not.
	Realtime       bool
	RealtimeReason string `json:",omitempty"`
	Instances      []InstanceStatus
	Lateness       Lateness
	// Relieved counts what the relief of the advert thread did in its place.
	Relieved  uint64
	Takeovers Takeovers
	Sockets   SocketStatus
	// Links counts, by interface and reason, the packets that no instance was
	// meant by.
	Links []LinkDiscards
	// Digest is that of the configuration in force.
	Digest string
}

// InstanceStatus is the state of one instance.
type InstanceStatus struct {
	Name  string
	State string
	// Since is the time of the last transition, Cause its reason.
	Since time.Time
	Cause string
	// Standby is set while an operator holds the instance back.
	Standby bool `json:",omitempty"`
	// Lingering is set while a former master keeps its addresses until the
	// winner has them.
	Lingering bool     `json:",omitempty"`
	Faults    []string `json:",omitempty"`
	Priority  uint8
	// Tracked are the tracked interfaces, in the order of the configuration.
	Tracked []TrackedLink `json:",omitempty"`
	Source  netip.Addr    `json:",omitzero"`
	// Master and MasterPriority are those of the master that a backup follows; one
	// that is held back has none when no advert came for the master down time.
	Master         netip.Addr `json:",omitzero"`
	MasterPriority uint8      `json:",omitempty"`
	// Interval is the learned interval of a backup, the own one of a master.
	Interval time.Duration
	// DownInterval and Skew are the master down time and the skew time that
	// follow from Interval and Priority.
	DownInterval, Skew time.Duration
	// Installed are the addresses that are in the kernel.
	Installed []netip.Prefix `json:",omitempty"`
	// Missing are those that should be.
	Missing []netip.Prefix `json:",omitempty"`
	// Refused are routes and rules that should be there and are not.
	Refused  []string `json:",omitempty"`
	Counters Counters
	Peers    []Peer `json:",omitempty"`
	// Conflicts are other hosts that use addresses of the instance.
	Conflicts []Conflict `json:",omitempty"`
	// DoubleMaster is the number of times that another master was heard while
	// this one was master, and the time that they overlapped.
	DoubleMaster        uint64
	DoubleMasterSeconds float64
}

// TrackedLink is an interface that an instance tracks.
type TrackedLink struct {
	Name string
	Up   bool
	// Weight is what it adds to the priority now, Fault whether it keeps the
	// instance in FAULT.
	Weight int
	Fault  bool
}

// Counters are those of RFC 8347, and one for each reason of the receive checks.
type Counters struct {
	AdvertsSent, AdvertsReceived uint64
	PriorityZeroSent             uint64
	PriorityZeroReceived         uint64
	BecameMaster, ReleasedMaster uint64
	// Reasons counts discarded and odd packets by reason.
	Reasons map[string]uint64 `json:",omitempty"`
}

// Peer is another router of the same virtual router that was heard.
type Peer struct {
	Addr     netip.Addr
	Priority uint8
	Interval time.Duration
	LastSeen time.Time
	Adverts  uint64
}

// Conflict is another host that uses an address of ours.
type Conflict struct {
	Addr netip.Addr
	// MAC is its hardware address, By how it was noticed first.
	MAC, By string
	// Count counts its packets that say so.
	Count    uint64
	LastSeen time.Time
}

// Lateness says how long after their deadlines adverts were sent.
type Lateness struct {
	Count         uint64
	P50, P99, Max time.Duration
}

// Takeovers says how long each step of a take-over took, from the deadline at
// which a master's silence was over: until the timer was acted on, the first
// advert had left, all addresses were in the kernel, and all were announced.
type Takeovers struct {
	Timer, Advert, Addresses, Announced Lateness
}

// SocketStatus counts what the sockets did.
type SocketStatus struct {
	Sent, Received uint64
	// SendErrors counts packets that the kernel refused, Dropped those that it
	// lost before they were read.
	SendErrors, Dropped uint64
}

// LinkDiscards counts discarded packets of one interface by reason.
type LinkDiscards struct {
	Interface string
	Reasons   map[string]uint64
}
