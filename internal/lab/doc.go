// Package lab builds small networks out of Linux network namespaces: hosts,
// switches, clients that measure outages, captures, and keepalived as a peer.
//
// It is used by the end-to-end tests (through package nstest), by benchmarks
// and by the demo command, so it does not import package testing. Nothing here
// touches the network of the host: every link, address, route and sysctl is
// made inside a namespace that this package created, and all of it vanishes
// with the namespace.
//
// Namespaces are anonymous. A [Namespace] is kept alive by a file descriptor,
// and everything inside it is done by a thread that entered it and that ends
// afterwards ([Namespace.Do]); no goroutine of the program ever runs in the
// wrong namespace. Root is needed, or a user namespace in which the program
// is root ([UserNamespaceCommand]); [Supported] tells by trying.
//
// A network is drawn like this:
//
//	  client          a               b
//	    |.100         |.1             |.2      192.0.2.0/24
//	====+=============+===============+====== LAN (a bridge in a namespace of its own)
//
// A [Port] connects a host to a [LAN]. Cut makes the switch port dead while
// the host keeps its carrier; Down takes the carrier away.
//
// This package starts goroutines that outlive a call (probes, captures,
// children): each belongs to a value with a Stop or Close method.
package lab
