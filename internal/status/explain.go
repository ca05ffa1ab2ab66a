package status

// Explain says in plain words what the reason of a notice means and what to
// look at; empty for reasons that it does not know. The reasons are those of
// package vrrp.
func Explain(reason string) string {
	switch reason {
	case "foreign":
		return "another protocol on IP protocol 112, such as CARP; it does no harm"
	case "ttl":
		return "discarded: the TTL is not what adverts on the link have; they come through a router, or from a peer below min_ttl"
	case "version":
		return "discarded: the peer speaks another VRRP version; set the same version (vrrp_version) on all routers"
	case "type":
		return "discarded: not an advert"
	case "length":
		return "discarded: the packet is damaged or is cut off"
	case "checksum":
		return "discarded: the checksum is wrong in both forms"
	case "vrid":
		return "an advert for a virtual router that is not configured here"
	case "address-count":
		return "discarded: the peer advertises no address"
	case "interval":
		return "discarded: the advertised interval is 0"
	case "family":
		return "discarded: the advert belongs to another address family"
	case "auth-type":
		return "discarded: the peer uses another authentication (auth_type); both routers may be master now"
	case "auth":
		return "discarded: the peer has another password (auth_pass); both routers may be master now"
	case "interval-mismatch":
		return "discarded: in version 2 all routers need the same advert_int; both routers may be master now"
	case "unicast-source":
		return "discarded: the sender is not in unicast_peer"
	case "destination":
		return "discarded: the peer sends multicast and this router expects unicast, or the other way round"
	case "own-address":
		return "discarded: another machine uses this router's own address, or the network sends our packets back"
	case "startup":
		return "ignored: within vrrp_startup_delay"
	case "owner-ignores":
		return "ignored: owner_ignore_adverts"
	case "address-list":
		return "accepted, but the peer advertises other addresses; make virtual_ipaddress the same on all routers"
	case "not-link-local":
		return "accepted, but the first IPv6 address is not link-local; other implementations may discard it"
	case "no-addresses":
		return "accepted, but without any address"
	case "interval-differs":
		return "accepted, but the peer has another advert_int; it is learned from the master"
	case "checksum-form":
		return "accepted, but the checksum is in the other form; see v3_checksum_as_v2"
	case "two-owners":
		return "a peer has priority 255 as well; only the owner of the addresses may"
	case "equal-priority":
		return "a peer has the same priority; the higher address wins"
	}
	return ""
}
