// Package netif puts addresses on network interfaces and keeps them there. It
// is the kernel side of hakeep for links and addresses.
//
// The parts, from pure to impure:
//
//   - [Addr], [Installed], [Link]: an address as it should be, an address and a
//     link as the kernel has them.
//   - [Plan]: the ordered operations that lead from one to the other. Pure.
//   - [Reconciler]: holds the last desired set, follows events, puts back what
//     other programs take away, within bounds. Pure over a [Backend].
//   - [Kernel] and [Watch]: rtnetlink requests and notifications.
//   - [Fake]: a Backend in memory that behaves like the kernel, for tests.
//   - [Route], [Rule], [Item], [PlanItems], [ItemReconciler], [FakeItems]: the
//     same for routes and rules.
//
// The elector's address thread owns a Kernel and a Reconciler: it hands the
// latest desired set to [Reconciler.Sync] and what a Watch reports to
// [Reconciler.HandleEvents], and gets a [Result] for each address at once, so
// that announcing starts before the rest is installed. Nothing in here starts
// a goroutine. Configuration texts are not parsed here, and nothing here
// decides about mastership.
//
// # Why not a complete rtnetlink library
//
// The address path speaks rtnetlink by itself, on x/sys. A takeover is waiting
// for it, and github.com/vishvananda/netlink does one request per system call
// and round trip, cannot set or read the owner's mark IFA_PROTO, and ends a
// subscription at the first overrun. Here many requests go out in one send,
// only the last asks for an acknowledgement (errors are always reported), and
// an overrun becomes an [EventResync].
//
// # What the kernel changes in place
//
// Linux answers success to a request that replaces an address and then ignores
// most of it. Measured on 6.18 (TestInPlace):
//
//	                                         IPv4        IPv6
//	preferred lifetime, deprecated           in place    in place
//	nodad, home, mngtmpaddr, noprefixroute   ignored     in place
//	label, broadcast, scope                  ignored     not there
//	peer in the same network                 ignored     set, but never removed
//	autojoin                                 ignored     goes with multicast
//	prefix length                            another     ignored
//	                                         address
//	owner's mark                             in place    in place
//
// So everything else is changed by a delete and an add in one batch; the
// address is missing for some microseconds. The last line has a trap: a program
// that changes an address of ours and does not know marks (`ip address change`)
// removes the mark.
//
// # Routes and rules
//
// The kernel's removals find by what the request says, and what it does not
// say matches everything; some things are never compared. Measured on 6.18
// (TestItemWalkKernel): the removal of an IPv4 route without metrics or source
// finds one with them, that of a multipath route finds a single one; the removal
// of a rule without `from` finds one with it, and `not` is not compared; an
// exclusive addition of a rule is refused for the same reason. [PlanItems]
// orders its operations accordingly. IPv6 keeps one route for a destination and
// metric, and without NLM_F_EXCL makes one multipath route of ours and
// another's; so there a place that is taken is [ErrItemExists].
//
// Routes and rules of ours carry [Protocol] as rtm_protocol and FRA_PROTOCOL.
// Reading asks the kernel for that mark, and [Watch.FollowItems] drops other
// programs' routes in the kernel, so that a full table costs little.
//
// # Ownership
//
// Addresses of ours carry [Protocol] as IFA_PROTO (Linux 5.18). What is owned
// is decided by the caller's predicate, since several daemons may share a
// host; what is not owned is never changed nor removed, also when it equals a
// desired address (see [Conflicts]). A [Reconciler] also owns what it put there
// itself for as long as it did not see it go, and puts a lost mark back.
package netif
