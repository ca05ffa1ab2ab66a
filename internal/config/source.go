package config

import "net/netip"

// readSource reads where adverts go to and come from.
func (d *draft) readSource() {
	b := d.b
	peers, bounded := b.peers()
	d.peers = peers
	for _, p := range peers {
		d.UnicastPeers = append(d.UnicastPeers, p.Peer)
	}
	d.settleUnicast()
	d.CheckUnicastSrc = b.flagOr("check_unicast_src", d.def.checkUnicastSrc)
	if bounded && !d.CheckUnicastSrc {
		if b.has("check_unicast_src") {
			b.warnf("check_unicast_src", "is true all the same, because a peer has min_ttl or max_ttl")
		}
		d.CheckUnicastSrc = true
	}
	uni, multi := b.addr("unicast_src_ip"), b.addr("mcast_src_ip")
	if uni.IsValid() && multi.IsValid() && uni != multi {
		b.errorf("mcast_src_ip", "stands beside unicast_src_ip in line %d; an instance is either unicast or multicast, so keep one of them", b.line("unicast_src_ip"))
	}
	if d.Unicast {
		if !uni.IsValid() && multi.IsValid() {
			b.warnf("mcast_src_ip", "is used as unicast_src_ip, because there is a unicast_peer")
			uni = multi
		}
		d.UnicastSrc = uni
	} else {
		if !multi.IsValid() && uni.IsValid() {
			b.warnf("unicast_src_ip", "there is no unicast_peer, so this instance is multicast with this source address; write for example unicast_peer = [\"192.0.2.2\"] if it is to be unicast")
			multi = uni
		}
		d.McastSrc = multi
	}
}

// settleUnicast decides whether the instance is unicast.
func (d *draft) settleUnicast() {
	b := d.b
	wanted := b.flag("unicast_fault_no_peer")
	empty := b.has("unicast_peer") && len(b.items("unicast_peer")) == 0
	d.Unicast = b.given["unicast_peer"] != nil && !empty || empty && wanted
	switch {
	case empty && wanted:
		b.warnf("unicast_peer", "is empty, so this instance is in fault (unicast_fault_no_peer) until a peer is configured")
	case empty:
		b.warnf("unicast_peer", `is empty, so this instance uses multicast; write for example unicast_peer = ["192.0.2.2"], or unicast_fault_no_peer = true to stay in fault`)
	case wanted && b.given["unicast_peer"] == nil:
		b.warnf("unicast_fault_no_peer", "has no effect without unicast_peer")
	}
}

// checkSource checks sources, peers and groups against each other once the
// family is known.
func (d *draft) checkSource() {
	b := d.b
	d.TrackSrcIP = b.flag("track_src_ip")
	if d.TrackSrcIP && !d.UnicastSrc.IsValid() && !d.McastSrc.IsValid() {
		b.warnf("track_src_ip", "has no effect without unicast_src_ip or mcast_src_ip")
		d.TrackSrcIP = false
	}
	d.checkInterface()
	if !d.Unicast {
		d.McastDst = d.def.mcast4
		if d.Family == FamilyIPv6 {
			d.McastDst = d.def.mcast6
		}
		if own := b.addr("mcast_dst_ip"); own.IsValid() && familyOf(own) == d.Family {
			b.checkGroup("mcast_dst_ip", own, d.Family)
			d.McastDst = own
		}
		d.ignored("has no effect without unicast_peer", "unicast_ttl", "check_unicast_src")
		return
	}
	d.ignored("has no effect with unicast_peer", "mcast_dst_ip")
	d.UnicastTTL = uint8(b.num("unicast_ttl"))
	for _, p := range d.peers {
		if p.Addr == d.UnicastSrc {
			b.d.add(Error, p.line, b.join("unicast_peer"), "%s is this router's own unicast_src_ip; list only the other routers", p.Addr)
		}
		for _, a := range d.vips {
			if a.Prefix.Addr() == p.Addr {
				b.d.add(Error, p.line, b.join("unicast_peer"), "%s is a virtual address of this instance; list the other router's own address", p.Addr)
			}
		}
	}
}

// checkInterface checks what needs to know its link, and that sources are
// usable.
func (d *draft) checkInterface() {
	b := d.b
	src, key := d.UnicastSrc, "unicast_src_ip"
	if !d.Unicast {
		src, key = d.McastSrc, "mcast_src_ip"
	}
	if !b.has(key) { // the other one was taken, with a warning
		key = map[string]string{"unicast_src_ip": "mcast_src_ip", "mcast_src_ip": "unicast_src_ip"}[key]
	}
	if src.IsValid() && (src.IsMulticast() || src.IsUnspecified()) {
		b.errorf(key, "%s is not an address that a host can have", src)
	}
	if d.Interface == "" && b.given["interface"] == nil {
		switch {
		case !d.Unicast || !b.has(key) && !b.wrong(key):
			b.errorf("interface", `missing; write for example interface = "eth0" (it may be left out only with unicast_peer and unicast_src_ip)`)
		case src.Is6() && src.IsLinkLocalUnicast():
			b.errorf("interface", "missing; the link-local source %s says nothing without it, write for example interface = \"eth0\"", src)
		default:
			for _, p := range d.UnicastPeers {
				if p.Addr.Is6() && p.Addr.IsLinkLocalUnicast() {
					b.errorf("interface", "missing; the link-local peer %s cannot be reached without it, write for example interface = \"eth0\"", p.Addr)
				}
			}
		}
	}
	if src.IsValid() && d.Priority != 255 && d.ownVIP(src) {
		b.warnf(key, "%s is also a virtual address, so this router loses its source address with it; use the router's own address", src)
	}
}

// ownVIP reports whether an address is one of the virtual ones.
func (d *draft) ownVIP(a netip.Addr) bool {
	for _, l := range d.lists() {
		for _, v := range l.list {
			if v.Prefix.Addr() == a {
				return true
			}
		}
	}
	return false
}

// ignored warns about keys that are there without meaning anything.
func (d *draft) ignored(why string, keys ...string) {
	for _, key := range keys {
		if d.b.has(key) {
			d.b.warnf(key, "%s", why)
		}
	}
}
