package status

import (
	"net/netip"
	"time"

	"hakeep/internal/config"
)

// Schema is the version of the JSON. It changes when a field is removed or
// means something else, not when one is added.
const Schema = 1

// Document is the state of a daemon at one moment.
type Document struct {
	// Schema is the constant of this name.
	Schema int `json:"schema"`
	// Time is when the document was built.
	Time time.Time `json:"time"`
	// OK says that the elector answers, that no instance is in FAULT, and that
	// none is held back while nobody is master.
	OK      bool    `json:"ok"`
	Daemon  Daemon  `json:"daemon"`
	Elector Elector `json:"elector"`
	// Warnings are what an operator should know now: a refused reload, an
	// interface that is missing, a socket that could not be opened.
	Warnings  []string   `json:"warnings"`
	Instances []Instance `json:"instances"`
	// Links counts, for each interface, discarded packets that belong to no
	// instance.
	Links []Link `json:"links"`
	// Tracked is what instances track, Groups are the sync groups, Notify is whom
	// transitions are told to.
	Tracked []Tracked `json:"tracked"`
	Groups  []Group   `json:"groups"`
	Notify  Notify    `json:"notify"`
	// Balancing is load balancing.
	Balancing Balancing `json:"balancing"`
}

// Daemon is the main process.
type Daemon struct {
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	// RouterID is router_id, or the name of the host.
	RouterID string `json:"router_id"`
	// Name is the keyword instance of [global_defs], where several daemons share
	// a host.
	Name       string `json:"name,omitempty"`
	ConfigFile string `json:"config_file"`
	RuntimeDir string `json:"runtime_dir"`
	// ConfigLoaded is when the configuration in force was loaded.
	ConfigLoaded time.Time `json:"config_loaded"`
	// LastReload is the outcome of the last attempt; absent before the first.
	LastReload *Reload `json:"last_reload,omitempty"`
	// Reloads and ReloadsRefused count since the start.
	Reloads        uint64 `json:"reloads"`
	ReloadsRefused uint64 `json:"reloads_refused"`
}

// Reload is the outcome of a reload, and the answer to `hakeep reload`.
type Reload struct {
	Time time.Time `json:"time"`
	// OK says that the new configuration is in force. Otherwise nothing changed,
	// unless Error says so.
	OK bool `json:"ok"`
	// Error says what went wrong beside the problems.
	Error string `json:"error,omitempty"`
	// Problems are errors and warnings of the configuration.
	Problems []Problem `json:"problems,omitempty"`
	// Warnings are other things to know, such as keys that need a restart.
	Warnings []string `json:"warnings,omitempty"`
	// Added, Changed and Removed name instances and virtual servers; Unchanged counts
	// the others.
	Added     []string `json:"added,omitempty"`
	Changed   []string `json:"changed,omitempty"`
	Removed   []string `json:"removed,omitempty"`
	Unchanged int      `json:"unchanged"`
	// Keys are the keys whose values differ from those before.
	Keys []config.Change `json:"keys,omitempty"`
}

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
	Key  string `json:"key,omitempty"`
	// Severity is "error" or "warning".
	Severity string `json:"severity"`
	Message  string `json:"message"`
	// Text is all of it in one line, as `hakeep check` prints it.
	Text string `json:"text"`
}

// Elector is the real-time process.
type Elector struct {
	// Running says that it answers. Otherwise Error says what is known, and the
	// rest is missing.
	Running bool      `json:"running"`
	Error   string    `json:"error,omitempty"`
	PID     int       `json:"pid,omitempty"`
	Started time.Time `json:"started,omitzero"`
	// Starts counts how often main had to start one.
	Starts uint64 `json:"starts"`
	// Realtime says whether real-time scheduling was granted, RealtimeReason why
	// not.
	Realtime       bool   `json:"realtime"`
	RealtimeReason string `json:"realtime_reason,omitempty"`
	// Lateness says how long after their deadlines adverts were sent.
	Lateness Lateness `json:"lateness"`
	// Relieved counts how often a second thread, on another CPU, sent adverts or
	// announcements, as the advert thread was late.
	Relieved uint64 `json:"relieved"`
	// Takeovers says how long the steps of taking over from a silent master took.
	Takeovers Takeovers `json:"takeovers"`
	Sockets   Sockets   `json:"sockets"`
}

// Lateness says how long after their deadlines adverts were sent.
type Lateness struct {
	Count uint64  `json:"count"`
	P50   float64 `json:"p50_seconds"`
	P99   float64 `json:"p99_seconds"`
	Max   float64 `json:"max_seconds"`
}

// Takeovers says how long each step of a take-over took, from the moment at which
// a master's silence was over: until the timer was acted on, the first advert had
// left, all addresses were in the kernel, and all had been announced once. Each
// instance counts by itself.
type Takeovers struct {
	Timer     Lateness `json:"timer"`
	Advert    Lateness `json:"advert"`
	Addresses Lateness `json:"addresses"`
	Announced Lateness `json:"announced"`
}

// Sockets counts packets of all instances together.
type Sockets struct {
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
	// SendErrors counts packets that the kernel refused to send, Dropped those
	// that it lost before they were read.
	SendErrors uint64 `json:"send_errors"`
	Dropped    uint64 `json:"dropped"`
}

// StateUnknown is the state of an instance while the elector does not answer.
const StateUnknown = "UNKNOWN"

// Instance is one virtual router.
type Instance struct {
	Name string `json:"name"`
	// State is INIT, BACKUP, MASTER, FAULT or UNKNOWN.
	State string `json:"state"`
	// Since is the time of the last transition, Why its reason in the words of
	// RFC 8347 where it has one.
	Since time.Time `json:"since,omitzero"`
	Why   string    `json:"why,omitempty"`
	// Faults is what keeps the instance in FAULT.
	Faults []string `json:"faults,omitempty"`
	// Standby is present while an operator holds the instance back.
	Standby *Standby `json:"standby,omitempty"`
	// Lingering says that a former master keeps its addresses until the winner
	// has them.
	Lingering bool `json:"lingering,omitempty"`

	// Family is "ipv4" or "ipv6", Version 2 or 3.
	Family    string `json:"family"`
	Version   int    `json:"version"`
	VRID      int    `json:"vrid"`
	Interface string `json:"interface,omitempty"`
	// Group is the multicast group; absent for unicast.
	Group netip.Addr `json:"group,omitzero"`
	// UnicastPeers are the configured peers; absent for multicast.
	UnicastPeers []netip.Addr `json:"unicast_peers,omitempty"`
	// Source is the address that adverts are sent from.
	Source netip.Addr `json:"source,omitzero"`

	Priority Priority `json:"priority"`
	// Master is the master that this backup follows; absent while it is master
	// itself or has heard of none.
	Master *Master `json:"master,omitempty"`
	// Peers are the other routers that were heard.
	Peers     []Peer    `json:"peers"`
	Intervals Intervals `json:"intervals"`
	Addresses Addresses `json:"addresses"`
	Counters  Counters  `json:"counters"`
	// Conflicts are other hosts that use addresses of the instance.
	Conflicts []Conflict `json:"conflicts"`
	// DoubleMaster is the times that two masters were heard at once.
	DoubleMaster DoubleMaster `json:"double_master"`
}

// Standby says that an instance is held back (hakeep standby).
type Standby struct {
	Since time.Time `json:"since"`
	// Until is when it ends by itself; absent if it does not.
	Until time.Time `json:"until,omitzero"`
	// Persist says that a restart of hakeep or of the machine does not end it.
	Persist bool `json:"persist,omitempty"`
	// NoMaster says that no other router is heard that is master: the addresses
	// are on no router.
	NoMaster bool `json:"no_master"`
}

// Priority is the priority of an instance and what it is made of.
type Priority struct {
	// Effective is the one that is advertised.
	Effective int `json:"effective"`
	// Configured is the keyword priority.
	Configured int `json:"configured"`
	// Owner says that it is the address owner's, which nothing changes.
	Owner bool `json:"owner,omitempty"`
	// Parts are the tracked objects, with what they add to or take from Configured.
	// The sum is kept within 1 to 254.
	Parts []PriorityPart `json:"parts,omitempty"`
}

// PriorityPart is one tracked object in a priority.
type PriorityPart struct {
	// Source is Kind, which is "interface" or as in Tracked, and Name.
	Source string `json:"source"`
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	// State is as in Tracked; of an interface "up" or "down".
	State string `json:"state"`
	// Weight is what it adds now.
	Weight int `json:"weight"`
	// Configured is the configured weight, 0 for one that means FAULT, and Reverse
	// turns its meaning around.
	Configured int  `json:"configured"`
	Reverse    bool `json:"reverse,omitempty"`
	// Fault says that it keeps the instance in FAULT now.
	Fault bool `json:"fault,omitempty"`
}

// Master is the master that a backup follows.
type Master struct {
	Address  netip.Addr `json:"address"`
	Priority int        `json:"priority"`
}

// Peer is another router of the same virtual router that was heard.
type Peer struct {
	Address  netip.Addr `json:"address"`
	Priority int        `json:"priority"`
	Interval float64    `json:"interval_seconds"`
	LastSeen time.Time  `json:"last_seen"`
	Adverts  uint64     `json:"adverts"`
}

// Intervals are the timers of an instance.
type Intervals struct {
	// Configured is advert_int, Advert the interval in force: a backup takes
	// over that of its master.
	Configured float64 `json:"configured_seconds"`
	Advert     float64 `json:"advert_seconds,omitempty"`
	// Down is the silence after which the backup takes over, of which Skew
	// depends on the priority.
	Down float64 `json:"down_seconds,omitempty"`
	Skew float64 `json:"skew_seconds,omitempty"`
}

// Addresses are the virtual addresses.
type Addresses struct {
	// Configured are all of them with their interfaces.
	Configured []Address `json:"configured"`
	// Installed are those that are in the kernel now, Missing those that should
	// be and are not.
	Installed []netip.Prefix `json:"installed"`
	Missing   []netip.Prefix `json:"missing"`
}

// Address is one configured address.
type Address struct {
	Address   netip.Prefix `json:"address"`
	Interface string       `json:"interface"`
	// Excluded addresses are not advertised (virtual_ipaddress_excluded).
	Excluded bool `json:"excluded,omitempty"`
}

// Counters are those of RFC 8347.
type Counters struct {
	AdvertsSent          uint64 `json:"adverts_sent"`
	AdvertsReceived      uint64 `json:"adverts_received"`
	PriorityZeroSent     uint64 `json:"priority_zero_sent"`
	PriorityZeroReceived uint64 `json:"priority_zero_received"`
	BecameMaster         uint64 `json:"became_master"`
	ReleasedMaster       uint64 `json:"released_master"`
	// Reasons counts packets that were discarded, or accepted although something
	// was odd, by reason.
	Reasons map[string]uint64 `json:"reasons"`
}

// Conflict is another host that uses an address of the instance.
type Conflict struct {
	Address netip.Addr `json:"address"`
	// MAC is its hardware address.
	MAC string `json:"mac"`
	// By is what it was noticed by first: "ARP", "neighbour advertisement" or "VRRP
	// advert".
	By       string    `json:"by"`
	Packets  uint64    `json:"packets"`
	LastSeen time.Time `json:"last_seen"`
}

// DoubleMaster tells of times with two masters.
type DoubleMaster struct {
	Count   uint64  `json:"count"`
	Seconds float64 `json:"seconds"`
}

// Link counts discarded packets of an interface that belong to no instance.
type Link struct {
	Interface string            `json:"interface"`
	Reasons   map[string]uint64 `json:"reasons"`
}

// Fault reports whether something needs a person: the elector does not answer,
// or an instance is in FAULT.
func (d *Document) Fault() bool { return !d.OK }

// Orphaned reports whether the instance is held back while nobody is master.
func (in *Instance) Orphaned() bool { return in.Standby != nil && in.Standby.NoMaster }

// Instance returns the instance of this name; nil if there is none.
func (d *Document) Instance(name string) *Instance {
	for i := range d.Instances {
		if d.Instances[i].Name == name {
			return &d.Instances[i]
		}
	}
	return nil
}

// Only returns a copy of d that has one instance, by which OK is judged then;
// nil if there is no instance of this name.
func (d *Document) Only(name string) *Document {
	in := d.Instance(name)
	if in == nil {
		return nil
	}
	only := *d
	only.Instances = []Instance{*in}
	only.onlyAround(name)
	only.OK = only.judge()
	return &only
}

func (d *Document) judge() bool {
	for i := range d.Instances {
		in := &d.Instances[i]
		switch in.State {
		case "FAULT", StateUnknown:
			return false
		}
		if in.Orphaned() {
			return false
		}
	}
	return d.Elector.Running
}
