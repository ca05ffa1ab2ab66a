// Package dumps writes the state of a daemon in the forms in which keepalived dumps
// its own: .json (keepalived's SIGRTMIN+2), .stats (SIGUSR2), .data and, if there are
// virtual servers, _check.data (SIGUSR1). Exporters and scripts that read them find the fields, types,
// words and indentation of keepalived 2.2.7, and of 2.4 where that has more;
// e2e.TestDumpsAsKeepalived and vm/ipvs.TestCheckDump hold both next to each other.
//
// The daemon calls [JSON], [Stats], [Data] and [Checks] with what it knows ([Input]). They
// are pure: the same input gives the same bytes. Nothing is written to files
// here.
//
// # Deliberate differences
//
//   - No password is ever shown: auth_data and Password are asterisks (keepalived
//     masks them since 2.4; 2.2.7 does not).
//   - What only describes keepalived's own process (descriptors, buffers,
//     netlink, SNMP, the interfaces of the host) is left out of .data.
//   - Routes and rules (vroutes, vrules) are in the words of ip route and ip rule;
//     keepalived 2.2.7 has "prepend", "via inet" and "proto 18" there.
//   - _check.data has what takes part in balancing and what a check is like, and the
//     state of both; not what only the file says (delays, retries, addresses of groups).
//   - .json is written also when there are no instances, as an empty list.
//   - The first line of .data says that it is hakeep's.
package dumps
