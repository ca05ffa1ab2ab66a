// Package arp announces addresses: it tells the neighbours on a link that an
// address now lives behind a given hardware address.
//
// # Why
//
// When a router becomes master it puts the virtual addresses on its interface.
// That alone moves no traffic: every neighbour remembers for minutes or hours
// (four hours on some routers) which hardware address belonged to the virtual
// address, and switches remember the port. So the new master announces itself,
//
//   - for IPv4 by a gratuitous ARP: an ARP request, sent to everybody, in which
//     sender and target address are both the announced address (RFC 9568,
//     8.1.2; RFC 5227, 3), and
//   - for IPv6 by an unsolicited neighbour advertisement with the Override flag
//     (RFC 9568, 8.2.2; RFC 4861, 7.2.6).
//
// Neither is acknowledged, so an announcement that is lost leaves a neighbour
// in the dark until its entry expires. That is why they are repeated, a second
// time after some seconds, and again when a router of lower priority was heard
// that believed itself master: its announcements have spoilt the caches.
//
// # Parts
//
// The package has three parts that know nothing of one another:
//
//   - The codecs, [AppendGratuitous] and [AppendUnsolicitedNA], write complete
//     Ethernet frames; [ParseGratuitous] and [ParseUnsolicitedNA] read them.
//   - [Schedule] decides what is to be announced when. It is a value without
//     clock, socket or goroutine: the caller tells it the time. It is told what
//     happened ([Schedule.Begin], [Schedule.Stop]), says when it wants to be
//     asked ([Schedule.Next]) and hands out what is due ([Schedule.Due]).
//   - [Sender] puts frames on the wire, up to [Batch] of them with one system
//     call, by one packet socket for all links.
//
// The elector's loop joins them:
//
//	n := schedule.Due(now, min(sender.Room(), budget), queue) // queue calls sender.Queue
//	sender.Flush()
//
// where budget is what may leave before adverts must have their turn again.
//
// # In which order
//
// A router with a thousand addresses must not have its last address wait for
// five rounds over all the others, and an instance with one address must not
// wait for an instance with a thousand. Announcements therefore stand in two
// queues: the first announcement of every address of a burst, and the
// repetitions. The first queue always goes first, and within each queue the
// instances take turns, one frame each. Where pacing is configured
// (vrrp_garp_interval, vrrp_gna_interval, garp_group) each link, or group of
// links, has a budget of its own for either family; a link that has to wait
// holds back no other.
//
// # What peers can provoke
//
// A Begin never adds to what is already outstanding: an address owes at most
// one burst and at most one later burst. keepalived answers every advert of a
// lower-priority master with a burst, without limit; a host on the link can
// so turn each of its packets into five of ours for each address. Here such
// bursts have a growing minimum distance, see [CauseLowerPriority].
//
// # Rules
//
// The package imports nothing of hakeep. Its users are the elector, which calls
// it from its one locked real-time thread, and the simulator. Due, Queue and
// Flush, and Begin for addresses that are already known, do not allocate and
// never block. Which links can carry announcements at all (Ethernet, and not
// NOARP) is for the caller to decide. The sender exists on Linux only.
package arp
