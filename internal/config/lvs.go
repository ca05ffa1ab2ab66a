package config

import (
	"net/netip"
	"time"
)

// LVS is what [global_defs] says about load balancing.
type LVS struct {
	// Backend is what puts the services into the kernel (lvs_backend); for
	// BackendAuto see [Config.ChooseBackend].
	Backend Backend
	// Flush clears the whole IPVS table at the start, also of what is not
	// hakeep's (lvs_flush).
	Flush bool
	// FlushOnStop says how services go at the end (lvs_flush_on_stop).
	FlushOnStop Flush
	// ExpireNodest forgets the connections of servers that are taken out
	// (lvs_expire_nodest_conn); unset leaves IPVS's setting alone, and means UDP with
	// nftables.
	ExpireNodest Choice
	// TCPTimeout, TCPFinTimeout and UDPTimeout are how long IPVS keeps idle
	// connections (lvs_timeouts): whole seconds, 0 for what the kernel has.
	TCPTimeout, TCPFinTimeout, UDPTimeout time.Duration
	// Sync is the daemon that tells other directors of connections
	// (lvs_sync_daemon).
	Sync SyncDaemon
	// InitNotifies tells of every server at the start, not only of changes
	// (rs_init_notifies).
	InitNotifies bool
	// NoCheckerMails sends mails when a server comes and goes only, not when one
	// of several checkers of it does (no_checker_emails).
	NoCheckerMails bool
	// UntrackedMark is the mark of sockets that connection tracking does not see, and
	// of probes without one of their own (checker_untracked_mark); 0 for none.
	UntrackedMark uint32
	// NetNamespace is the absolute path of the network namespace whose IPVS
	// table is used (net_namespace_ipvs); empty for that of everything else.
	NetNamespace string
}

// SyncDaemon is IPVS's connection synchronisation: a sender while the instance is
// master, else a receiver. Without an instance both run all the time.
type SyncDaemon struct {
	// Interface is the link; empty for no synchronisation.
	Interface string
	// Instance is the name of an instance of Config, or empty.
	Instance string
	// ID is that of the group of directors: the VRID of the instance unless set.
	ID uint8
	// MaxLen is the size of a message, 0 for the kernel's default; Port, TTL and
	// Group are where it goes: 0, 0 and invalid for the kernel's defaults.
	MaxLen, Port uint16
	TTL          uint8
	Group        netip.Addr
}

// TLSClient is what SSL_GET shows and trusts (block SSL).
type TLSClient struct {
	// Certificate and Key are files that prove who asks; both or none.
	Certificate, Key string
	// CA is a file with the authorities for checkers with Verify; empty for those
	// of the system.
	CA string
}

// VirtualServer is a service that is balanced.
type VirtualServer struct {
	// Name is unique: ADDR:PORT/tcp, fwmark:N, fwmark:N/inet6 or, for a group,
	// group:NAME/tcp; group:NAME if there are only marks in it.
	Name string
	// Line is where the block begins in the file.
	Line int `json:"-"`
	// Group is the name of its virtual_server_group, or empty.
	Group string
	// Services are at least one, and no other virtual server has any of them.
	Services []VirtualService
	// Scheduler is the name of IPVS's module (lvs_sched), or "random".
	Scheduler string
	// Hashed and OnePacket (ops) are flags of the service; what Flag1 (sh-fallback,
	// mh-fallback), Flag2 (sh-port, mh-port) and Flag3 mean is the scheduler's.
	Hashed, OnePacket, Flag1, Flag2, Flag3 bool
	// Persistence is how long a client stays with its server, whole seconds; 0
	// for not at all. PersistenceBits is the length of the prefix that counts as
	// one client: 32 or 128 for single hosts, 0 without Persistence.
	Persistence     time.Duration
	PersistenceBits uint8
	// PersistenceEngine is "sip" or empty.
	PersistenceEngine string
	// Quorum is the sum of weights that makes the service up: 1 to the sum of all
	// servers. Hysteresis is 0 to Quorum-1.
	Quorum, Hysteresis int
	// Servers are at least one and differ in Addr.
	Servers []RealServer
	// Sorry is used while the quorum is lost.
	Sorry SorryServer
	// Suspend probes only while an address of the service is on this host
	// (ha_suspend).
	Suspend bool
	// Omega tells of everything as down when the daemon stops.
	Omega bool
	// Masquerade lets replies come back through this router (masquerade).
	Masquerade bool
	// QuorumUp and QuorumDown are run when the quorum is gained and lost.
	QuorumUp, QuorumDown Command
	// SMTPAlert sends mails about the quorum.
	SMTPAlert bool
}

// VirtualService is one thing that clients connect to: a firewall mark, or an
// address, port and protocol. It is comparable.
type VirtualService struct {
	// Protocol is 0 for a mark.
	Protocol Protocol
	// Addr is invalid for a mark. Port 0 is all ports, which only a persistent
	// service has.
	Addr netip.Addr
	Port uint16
	// Mark is 0 for an address.
	Mark uint32
	// Family is that of Addr; a mark names its own.
	Family Family
}

// Forward is how packets get to a server (lvs_method). It is comparable.
type Forward struct {
	Method Method
	// Tunnel, TunnelPort and Checksum are 0 unless Method is MethodTUN, TunnelPort
	// is 0 unless Tunnel is TunnelGUE.
	Tunnel     Tunnel
	TunnelPort uint16
	Checksum   Checksum
}

// SorryServer is the server of last resort.
type SorryServer struct {
	// Addr is invalid if there is none. Port 0 is as in RealServer.
	Addr    netip.AddrPort
	Forward Forward
	// Inhibit keeps it in the kernel with weight 0 when it is not used
	// (sorry_server_inhibit).
	Inhibit bool
}

// RealServer is one server of a virtual server.
type RealServer struct {
	// Line is where the block begins in the file.
	Line int `json:"-"`
	// Addr has a port, but for a group whose services have different ones, or
	// where the service has none: then port 0 is that of each service.
	Addr    netip.AddrPort
	Forward Forward
	// Weight is 0 to 65535.
	Weight int
	// UThreshold and LThreshold bound its connections, 0 for no bound.
	UThreshold, LThreshold uint32
	// Alpha counts it as failed until all checkers have passed once; Inhibit
	// keeps it in the kernel with weight 0 when it failed.
	Alpha, Inhibit bool
	// NotifyUp and NotifyDown are run when it comes and goes.
	NotifyUp, NotifyDown Command
	// SMTPAlert sends mails when it comes and goes.
	SMTPAlert bool
	// Checkers are what has to pass for it to be up. Without any it is up.
	Checkers Checkers
}

// Backend is what puts services into the kernel.
type Backend uint8

const (
	// BackendAuto chooses at the start.
	BackendAuto Backend = iota + 1
	// BackendIPVS is the kernel's virtual server.
	BackendIPVS
	// BackendNFT is nftables.
	BackendNFT
)

// Flush says how the services of IPVS go at the end.
type Flush uint8

const (
	// FlushNone takes away every server and service by itself.
	FlushNone Flush = iota + 1
	// FlushAll clears the whole table, also of what is not hakeep's.
	FlushAll
	// FlushServices takes away services with their servers at once.
	FlushServices
)

// Protocol is a transport protocol, by its number in IP.
type Protocol uint8

// The protocols that are balanced.
const (
	ProtocolTCP  Protocol = 6
	ProtocolUDP  Protocol = 17
	ProtocolSCTP Protocol = 132
)

// Method is how packets get to a server.
type Method uint8

// The methods of IPVS.
const (
	MethodNAT Method = iota + 1
	MethodDR
	MethodTUN
)

// Tunnel is the encapsulation of MethodTUN.
type Tunnel uint8

// The tunnels.
const (
	TunnelIPIP Tunnel = iota + 1
	TunnelGUE
	TunnelGRE
)

// Checksum is how the outer packet of a tunnel is protected.
type Checksum uint8

// keepalived's nocsum, csum and remcsum.
const (
	ChecksumNone Checksum = iota + 1
	ChecksumOn
	ChecksumRemote
)
