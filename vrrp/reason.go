package vrrp

// Reason says why a received packet was discarded, or what was odd about one
// that was accepted. Its text is the label of the counter in status and
// metrics, so it changes only with an entry in CHANGELOG.md.
type Reason uint8

// The rungs of the receive ladder, in the order in which they are tried
// (RFC 9568, 7.1 and errata 8298-8301). A packet that fails one of them is
// discarded.
const (
	// ReasonNone is the zero value: nothing is wrong.
	ReasonNone Reason = iota
	// ReasonForeign is another protocol on IP protocol 112 (CARP).
	ReasonForeign
	// ReasonTTL is a TTL or hop limit outside of what is allowed: 255 for
	// multicast, the peer's min_ttl and max_ttl for unicast.
	ReasonTTL
	// ReasonVersion is a VRRP version other than the instance's.
	ReasonVersion
	// ReasonType is a packet type other than ADVERTISEMENT.
	ReasonType
	// ReasonFamily is an address family other than that of the IP header.
	ReasonFamily
	// ReasonLength is a packet shorter or longer than its address count says.
	ReasonLength
	// ReasonChecksum is a checksum that is right in neither form.
	ReasonChecksum
	// ReasonInterval is an advertisement interval of 0.
	ReasonInterval
	// ReasonVRID is a virtual router that is not configured on the link.
	ReasonVRID
	// ReasonUnicastSource is a unicast advert from an address that is not in
	// unicast_peer.
	ReasonUnicastSource
	// ReasonDestination is a multicast advert for a unicast instance or the
	// other way round.
	ReasonDestination
	// ReasonOwnAddress is an advert whose source is our own address: a cloned
	// configuration, or a bridge that sends our packets back.
	ReasonOwnAddress
	// ReasonAddrCount is an advert without addresses where ours has some.
	ReasonAddrCount
	// ReasonAuthType is a VRRPv2 authentication type other than ours. One that
	// does not exist, and the trailer of auth_hmac, are found while the packet is
	// decoded, before the interval.
	ReasonAuthType
	// ReasonAuth is a VRRPv2 password other than ours.
	ReasonAuth
	// ReasonIntervalMismatch is a VRRPv2 interval other than ours (RFC 3768,
	// 7.1: must be discarded).
	ReasonIntervalMismatch
	// ReasonStartup is an advert that came within vrrp_startup_delay.
	ReasonStartup
	// ReasonOwnerIgnores is an advert to an address owner that ignores adverts.
	ReasonOwnerIgnores

	// The rest is counted and warned about, but accepted unless vrrp_strict.

	// ReasonAddrList is an address list that differs from ours.
	ReasonAddrList
	// ReasonNotLinkLocal is a VRRPv3 IPv6 advert whose first address is not
	// link-local (RFC 9568, 5.2.9).
	ReasonNotLinkLocal
	// ReasonNoAddresses is an advert without addresses where ours has none.
	ReasonNoAddresses
	// ReasonIntervalDiffers is a VRRPv3 interval other than ours: learned.
	ReasonIntervalDiffers
	// ReasonChecksumForm is a checksum in the form that we do not send.
	ReasonChecksumForm
	// ReasonTwoOwners is a peer that also advertises priority 255.
	ReasonTwoOwners
	// ReasonEqualPriority is a peer with our own priority.
	ReasonEqualPriority

	// NumReasons is the number of reasons, for arrays of counters.
	NumReasons
)

var reasonNames = [NumReasons]string{
	ReasonNone:             "none",
	ReasonForeign:          "foreign",
	ReasonTTL:              "ttl",
	ReasonVersion:          "version",
	ReasonType:             "type",
	ReasonFamily:           "family",
	ReasonLength:           "length",
	ReasonChecksum:         "checksum",
	ReasonInterval:         "interval",
	ReasonVRID:             "vrid",
	ReasonUnicastSource:    "unicast-source",
	ReasonDestination:      "destination",
	ReasonOwnAddress:       "own-address",
	ReasonAddrCount:        "address-count",
	ReasonAuthType:         "auth-type",
	ReasonAuth:             "auth",
	ReasonIntervalMismatch: "interval-mismatch",
	ReasonStartup:          "startup",
	ReasonOwnerIgnores:     "owner-ignores",
	ReasonAddrList:         "address-list",
	ReasonNotLinkLocal:     "not-link-local",
	ReasonNoAddresses:      "no-addresses",
	ReasonIntervalDiffers:  "interval-differs",
	ReasonChecksumForm:     "checksum-form",
	ReasonTwoOwners:        "two-owners",
	ReasonEqualPriority:    "equal-priority",
}

func (r Reason) String() string {
	if r < NumReasons {
		return reasonNames[r]
	}
	return "unknown"
}

// Discards reports whether a packet with this reason is thrown away. The
// others are accepted unless strict_mode.
func (r Reason) Discards() bool { return r > ReasonNone && r < ReasonAddrList }
