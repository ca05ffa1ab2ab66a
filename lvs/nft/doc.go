// Package nft balances connections with nftables instead of IPVS: it turns
// services into sets, maps and chains for hakeep's table. internal/daemon calls it
// and hands the result to internal/firewall, which owns the table; internal/status
// and internal/metrics show what it counts. The package decides and describes; it
// changes nothing itself, and does not know of health: a [lvs.Service] lists the
// servers that are to be used.
//
//	tables, err := nft.Build(services)       // pure
//	err = fw.Set(firewall.Rules{…, Contributions: []firewall.Contribution{tables.Contribution}})
//	counts, err := nft.ReadCounters(fw)
//
// # A packet's way
//
// The first packet of a connection (nat chains see no others) whose destination is
// an address of this host is looked up in one verdict map by address, protocol and
// port, whatever the number of services. The service's chain chooses a slot: by a
// counter (rr, wrr), at random (random) or by a hash of the source (sh, mh). A map
// turns the slot into the server's address and port. All others follow the
// connection's entry in the kernel's connection tracking.
//
// That the address must be of this host (fib daddr type local) is what makes the
// rules the same on master and backup: they are always loaded, and a takeover needs
// no change of them.
//
// # What is the same on two routers
//
// Maps follow from the identities and weights of the servers, sorted, and from
// nothing else: not from the order of a file, nor from which server failed when.
// [Tables.Digest] tells whether two routers agree. So with mh and sh a client's
// packets reach the same server through either router, and a connection goes on
// after a takeover ([Survival] says when that holds).
//
// # What is refused
//
// What this back end cannot do as IPVS does is refused by [Refuse], not done
// somehow: DR and TUN, firewall marks, services of all ports, schedulers that look
// at the number of connections, thresholds, one-packet scheduling.
package nft
