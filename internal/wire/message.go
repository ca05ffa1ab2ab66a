package wire

import (
	"net/netip"
	"time"

	"hakeep/arp"
	"hakeep/internal/netif"
	"hakeep/vrrp"
)

// Version is the version of this protocol. A main that finds an elector of
// another version asks it to leave and starts its own.
const Version = 1

// Message is one message; exactly one field is set.
type Message struct {
	// Both directions.
	Hello *Hello `json:",omitempty"`

	// From main to the elector.
	Config          *Config          `json:",omitempty"`
	SnapshotRequest *SnapshotRequest `json:",omitempty"`
	Shutdown        *Shutdown        `json:",omitempty"`
	Standby         *Standby         `json:",omitempty"`
	Tracked         []Tracked        `json:",omitempty"`
	Upgrade         *Upgrade         `json:",omitempty"`

	// From the elector to main.
	Applied  *Applied  `json:",omitempty"`
	Event    *Event    `json:",omitempty"`
	Snapshot *Snapshot `json:",omitempty"`
	Stopped  *Stopped  `json:",omitempty"`
	// NotUpgraded answers an Upgrade that was not possible.
	NotUpgraded *NotUpgraded `json:",omitempty"`
}

// Hello begins a conversation.
type Hello struct {
	Version int
	// PID is of the sender.
	PID int
	// Program is the version of hakeep, for the log.
	Program string
	// Realtime is, from the elector, whether it was started to be real-time.
	Realtime bool
	// Seq is, from main, the last event that it knows of; from the elector, the
	// last one there is.
	Seq uint64
	// Digest is, from the elector, that of the configuration it runs; empty
	// before the first.
	Digest string
	// Bases says, from the elector, that it takes a Config with a Base.
	Bases bool `json:",omitempty"`
}

// Config is everything that the elector has to know. It replaces the one before.
type Config struct {
	// Digest identifies the content; see Hello.
	Digest string
	// StartupDelay is how long instances that are new wait before they take part.
	StartupDelay time.Duration
	// MainTimeout is how long the elector goes on without main.
	MainTimeout time.Duration
	Instances   []*Instance
	// Base, if set, is the digest of the Config in force, from which Kept are taken
	// over; Instances are the others. See Config.Since.
	Base string `json:",omitempty"`
	Kept []Kept `json:",omitempty"`
	// Leftovers names the addresses that an earlier run may have left behind:
	// marked as ours and named here, they are removed.
	Leftovers []netif.Key
	// LeftItems is the same for routes and rules.
	LeftItems LeftItems
	// Static is in the kernel from the start to the end.
	Static Static
	// Standby names the instances that are held back. It counts for those that
	// are new; the others are told by Standby messages.
	Standby []string `json:",omitempty"`
	// Promote are the interfaces to set promote_secondaries on.
	Promote []string
	// LinkDelays keep short changes of links unnoticed
	// (interface_up_down_delays), by interface.
	LinkDelays map[string]LinkDelay
	// LogUnknownVRIDs tells of adverts for virtual routers that are not
	// configured (log_unknown_vrids).
	LogUnknownVRIDs bool
}

// LinkDelay is how long a link has to be down, or up again, before that counts.
type LinkDelay struct{ Down, Up time.Duration }

// Instance is one instance as the elector needs it.
type Instance struct {
	Params vrrp.Params
	// Addresses are what to install while master: those of Params.Addrs and
	// Params.Excluded with all that the kernel has to know.
	Addresses []netif.Addr
	// Routes and Rules are in the kernel while master: routes after the
	// addresses, rules after the routes, removed the other way round.
	Routes   []netif.Route
	Rules    []netif.Rule
	Announce arp.Settings
	// TTL is the TTL or hop limit of adverts.
	TTL int
}

// Static are the addresses, routes and rules that do not depend on who is
// master (static_ipaddress, static_routes, static_rules).
type Static struct {
	Addresses []netif.Addr
	Routes    []netif.Route
	Rules     []netif.Rule
	// Followers are the instances that have a fault when other programs keep
	// removing one of them (track_group), by the text of the address's Key or of
	// the Item.
	Followers map[string][]string `json:",omitempty"`
}

// LeftItems identify routes and rules.
type LeftItems struct {
	Routes []netif.RouteKey
	Rules  []netif.Rule
}

// SnapshotRequest asks for a Snapshot.
type SnapshotRequest struct {
	// Number comes back in the answer.
	Number uint64
	// Brief leaves the instances out: a look whether the loop is alive must cost
	// it nothing.
	Brief bool
}

// Standby makes instances stay back, or take part again.
type Standby struct {
	// Instances are names.
	Instances []string
	On        bool
}

// Tracked says what the tracked scripts, files, processes and checks of one
// instance add up to.
type Tracked struct {
	Instance string
	Weight   int
	Fault    bool
}

// StateVersion is the version of the state that an elector hands to the binary
// that it executes in its own place.
const StateVersion = 1

// Upgrade asks the elector to execute another binary in its own place, which
// goes on with its state. The conversation ends with that; the successor answers
// on the same socket.
type Upgrade struct {
	// Executable is the path of the binary.
	Executable string
	// State is the StateVersion of that binary.
	State int
}

// NotUpgraded says why an Upgrade was not possible: the elector goes on.
type NotUpgraded struct{ Reason string }

// Shutdown asks the elector to leave in a planned way and to exit.
type Shutdown struct{}

// Applied says that a Config is in force.
type Applied struct {
	Digest string
	// OtherBase is set when the Config that was sent builds on another one than that
	// in force, of Digest: nothing was changed.
	OtherBase bool `json:",omitempty"`
	// Added, Kept and Removed name instances.
	Added, Kept, Removed []string
	// Problems are what could not be done, such as a socket on an interface.
	Problems []string
}

// Stopped says that the elector has left and exits now.
type Stopped struct{}

// EventKind says what an Event tells of.
type EventKind string

// The kinds of events.
const (
	EventTransition EventKind = "transition"
	// EventNotice is something that an operator should know: a packet that was
	// discarded or odd, told once in a while with the number of times.
	EventNotice EventKind = "notice"
	// EventLowerPriority is a master of lower priority that was heard
	// (notify_master_rx_lower_pri).
	EventLowerPriority EventKind = "lower-priority-master"
	// EventPriority is an effective priority that changed
	// (notify_priority_changes).
	EventPriority EventKind = "priority"
	// EventGroup is a transition of the sync group Group.
	EventGroup EventKind = "group"
	// EventAddress is an address, route or rule that could not be installed, was
	// put back, or is taken away by others.
	EventAddress EventKind = "address"
	// EventConflict is another host that uses the address Peer of ours.
	EventConflict EventKind = "conflict"
	// EventLog is a fact about the elector itself.
	EventLog EventKind = "log"
)

// Event is something that happened in the elector.
type Event struct {
	Seq uint64
	// Time is wall-clock time.
	Time     time.Time
	Kind     EventKind
	Instance string `json:",omitempty"`
	Group    string `json:",omitempty"`
	// From, To, Cause and Priority are of a transition.
	From     string `json:",omitempty"`
	To       string `json:",omitempty"`
	Cause    string `json:",omitempty"`
	Priority uint8  `json:",omitempty"`
	// Reason and Count are of a notice.
	Reason string `json:",omitempty"`
	Count  uint64 `json:",omitempty"`
	// Peer is the sender of the packet that the event is about.
	Peer netip.Addr `json:",omitzero"`
	// Interface is where the packet came from.
	Interface string `json:",omitempty"`
	// Text says what there is no field for.
	Text string `json:",omitempty"`
	// Level is "info", "warn" or "error".
	Level string `json:",omitempty"`
	// Lost is the number of events before this one that a slow main missed.
	Lost uint64 `json:",omitempty"`
}
