package config

import (
	"io/fs"
	"math"
	"net/netip"
	"time"
)

// Config is a validated configuration: every default is filled in, every rule
// between keys holds. It is not changed after Parse has returned it.
type Config struct {
	// File is the name of the file it came from.
	File string
	// Global holds what belongs to the process as a whole. The defaults for
	// instances in [global_defs] are already in the instances.
	Global Global
	// Instances are the virtual routers in the order of the file.
	Instances []Instance
	// Groups are the sync groups, Scripts, Files, Processes and Checks what can
	// be tracked, all in the order of the file. What no instance tracks is to
	// be left alone: it does nothing (keepalived).
	Groups    []SyncGroup
	Scripts   []Script
	Files     []TrackFile
	Processes []TrackProcess
	Checks    []Check
	// StaticAddresses, StaticRoutes and StaticRules are put into the kernel at
	// the start and taken away at the end; they never move.
	StaticAddresses []Address
	StaticRoutes    []Route
	StaticRules     []Rule
	// TrackGroups are the instances that follow static items.
	TrackGroups []TrackGroup
	// LinkDelays make short changes of links go unnoticed; each link is there
	// at most once.
	LinkDelays []LinkDelay
	// VirtualServers are what is balanced, in the order of the file.
	VirtualServers []VirtualServer
	// TLS is what checkers by TLS show and trust.
	TLS TLSClient

	links    []linkRef
	source   source
	commands []commandRef

	// places are where lines of the text come from, if that is not File.
	places []Place
}

// Global is what [global_defs] says about the whole process.
type Global struct {
	// RouterID names this host in mails and status (router_id); empty means
	// the host's name.
	RouterID string
	// Name tells several daemons of one host apart (instance); empty for the
	// only one.
	Name string
	// NFTable is the name of the nftables table (nftables): by default
	// "hakeep", or "hakeep_NAME" when Name is set.
	NFTable string
	// StartupDelay is how long adverts are ignored after the start
	// (vrrp_startup_delay), 0 for not at all.
	StartupDelay time.Duration
	// DelayAfterBoot is the same, counted from the boot of the host
	// (vrrp_delay_after_boot). The longer one of both wins.
	DelayAfterBoot time.Duration
	// LogUnknownVRIDs asks for a log line about adverts of virtual routers
	// that are not configured (log_unknown_vrids).
	LogUnknownVRIDs bool
	// DefaultInterface is the interface of static addresses without dev
	// (default_interface).
	DefaultInterface string
	// Realtime asks for real-time scheduling of the elector (realtime).
	Realtime bool
	// MainTimeout is how long the elector keeps its state without the main
	// process (main_timeout).
	MainTimeout time.Duration
	// HTTPListen is where /metrics, /status and /healthz are served
	// (http_listen); the zero value means nowhere.
	HTTPListen netip.AddrPort
	// NFTPriority is the priority of the chains of no_accept
	// (nftables_priority), NFTCounters counts what they drop
	// (nftables_counters).
	NFTPriority int
	NFTCounters bool
	// HealDoubleMaster lets the surviving master announce its addresses again,
	// and run its take-over commands again, after two masters were heard
	// (heal_double_master). It has no effect on strict instances.
	HealDoubleMaster bool
	// NetNamespace is the absolute path of the network namespace to run in
	// (net_namespace); empty for the one hakeep was started in.
	NetNamespace string
	// StartupScript is run before anything else is done, ShutdownScript after
	// everything else (startup_script, shutdown_script); each is ended after
	// its Timeout.
	StartupScript, ShutdownScript Command
	// ScriptUser and ScriptGroup are script_user: whom commands run as; already
	// in every Command. ScriptGroup may be empty.
	ScriptUser, ScriptGroup string
	// Umask takes rights off the files that programs make (umask).
	Umask fs.FileMode
	// PIDDir puts the pid files of hakeep keepalived into /run/keepalived
	// (use_pid_dir).
	PIDDir bool
	// ReloadFile is there while a reload reads the configuration (reload_file);
	// empty for none, relative to the runtime directory unless absolute.
	ReloadFile string
	// ScriptSecurity refuses programs that root runs and others may write to
	// (enable_script_security).
	ScriptSecurity bool
	// NotifyFIFO gets all transitions, VRRPNotifyFIFO those of instances and
	// groups, LVSNotifyFIFO those of servers. Their paths differ.
	NotifyFIFO, VRRPNotifyFIFO, LVSNotifyFIFO FIFO
	// FIFOWriteStatesOnReload writes all states again after a reload
	// (fifo_write_vrrp_states_on_reload).
	FIFOWriteStatesOnReload bool
	// Mail is how mails are sent. Which instances and groups want them is said
	// by their SMTPAlert.
	Mail Mail
	// LVS is about load balancing.
	LVS LVS
	// Dumps says where the state is dumped to.
	Dumps Dumps
}

// Dumps are the files that are written on keepalived's signals.
type Dumps struct {
	// State, Stats and JSON are absolute paths (state_dump_file, stats_dump_file,
	// json_dump_file); empty for keepalived.data, .stats and .json in the runtime
	// directory.
	State, Stats, JSON string
	// JSONVersion is the layout of JSON, 1 or 2 (json_version).
	JSONVersion int
}

// Instance is one virtual router.
type Instance struct {
	// Name is unique and contains no blanks, quotes and slashes.
	Name string
	// Line is where the block begins in the file.
	Line int
	// State is the state to start in; it has no meaning afterwards.
	State State
	// Interface is the link the instance runs on. It is empty only with
	// Unicast and a UnicastSrc.
	Interface string
	// VRID is 1 to 255.
	VRID uint8
	// Family is the family of the adverts and of Addresses.
	Family Family
	// Version is 2 or 3; FamilyIPv6 always has 3.
	Version uint8
	// Priority is 1 to 255; 255 is the address owner.
	Priority uint8
	// AdvertInt is the advertisement interval: whole seconds from 1 to 255 in
	// version 2, 10 ms to 40.95 s in steps of 10 ms in version 3.
	AdvertInt time.Duration
	// DownTimerAdverts is how many adverts have to be missed, 1 to 100.
	DownTimerAdverts int
	// Auth is the authentication, only ever other than AuthNone in version 2.
	Auth Auth
	// Addresses are advertised, in this order; all are of Family and there are
	// not more of them than fit into an advert.
	Addresses []Address
	// Excluded are moved together with Addresses but not advertised; their
	// families may differ.
	Excluded []Address
	// NoVirtualIPAddress says that no address is intended.
	NoVirtualIPAddress bool
	// Unicast says that adverts go to UnicastPeers. Without peers such an
	// instance is to stay in fault (unicast_fault_no_peer).
	Unicast bool
	// UnicastPeers are the other routers; empty with multicast.
	UnicastPeers []Peer
	// UnicastSrc is the source address of unicast adverts. The zero value
	// means the address of the interface; invalid with multicast.
	UnicastSrc netip.Addr
	// McastSrc is the source address of multicast adverts. The zero value
	// means the address of the interface (IPv6: its link-local address);
	// invalid with unicast.
	McastSrc netip.Addr
	// McastDst is the multicast group; invalid with unicast.
	McastDst netip.Addr
	// TrackSrcIP puts the instance into fault while the source address is
	// absent from the host.
	TrackSrcIP bool
	// CheckUnicastSrc drops adverts from addresses that are no peer.
	CheckUnicastSrc bool
	// UnicastTTL is the TTL or hop limit of unicast adverts, 1 to 255; 0
	// with multicast.
	UnicastTTL uint8
	// V3ChecksumAsV2 sends version 3 IPv4 adverts with a checksum over the
	// message only (the form of RFC 9568, 5.2.8).
	V3ChecksumAsV2 bool
	// Nopreempt leaves a master of lower priority alone.
	Nopreempt bool
	// PreemptDelay is how long to wait before preempting, up to 1000 s. It is 0
	// with Nopreempt and with StateMaster.
	PreemptDelay time.Duration
	// HigherPrioSendAdvert sends one advert before giving way to a higher
	// master.
	HigherPrioSendAdvert bool
	// LowerPrioNoAdvert does not answer an advert of lower priority.
	LowerPrioNoAdvert bool
	// FastLeave makes planned moves lose nothing (fast_leave).
	FastLeave bool
	// FastLeaveInterval is what a leaving master teaches the backups: 10 ms to
	// 10 s in steps of 10 ms, 0 for hakeep's choice (fast_leave_interval).
	FastLeaveInterval time.Duration
	// OwnerIgnoreAdverts drops all adverts; only ever set with priority 255.
	OwnerIgnoreAdverts bool
	// Garp says how addresses are announced.
	Garp GarpSettings
	// Accept is false if packets to the virtual addresses are to be dropped.
	Accept bool
	// Strict is RFC strictness. Its consequences for other fields are already
	// applied.
	Strict bool
	// SkipCheckAdvAddr does not compare the address list of an advert that
	// comes from the current master.
	SkipCheckAdvAddr bool
	// DontTrackPrimary ignores the link state of Interface.
	DontTrackPrimary bool
	// PromoteSecondaries sets the sysctl of this name on Interface.
	PromoteSecondaries bool
	// Tracks is what the instance watches, together with what its sync group
	// does. Weights are what counts in the end: 0 for weighted trackers of a
	// member of a sync group (keepalived), and the address owner has none.
	Tracks Tracks
	// SyncGroup is the name of the sync group it belongs to, or empty.
	SyncGroup string
	// Notify is whom to tell of transitions.
	Notify Notify
	// SMTPAlert sends mails on transitions.
	SMTPAlert bool
	// Routes and Rules move with the master (virtual_routes, virtual_rules).
	Routes []Route
	Rules  []Rule
}

// Auth is the authentication of version 2.
type Auth struct {
	// Type is AuthNone or AuthPass.
	Type AuthType
	// Password has 1 to 8 bytes with AuthPass. It is a secret: neither Auth's
	// String and GoString nor JSON show it.
	Password string `json:"-"`
}

// String names the type without the password.
func (a Auth) String() string { return a.Type.String() }

// GoString names the type without the password, for the verb %#v.
func (a Auth) GoString() string { return "config.Auth{Type: " + a.Type.String() + "}" }

// Peer is another router of a unicast instance.
type Peer struct {
	// Addr is its address, of the instance's family.
	Addr netip.Addr
	// MinTTL and MaxTTL bound the TTL of its adverts: 0 and 255 unless set.
	MinTTL, MaxTTL uint8
}

// Forever is the PreferredLft of an address that stays preferred.
const Forever = time.Duration(math.MaxInt64)

// Address is one virtual address and how it is put on a link. Values can be
// compared with ==.
type Address struct {
	// Prefix is the address with its prefix length, host bits included.
	Prefix netip.Prefix
	// Dev is the link it goes to; never empty.
	Dev string
	// Scope is the kernel's number: 0 global, 200 site, 253 link, 254 host,
	// 255 nowhere.
	Scope uint8
	// Broadcast is the broadcast address, invalid for none; IPv4 only.
	Broadcast netip.Addr
	// Label is the interface label of at most 15 bytes; IPv4 only.
	Label string
	// Peer is the other end of a point-to-point address; invalid for none.
	Peer netip.Prefix
	// DAD asks for duplicate address detection; IPv6 only.
	DAD bool
	// Home, MngTmpAddr, NoPrefixRoute and Autojoin are flags of the kernel.
	Home, MngTmpAddr, NoPrefixRoute, Autojoin bool
	// NoTrack ignores that another program removes the address.
	NoTrack bool
	// PreferredLft is how long the address may be chosen as a source: Forever,
	// or 0 for never; whole seconds.
	PreferredLft time.Duration
	// TrackGroup is the track group that follows it; empty for virtual ones.
	TrackGroup string
}

// GarpSettings says how gratuitous ARP and unsolicited neighbour
// advertisements are sent.
type GarpSettings struct {
	// Repeat is the number of packets an address and burst, at least 1.
	Repeat int
	// Delay is when the second burst follows the first one; 0 for none.
	Delay time.Duration
	// Refresh is the period of announcements while master; 0 for none.
	Refresh time.Duration
	// RefreshRepeat is the number of packets an address and refresh.
	RefreshRepeat int
	// LowerPrioDelay and LowerPrioRepeat are Delay and Repeat of the bursts
	// that answer a master of lower priority. A repeat of 0 means none.
	LowerPrioDelay  time.Duration
	LowerPrioRepeat int
	// Interval and NAInterval are the least gaps between two gratuitous ARPs
	// and two neighbour advertisements on one interface; 0 for none.
	Interval, NAInterval time.Duration
}

// linkRef is a place in the file that names a network interface.
type linkRef struct {
	link string
	line int
	key  string
	then string // what its absence means; empty: the instance is in fault
}
