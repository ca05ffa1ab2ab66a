package config

import (
	"math"
	"net/netip"
	"time"
)

// draft is one instance while it is read.
type draft struct {
	Instance

	b     *block
	def   *defaults
	vips  []placedAddress // becomes Addresses
	extra []placedAddress // becomes Excluded
	peers []placedPeer    // becomes UnicastPeers

	asksHigherPrio bool // higher_prio_send_advert is written down, here or for all

	tracks placedTracks // becomes Tracks
}

// instance reads one [[vrrp_instance]].
func (b *block) instance(def *defaults) *draft {
	d := &draft{b: b, def: def}
	d.Name = b.text("name")
	d.Line = b.node.line
	d.VRID = uint8(b.numOr("virtual_router_id", 0))
	d.Interface = b.text("interface")
	link := d.Interface
	if b.wrong("interface") {
		link = "the link of " + b.path // which is reported once, not for every address
	}
	d.vips = b.addresses("virtual_ipaddress", link)
	d.extra = b.addresses("virtual_ipaddress_excluded", link)
	d.Strict = b.flagOr("strict_mode", def.strict)
	d.dropDuplicates()
	d.readSource()
	d.readFamily()
	d.readVersion()
	d.readPriority()
	d.checkSource()
	d.readAdvert()
	d.readAuth()
	d.readFlags()
	d.readPreempt()
	d.readGarp()
	d.applyStrict()
	d.limitAddresses()
	d.checkGarp()
	for _, a := range d.vips {
		d.Addresses = append(d.Addresses, a.Address)
	}
	for _, a := range d.extra {
		d.Excluded = append(d.Excluded, a.Address)
	}
	d.tracks = b.tracks()
	d.Notify = b.notify(b.d.notifyPriority)
	d.SMTPAlert = b.flagOr("smtp_alert", b.d.alertVRRP)
	d.Routes, d.Rules = b.routes("virtual_routes", false), b.rules("virtual_rules", false)
	return d
}

// placedList is a list of addresses with its keyword.
type placedList struct {
	key  string
	list []placedAddress
}

// lists returns the addresses of both keywords.
func (d *draft) lists() []placedList {
	return []placedList{{"virtual_ipaddress", d.vips}, {"virtual_ipaddress_excluded", d.extra}}
}

// addressOn identifies an address on a link.
type addressOn struct {
	addr netip.Addr
	dev  string
}

func (a Address) on() addressOn { return addressOn{a.Prefix.Addr(), a.Dev} }

// dropDuplicates leaves every address once in one of the two lists, and checks
// that there is one at all.
func (d *draft) dropDuplicates() {
	seen := make(map[addressOn]int)
	once := func(key string, list []placedAddress) []placedAddress {
		var out []placedAddress
		for _, a := range list {
			if line, ok := seen[a.on()]; ok {
				d.b.d.add(Warning, a.line, d.b.join(key), "%s is a duplicate of the one in line %d and is dropped", a.shown, line)
				continue
			}
			seen[a.on()] = a.line
			out = append(out, a)
		}
		return out
	}
	d.vips = once("virtual_ipaddress", d.vips)
	d.extra = once("virtual_ipaddress_excluded", d.extra)

	d.NoVirtualIPAddress = d.b.flag("no_virtual_ipaddress")
	given := d.hasVIPs()
	switch {
	case given && d.NoVirtualIPAddress:
		d.b.warnf("no_virtual_ipaddress", "has no effect, because there is a virtual_ipaddress")
		d.NoVirtualIPAddress = false
	case !given && !d.NoVirtualIPAddress:
		d.b.warnf("virtual_ipaddress", "missing, so this instance moves no advertised address; "+
			`write for example virtual_ipaddress = ["192.0.2.10/24"], or no_virtual_ipaddress = true if that is intended`)
	}
}

// hasVIPs reports whether there is a virtual_ipaddress, right or wrong.
func (d *draft) hasVIPs() bool {
	return d.b.wrong("virtual_ipaddress") || len(d.b.items("virtual_ipaddress")) > 0
}

// readFamily takes the family from the virtual addresses, else from whatever
// else names an address.
func (d *draft) readFamily() {
	candidates := []struct {
		key  string
		addr netip.Addr
	}{{"unicast_src_ip", d.UnicastSrc}, {"mcast_src_ip", d.McastSrc}, {"mcast_dst_ip", d.b.addr("mcast_dst_ip")}}
	switch {
	case len(d.vips) > 0:
		d.Family = familyOf(d.vips[0].Prefix.Addr())
	case d.b.flag("native_ipv6"):
		d.Family = FamilyIPv6
	default:
		for _, c := range candidates {
			if c.addr.IsValid() && d.Family == 0 {
				d.Family = familyOf(c.addr)
			}
		}
		if d.Family == 0 && len(d.peers) > 0 {
			d.Family = familyOf(d.peers[0].Addr)
		}
		if d.Family == 0 {
			d.Family = FamilyIPv4
		}
	}
	for _, a := range d.vips {
		if familyOf(a.Prefix.Addr()) != d.Family {
			d.b.d.add(Error, a.line, d.b.join("virtual_ipaddress"),
				"%s is not %s like the first address; one instance advertises one family, so put it into virtual_ipaddress_excluded or into an instance of its own", a.shown, d.Family)
		}
	}
	if d.b.flag("native_ipv6") && d.Family == FamilyIPv4 {
		d.b.errorf("native_ipv6", "contradicts the IPv4 addresses in virtual_ipaddress; remove one of them")
	}
	for _, c := range candidates {
		if c.addr.IsValid() && familyOf(c.addr) != d.Family {
			d.b.errorf(c.key, "%s is not %s, which this instance is (%s)", c.addr, d.Family, d.familyCause())
		}
	}
	for _, p := range d.peers {
		if familyOf(p.Addr) != d.Family {
			d.b.d.add(Error, p.line, d.b.join("unicast_peer"), "%s is not %s, which this instance is (%s)", p.Addr, d.Family, d.familyCause())
		}
	}
}

// familyCause says why the instance has its family.
func (d *draft) familyCause() string {
	switch {
	case len(d.vips) > 0:
		return "virtual_ipaddress " + d.vips[0].Prefix.String()
	case d.Family == FamilyIPv6 && d.b.flag("native_ipv6"):
		return "native_ipv6"
	}
	return "its other addresses"
}

// readVersion settles the version: IPv6 exists in version 3 only.
func (d *draft) readVersion() {
	d.Version = uint8(d.b.numOr("version", d.def.version))
	if d.Family != FamilyIPv6 || d.Version == 3 {
		return
	}
	switch {
	case d.b.has("version") && d.Strict:
		d.b.warnf("version", "IPv6 needs version 3, which strict mode uses instead of %d", d.Version)
	case d.b.has("version"):
		d.b.errorf("version", "%d is not possible with IPv6; write version = 3 or leave it out", d.Version)
	}
	d.Version = 3
}

// readPriority reads state and priority, whose defaults depend on each other.
func (d *draft) readPriority() {
	b := d.b
	state := b.text("state")
	prio := 100
	if state == "MASTER" && !b.has("priority") {
		prio = 255
		if !b.wrong("priority") {
			b.warnf("state", `"MASTER" without a priority makes this router the address owner with priority 255; write the priority if that is not intended, for example priority = 150`)
		}
	}
	prio = b.numOr("priority", prio)
	d.Priority = uint8(prio)
	switch {
	case state == "MASTER", state == "" && prio == 255:
		d.State = StateMaster
	default:
		d.State = StateBackup
	}
	if prio == 255 && state == "BACKUP" {
		b.warnf("state", `the address owner (priority 255) waits for the whole master down time before it takes over; leave state out to take over at once`)
	}
}

// readAdvert reads the interval, whose range depends on the version.
func (d *draft) readAdvert() {
	const longest = 4095 * 10 * time.Millisecond // 12 bits of centiseconds, RFC 9568, 5.2.7
	d.AdvertInt = d.b.dur("advert_int")
	d.DownTimerAdverts = d.b.numOr("down_timer_adverts", d.def.downTimerAdverts)
	if !d.b.has("advert_int") || d.b.wrong("version") {
		return
	}
	switch {
	case d.Version == 2 && d.AdvertInt%time.Second != 0:
		d.b.errorf("advert_int", `%q is not possible in version 2, which counts whole seconds; allowed: "1s" to "255s", for example advert_int = "1s"; or use version = 3 on all routers`, formatDuration(d.AdvertInt))
	case d.Version == 3 && d.AdvertInt > longest:
		d.b.errorf("advert_int", `%q is too long for version 3; allowed: "10ms" to "40.95s" in steps of 10ms; for example advert_int = "1s"`, formatDuration(d.AdvertInt))
	}
}

// readAuth reads the authentication, which only version 2 has.
func (d *draft) readAuth() {
	d.Auth.Type = AuthNone
	a := d.b.table("authentication")
	if a == nil {
		return
	}
	if d.Strict {
		d.b.warnf("authentication", "strict mode has no authentication (RFC 3768), so it is dropped")
		return
	}
	if d.Version == 3 && !d.b.wrong("version") {
		d.b.errorf("authentication", "exists in version 2 only and would be ignored in version 3; remove it, or write version = 2 on all routers of this virtual router")
		return
	}
	if kind := a.text("auth_type"); a.has("auth_type") && kind != "PASS" {
		why := describe(kind) + " is not known"
		if kind == "AH" {
			why = `"AH" is refused: hakeep does not have it; it was removed from the standard (RFC 3768) and fails with more than two routers`
		}
		a.errorf("auth_type", `%s; allowed: "PASS", for example auth_type = "PASS"`, why)
		return
	}
	if !a.has("auth_type") || !a.has("auth_pass") {
		return
	}
	const longest = 8 // bytes in the packet, RFC 2338, 5.3.10
	pass := a.text("auth_pass")
	switch {
	case pass == "":
		a.errorf("auth_pass", "is empty; allowed: %s", a.row("auth_pass").Allowed())
		return
	case len(pass) > longest:
		a.warnf("auth_pass", "has more than %d bytes; only the first %d are used, here and on every other router", longest, longest)
		pass = pass[:longest]
	}
	d.Auth = Auth{Type: AuthPass, Password: pass}
}

// readFlags reads what stands for itself.
func (d *draft) readFlags() {
	b, def := d.b, d.def
	d.SkipCheckAdvAddr = b.flagOr("skip_check_adv_addr", def.skipCheckAdvAddr)
	d.asksHigherPrio = b.has("higher_prio_send_advert") || def.asksHigherPrio
	d.HigherPrioSendAdvert = b.flagOr("higher_prio_send_advert", def.higherPrioAdvert)
	d.LowerPrioNoAdvert = b.flagOr("lower_prio_no_advert", def.lowerPrioNoAdvert)
	d.OwnerIgnoreAdverts = d.Priority == 255 && b.flagOr("owner_ignore_adverts", def.ownerIgnoreAdverts)
	d.DontTrackPrimary = b.flag("dont_track_primary")
	d.PromoteSecondaries = b.flag("promote_secondaries")
	d.FastLeave = b.flagOr("fast_leave", def.fastLeave)
	d.FastLeaveInterval = b.fastLeaveInterval(def.fastLeaveInterval)
	d.V3ChecksumAsV2 = b.flagOr("v3_checksum_as_v2", def.v3ChecksumAsV2)
	d.Accept = d.either("accept", "no_accept", true)
}

// either reads a flag that has a word of its own for its opposite.
func (d *draft) either(yes, no string, def bool) bool {
	if d.b.given[yes] != nil && d.b.given[no] != nil {
		d.b.errorf(no, "stands beside %s in line %d; keep one of them", yes, d.b.line(yes))
	}
	if d.b.has(no) {
		return !d.b.flag(no)
	}
	return d.b.flagOr(yes, def)
}

// readPreempt reads preemption and drops what has no meaning together.
func (d *draft) readPreempt() {
	b := d.b
	d.Nopreempt = !d.either("preempt", "nopreempt", true)
	d.PreemptDelay = b.dur("preempt_delay")
	noKey := "nopreempt"
	if !b.has(noKey) {
		noKey = "preempt"
	}
	if d.Nopreempt && (d.State == StateMaster || d.Priority == 255) {
		why := `state "MASTER", which tells this router to take over; write state = "BACKUP" on all routers`
		if d.Priority == 255 {
			why = "priority 255: the address owner always takes over"
		}
		b.warnf(noKey, "has no effect with %s", why)
		d.Nopreempt = false
	}
	if d.PreemptDelay > 0 && (d.State == StateMaster || d.Nopreempt || d.Priority == 255) {
		why := `state "MASTER"; write state = "BACKUP"`
		switch {
		case d.Nopreempt:
			why = "nopreempt, which never takes over"
		case d.Priority == 255:
			why = "priority 255: the address owner takes over at once"
		}
		b.warnf("preempt_delay", "has no effect with %s", why)
		d.PreemptDelay = 0
	}
}

// limitAddresses moves what does not fit into an advert to the excluded
// addresses, as keepalived does. The MTU of the link is not known here.
func (d *draft) limitAddresses() {
	const mtu, ethernet, vrrp, auth = 1500, 14, 8, 8
	room, size := mtu-ethernet-vrrp-20, 4
	if d.Family == FamilyIPv6 {
		room, size = mtu-ethernet-vrrp-40, 16
	}
	if d.Version == 2 {
		room -= auth
	}
	most := min(math.MaxUint8, room/size)
	if len(d.vips) <= most {
		return
	}
	d.b.warnf("virtual_ipaddress", "an advert has room for %d %s addresses; the last %d of the %d are moved as virtual_ipaddress_excluded", most, d.Family, len(d.vips)-most, len(d.vips))
	d.extra = append(d.vips[most:len(d.vips):len(d.vips)], d.extra...)
	d.vips = d.vips[:most]
}
