// Package ipvs is the kernel's IPVS by generic netlink: it brings the table of
// services and servers in line with what is wanted ([Client.Reconcile]), reads its
// counters, and runs the daemon that copies connections to a second director.
// internal/daemon calls it; what is wanted is decided in package lvs.
//
// # Ownership
//
// The table is one for the whole network namespace, and its entries carry no mark. So
// the caller says by identity which services are its own: those in the old or the
// new configuration. All others are not touched, and not even read.
//
// # What others change
//
// IPVS tells nobody about changes. The caller runs Reconcile every [Resync]; it reads
// the table and does nothing when nothing differs.
//
// # Connections of servers that go
//
// A server that gets weight 0 keeps its connections. One that is deleted keeps the
// entries of its connections as well, but their packets are dropped until the entry
// times out (or the server comes back), so a client waits instead of being told; for
// UDP that may be for ever, since each packet renews the entry. [Client.SetExpireNodest]
// makes the kernel forget such entries: the next packet goes to another server, or is
// refused. It is a setting of the whole namespace, and IPVS has no request to forget
// the entries of one server.
//
// # Modules
//
// Nothing is executed here. The kernel loads ip_vs when the family "IPVS" is asked
// for, and a scheduler when a service names it, by the modules' aliases; a process
// needs no CAP_SYS_MODULE for that, nor to see /lib/modules.
package ipvs
