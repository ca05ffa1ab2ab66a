// Package firewall owns hakeep's nftables table: "hakeep", or "hakeep_NAME"
// with keepalived's `instance` keyword, of family inet. Nobody else writes to
// it, and this package writes to no other.
//
// The main process says what is wanted with [Firewall.Set]; the package reads
// what is there, computes the difference ([Rules] to table to operations is
// pure), applies it in one transaction and reads it back. [Firewall.Run]
// watches and puts the table back when another program flushes the ruleset or
// changes the table. When nothing is wanted there is no table.
//
// # no_accept
//
// The rules of no_accept (RFC 9568, 8.1.1 and 8.1.2 with Accept_Mode false)
// drop packets to and from the virtual addresses in the input and output
// hooks. They do not depend on the state of an instance: in BACKUP the
// addresses are not there, so the rules match nothing, and taking over needs
// no change of them. Neighbour discovery is exempt, or the address could not be
// resolved and no traffic would be forwarded (RFC 9568, 6.1), and so is
// multicast listener discovery, whose reports have a link-local source that
// may be a virtual address. IPv4 needs no exemption: an inet table does not
// see ARP. Forwarded traffic passes neither hook.
//
// Load balancing adds sets and chains of its own to the same table, as
// [Contribution].
package firewall
