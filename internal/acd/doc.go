// Package acd hears other hosts that use addresses of ours: address conflict
// detection as in RFC 5227, for the virtual addresses of a master and for the
// addresses that adverts leave from.
//
// The kernel drops packets with a local source address before any other socket
// sees them, and keeps quiet about an ARP claim. Two routers that do not hear
// each other's adverts, a cloned machine, a forgotten static address: each ends
// in answers from the wrong host now and then, and nothing says so.
//
// # Parts
//
//   - parse.go reads ARP packets and neighbour advertisements.
//   - judge.go decides which claims are conflicts. It is a value without clock or
//     socket.
//   - [Watch] has the sockets, whose filters in the kernel let nothing through in
//     the normal case, and asks by ARP probes where it was told to.
//
// The elector runs it in a goroutine of its own, away from the adverts, and tells
// it which addresses are ours now.
package acd
