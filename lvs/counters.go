package lvs

// Counters are what has passed since the service or server came into the kernel.
// They only grow.
type Counters struct {
	// Connections is how many were given to a server.
	Connections uint64
	// In is from clients to servers, Out the way back. A kernel sees no packets on
	// the way back of DR and TUN.
	InPackets, OutPackets uint64
	InBytes, OutBytes     uint64
}

// ServerCounters are the counters of a server in one service.
type ServerCounters struct {
	Server Server
	Counters
	// Active connections are established; Inactive ones are all the others that the
	// kernel still remembers; Persistent is the number of clients that are bound to
	// the server.
	Active, Inactive, Persistent uint32
}

// ServiceCounters are the counters of a service, and of its servers in the order of
// their endpoints.
type ServiceCounters struct {
	ID ID
	Counters
	Servers []ServerCounters
}
