package lvs

import (
	"net/netip"
	"time"
)

// ID is what identifies a service in the kernel: protocol, address and port, or
// a firewall mark with a family. It is comparable.
type ID struct {
	// Protocol is 0 for a service by firewall mark.
	Protocol Protocol
	// Addr has no zone. It is invalid for a service by firewall mark.
	Addr netip.Addr
	// Port is 0 for all ports, which only a persistent service can have.
	Port uint16
	// Mark is the firewall mark, 0 for a service by address.
	Mark uint32
	// Family is that of Addr; a service by firewall mark names its own.
	Family Family
}

// Endpoint is the address and port of a real server. It identifies the server
// within its virtual server. Port 0 is the port of the service.
type Endpoint struct {
	Addr netip.Addr
	Port uint16
}

// Protocol is a transport protocol, by its number in IP.
type Protocol uint8

// The protocols that are balanced.
const (
	TCP  Protocol = 6
	UDP  Protocol = 17
	SCTP Protocol = 132
)

// Family is an address family.
type Family uint8

// The families.
const (
	IPv4 Family = iota + 1
	IPv6
)

// Attr is what a service has beside its identity and its servers, and what the
// kernel can change in place. It is comparable.
type Attr struct {
	// Scheduler is the name of the kernel's module without "ip_vs_": rr, wrr, lc,
	// wlc, lblc, lblcr, sh, mh, dh, sed, nq, fo, ovf, twos; for lvs/nft also random.
	Scheduler string
	Flags     Flags
	// Persistence is how long a client stays with its server, 0 for not at all;
	// whole seconds.
	Persistence time.Duration
	// PersistenceBits is the length of the prefix that counts as one client
	// (persistence_granularity): 32 and 128 are single hosts. 0 means single hosts.
	PersistenceBits uint8
	// Engine is the persistence engine, "" or "sip".
	Engine string
}

// Flags are options of a service.
type Flags uint32

// The flags, with the kernel's values (linux/ip_vs.h). What the last three mean
// depends on the scheduler.
const (
	Hashed    Flags = 0x0002
	OnePacket Flags = 0x0004 // keepalived: ops
	Sched1    Flags = 0x0008 // flag-1, sh-fallback, mh-fallback
	Sched2    Flags = 0x0010 // flag-2, sh-port, mh-port
	Sched3    Flags = 0x0020 // flag-3

	SHFallback, SHPort = Sched1, Sched2
	MHFallback, MHPort = Sched1, Sched2
)

// Method is how packets get to a server (keepalived: lvs_method, lb_kind).
type Method uint8

// The methods.
const (
	// NAT is IPVS's masquerading.
	NAT Method = iota + 1
	// DR is direct routing.
	DR
	// TUN is tunnelling.
	TUN
)

// TunnelType is the encapsulation of TUN.
type TunnelType uint8

// The tunnels.
const (
	IPIP TunnelType = iota + 1
	GUE
	GRE
)

// Checksum is how the outer packet of a tunnel is protected.
type Checksum uint8

// The ways.
const (
	NoChecksum Checksum = iota + 1
	WithChecksum
	RemoteChecksum
)

// Forward is how packets get to a server, with the details of tunnels. It is
// comparable; Tunnel, Port and Checksum are 0 unless Method is TUN.
type Forward struct {
	Method   Method
	Tunnel   TunnelType
	Port     uint16 // of GUE
	Checksum Checksum
}

// MaxWeight is the largest weight of a server (keepalived.conf allows no more).
const MaxWeight = 65535

// Server is a real server as a kernel knows it. It is comparable.
type Server struct {
	// Endpoint has a port unless the service has none.
	Endpoint Endpoint
	Forward  Forward
	// Weight is 0 for a server that gets no new connections but keeps those it has.
	Weight int
	// UThreshold and LThreshold bound the connections of a server: over the upper
	// it gets no new ones, until it is under the lower; 0 is no bound. The kernel
	// takes up to 2,147,483,647, and a lower one that is not above the upper one.
	UThreshold, LThreshold uint32
}

// Service is a service as a kernel should have it, or has it. Servers are
// sorted by Endpoint and differ in it.
type Service struct {
	ID   ID
	Attr Attr
	// Name is that of the virtual server it belongs to, for messages and counters.
	// Services of one group share it, and have the same Attr and Servers (but for
	// ports that the service decides).
	Name    string
	Servers []Server
	// Masquerade lets replies come back through this router whatever the servers'
	// routes say; lvs/nft only.
	Masquerade bool
	// Configured is how many servers the virtual server has, up or not, without the
	// sorry server; 0 counts Servers. lvs/nft chooses the size of a Maglev table by
	// it: a size that changed when a server fails would move every client.
	Configured int
}

// RealServer is a real server as the operator configured it.
type RealServer struct {
	Server
	// Alpha servers count as failed until all their checks have passed once.
	Alpha bool
	// Inhibit keeps a failed server in the kernel with weight 0
	// (inhibit_on_failure).
	Inhibit bool
	// Checks are names of checks, of which none may be failed. A check may be named
	// by several servers. A server without is up.
	Checks []string
}

// VirtualServer is a virtual server as the operator configured it.
type VirtualServer struct {
	// Name is unique: ADDR:PORT/tcp, fwmark:N, group:NAME/tcp.
	Name string
	// IDs has one entry, or all of a group.
	IDs  []ID
	Attr Attr
	// Quorum is the sum of weights below which the service counts as down, at least
	// 1; Hysteresis is how much more it takes to come up, and less to go down.
	Quorum, Hysteresis int
	// Servers differ in Endpoint.
	Servers []RealServer
	// Sorry gets the traffic while the quorum is lost, nil for none. With
	// SorryInhibit it stays in the kernel with weight 0 when it is not used.
	Sorry        *Server
	SorryInhibit bool
	// Suspend probes only while an address of the service is on this host
	// (ha_suspend).
	Suspend bool
	// Omega tells of everything as down when the daemon stops.
	Omega bool
	// Masquerade: see Service.
	Masquerade bool
}
