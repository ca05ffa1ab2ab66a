package vrrp

import "slices"

// maxTTL is the TTL that proves that a packet was not forwarded (RFC 9568,
// 5.1.1.3 and 7.1).
const maxTTL = 255

// accept runs the receive checks in the order of the reasons' declaration. It
// returns the instance that is meant, if any, and why the packet is discarded.
// When nothing is wrong the decoded advert is in r.advert. Odd things that are
// tolerated are noted.
func (r *Router) accept(d *AdvertReceived) (*instance, Reason) {
	in, why := r.demux(d)
	if isCARP(d.Payload) {
		return in, ReasonForeign
	}
	if d.TTL >= 0 && !ttlAllowed(in, d) {
		return in, ReasonTTL
	}
	expect := Version(0)
	if in != nil {
		expect = in.p.Version
	}
	if reason := r.advert.Parse(d.Payload, d.Src, d.Dst, expect); reason != ReasonNone {
		return in, reason
	}
	if why != ReasonNone {
		return in, why
	}
	return in, in.check(r, d, &r.advert)
}

// demux finds the instance that a packet is for. Without one it says why.
func (r *Router) demux(d *AdvertReceived) (*instance, Reason) {
	vrid, ok := PeekVRID(d.Payload)
	if !ok {
		return nil, ReasonVRID
	}
	var near *instance
	why := ReasonVRID
	for _, i := range r.byVRID[vridKey{FamilyOf(d.Dst), vrid}] {
		in := &r.instances[i]
		p := in.p
		if p.Link != "" && in.link != d.Link {
			continue
		}
		switch {
		case p.Unicast && d.Dst == in.src:
			if _, listed := p.peer(d.Src); listed {
				return in, ReasonNone
			}
			if !p.CheckUnicastSource {
				near, why = in, ReasonNone
			} else if near == nil {
				near, why = in, ReasonUnicastSource
			}
		case !p.Unicast && d.Dst == p.Group:
			return in, ReasonNone
		case near == nil && p.Unicast == d.Dst.IsMulticast():
			near, why = in, ReasonDestination
		}
	}
	return near, why
}

// ttlAllowed is the first rung: 255 for multicast, the peer's bounds for unicast.
func ttlAllowed(in *instance, d *AdvertReceived) bool {
	if d.Dst.IsMulticast() {
		return d.TTL == maxTTL
	}
	if in == nil {
		return true
	}
	peer, ok := in.p.peer(d.Src)
	return !ok || d.TTL >= int(peer.MinTTL) && d.TTL <= int(peer.MaxTTL)
}

// check are the rungs that need the instance's configuration.
func (in *instance) check(r *Router, d *AdvertReceived, a *Advert) Reason {
	p := in.p
	switch {
	case d.Src == in.src:
		return ReasonOwnAddress
	case len(a.Addrs) == 0 && len(p.Addrs) > 0:
		return ReasonAddrCount
	case p.Version == V2 && a.Auth != p.Auth:
		return ReasonAuthType
	case p.Version == V2 && p.Auth == AuthPass && !passwordEqual(a.Password, p.Password):
		return ReasonAuth
	case p.Version == V2 && a.Interval != p.Interval:
		return ReasonIntervalMismatch
	case in.state == Init && !in.lingering():
		return ReasonStartup
	case in.owner() && p.OwnerIgnoreAdverts:
		return ReasonOwnerIgnores
	}
	return in.note(r, d, a)
}

// note tells of what is odd but tolerated. In strict mode the first of it that
// RFC 9568 calls wrong discards the advert.
func (in *instance) note(r *Router, d *AdvertReceived, a *Advert) Reason {
	p := in.p
	for _, odd := range [...]struct {
		is     bool
		reason Reason
		wrong  bool
	}{
		{len(a.Addrs) == 0, ReasonNoAddresses, true},
		{p.Family == IPv6 && len(a.Addrs) > 0 && !a.Addrs[0].IsLinkLocalUnicast(), ReasonNotLinkLocal, true},
		{in.otherAddrs(d, a), ReasonAddrList, true},
		{p.Version == V3 && a.Interval != p.Interval, ReasonIntervalDiffers, false},
		{p.Version == V3 && p.Family == IPv4 && a.Form != p.Form, ReasonChecksumForm, false},
		{in.owner() && a.Priority == OwnerPriority, ReasonTwoOwners, false},
		{in.state == Master && a.Priority == in.priority() && !in.owner(), ReasonEqualPriority, false},
	} {
		if !odd.is {
			continue
		}
		if odd.wrong && p.Strict {
			return odd.reason
		}
		r.emit(Action{Kind: Noted, ID: in.id, Reason: odd.reason, Src: d.Src})
	}
	return ReasonNone
}

// otherAddrs reports whether the advert lists other addresses than ours; their
// order does not matter.
func (in *instance) otherAddrs(d *AdvertReceived, a *Advert) bool {
	p := in.p
	if p.SkipCheckAdvAddr && d.Src == in.master || slices.Equal(a.Addrs, p.Addrs) {
		return false
	}
	if len(a.Addrs) != len(p.Addrs) {
		return true
	}
	for _, addr := range p.Addrs {
		if !slices.Contains(a.Addrs, addr) {
			return true
		}
	}
	return false
}
