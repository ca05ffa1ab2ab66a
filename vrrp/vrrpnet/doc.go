// Package vrrpnet is the network side of VRRP: the sockets that adverts come in
// by and leave by, nothing of the protocol.
//
// It is used by the elector's one locked real-time thread, whose loop is
//
//	wait (PollFD or FDs, timer, messages of main)
//	-> RecvReady until nothing is queued
//	-> vrrp.Router.Step
//	-> Queue or QueuePrepared, Flush
//
// Nothing here starts a goroutine, blocks, or allocates on that path, and a
// [Net] may be used by one thread only. Its sockets belong to the network
// namespace of the thread that called [Open] and [Net.Sync], which must be the
// same one. What must not be here: protocol decisions, clocks, logs.
//
// # Receiving
//
// There is one raw socket per parent interface and family, however many
// virtual routers it has, and one unbound socket per family for unicast without
// an interface. A datagram is handed on once, also where both kinds of socket
// see it. Three things keep foreign packets out:
//
//   - A new raw socket receives from all interfaces until it is bound. So a
//     filter that drops everything is attached at once, the socket is bound and
//     joins its groups, what slipped in before is drained, and only then the
//     real filter takes its place.
//   - That filter passes the destinations of the socket's endpoints only. A raw
//     IPv4 socket shows it the IP header at offset 0; a raw IPv6 socket shows
//     the VRRP header there, so the destination is read by the offset of the
//     network header.
//   - The same is checked again on what is read. This also serves sockets with
//     more destinations than a filter can list.
//
// Packets are never dropped by source address: an advert from our own address
// is worth a log line, and the core has a check for it. Our own adverts do not
// come back because multicast loopback is off on the sending sockets. (Linux
// itself drops IPv4 packets that carry one of the host's own addresses as
// source before a raw socket sees them.)
//
// Reload calls Sync with the new endpoints: a socket, a membership or a filter
// that is wanted before and after is not touched, and an advert in between is
// not lost.
//
// # Sending
//
// Three sockets send for all interfaces: raw IPv4 with our own header, raw
// IPv6, and a packet socket for frames that carry a virtual router's MAC as
// source ([Packet.SrcMAC]). The interface is named per packet, so one sendmmsg
// serves any number of interfaces and virtual routers. A packet that cannot be
// sent is counted by kind ([SendError]) and skipped; the others go.
//
// An advert that is sent again and again is prepared once ([Prepare]): its
// header, address and control message are built then, and queueing it copies
// one message descriptor and nothing of the packet.
//
// System calls are made without telling Go's scheduler. They cannot block, and
// a thread that tells the scheduler may lose its P and wait tens of
// milliseconds for another one while other goroutines are busy.
//
// # In memory
//
// [Mem] is a network of virtual hosts for tests of loops: each [MemNet] has the
// methods of a Net.
package vrrpnet
