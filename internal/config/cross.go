package config

import "net/netip"

// wireKey is what adverts of two multicast instances must differ in.
type wireKey struct {
	family Family
	vrid   uint8
	link   string
	group  netip.Addr
}

// unicastKey is the same for unicast, where instances with the same source and
// VRID may still have different peers.
type unicastKey struct {
	family Family
	vrid   uint8
	link   string // only where there is no source
	src    netip.Addr
	peer   netip.Addr
}

// checkTogether checks instances against each other.
func checkTogether(drafts []*draft) {
	names := make(map[string]*draft)
	multicast := make(map[wireKey]*draft)
	unicast := make(map[unicastKey]*draft)
	owners := make(map[addressOn]*draft)
	for _, d := range drafts {
		if other, ok := names[d.Name]; ok && d.Name != "" {
			d.b.errorf("name", "%s is also the name of the instance in line %d; every instance needs its own", describe(d.Name), other.Line)
		} else {
			names[d.Name] = d
		}
		if d.VRID != 0 {
			d.checkWire(multicast, unicast)
		}
		d.checkOwners(owners)
	}
}

// checkWire reports an instance whose adverts another one would take for its
// own.
func (d *draft) checkWire(multicast map[wireKey]*draft, unicast map[unicastKey]*draft) {
	const say = "%d is also that of instance %s in line %d with the same %s; choose a different virtual_router_id from 1 to 255"
	if !d.Unicast {
		if d.Interface == "" {
			return
		}
		key := wireKey{d.Family, d.VRID, d.Interface, d.McastDst}
		if other, ok := multicast[key]; ok {
			d.b.errorf("virtual_router_id", say, d.VRID, other.Name, other.Line, "interface, family and multicast group")
			return
		}
		multicast[key] = d
		return
	}
	for _, p := range d.UnicastPeers {
		key := unicastKey{d.Family, d.VRID, "", d.UnicastSrc, p.Addr}
		if !d.UnicastSrc.IsValid() {
			key.link = d.Interface
		}
		if other, ok := unicast[key]; ok && other != d {
			d.b.errorf("virtual_router_id", say, d.VRID, other.Name, other.Line, "source address and the peer "+p.Addr.String())
			return
		}
		unicast[key] = d
	}
}

// checkOwners reports addresses that another instance also puts on the same
// interface.
func (d *draft) checkOwners(owners map[addressOn]*draft) {
	for _, l := range d.lists() {
		for _, a := range l.list {
			if line, ok := d.b.d.static[a.on()]; ok {
				d.b.d.add(Error, a.line, d.b.join(l.key), "%s on %s is also a static_ipaddress in line %d; an address either moves or stays", a.Prefix.Addr(), a.Dev, line)
			}
			other, ok := owners[a.on()]
			if ok && other != d {
				d.b.d.add(Error, a.line, d.b.join(l.key), "%s on %s also belongs to instance %s in line %d; an address can move with one instance only",
					a.Prefix.Addr(), a.Dev, other.Name, other.Line)
				continue
			}
			owners[a.on()] = d
		}
	}
}
