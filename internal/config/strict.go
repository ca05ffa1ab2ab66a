package config

// applyStrict applies what strict mode (vrrp_strict, strict_mode) means for
// other keywords. What contradicts it in the file is a warning, as with
// keepalived, or an error where keepalived stops.
func (d *draft) applyStrict() {
	if !d.Strict {
		d.checkFirstIPv6(d.b.warnf)
		return
	}
	b := d.b
	owner := d.Priority == 255
	if d.Unicast {
		b.errorf("unicast_peer", "strict mode has no unicast (RFC 9568, 5.1.1.2); remove unicast_peer, or write strict_mode = false")
	}
	if !d.hasVIPs() {
		b.errorf("virtual_ipaddress", `strict mode needs at least one virtual address; write for example virtual_ipaddress = ["192.0.2.10/24"], or strict_mode = false`)
	}
	d.checkFirstIPv6(b.errorf)
	if d.State == StateMaster && !owner {
		b.warnf("state", `strict mode starts as "MASTER" only with priority 255, so "BACKUP" is used`)
		d.State = StateBackup
	}
	if d.PreemptDelay > 0 {
		b.warnf("preempt_delay", "strict mode has none, so it is dropped")
		d.PreemptDelay = 0
	}
	if d.DownTimerAdverts != 3 {
		b.warnf("down_timer_adverts", "strict mode always waits for 3 adverts, so %d is not used", d.DownTimerAdverts)
		d.DownTimerAdverts = 3
	}
	for _, key := range []string{"garp_lower_prio_delay", "garp_lower_prio_repeat"} {
		if b.has(key) {
			b.warnf(key, "strict mode does not announce addresses on an advert of lower priority, so it is 0")
		}
	}
	d.Garp.LowerPrioDelay, d.Garp.LowerPrioRepeat = 0, 0
	if b.has("lower_prio_no_advert") && !d.LowerPrioNoAdvert {
		b.warnf("lower_prio_no_advert", "strict mode does not answer adverts of lower priority, so it is true")
	}
	d.LowerPrioNoAdvert = true
	if d.asksHigherPrio && d.HigherPrioSendAdvert {
		b.warnf("higher_prio_send_advert", "strict mode gives way without an advert, so it is false")
	}
	d.HigherPrioSendAdvert = false
	if owner && b.has("owner_ignore_adverts") && !d.OwnerIgnoreAdverts {
		b.warnf("owner_ignore_adverts", "strict mode ignores adverts with priority 255, so it is true")
	}
	d.OwnerIgnoreAdverts = owner
	if !owner {
		d.strictAccept()
	}
}

// strictAccept settles whether a master that does not own the addresses
// answers at them. This is what strict mode surprises people with most, so it
// is always said.
func (d *draft) strictAccept() {
	b := d.b
	key := "accept"
	if b.given["no_accept"] != nil {
		key = "no_accept"
	} else if b.given["accept"] == nil {
		remedy := "accept = true"
		if d.Version == 2 {
			remedy = "strict_mode = false"
		}
		b.warnf("strict_mode", "the virtual addresses will not answer, not even to ping, because strict mode means no_accept below priority 255; write %s if they are to answer", remedy)
		d.Accept = false
		return
	}
	if d.Accept && d.Version == 2 {
		b.warnf(key, "strict mode of version 2 has no accept below priority 255 (RFC 3768, 6.4.3), so the virtual addresses will not answer, not even to ping; write strict_mode = false if they are to answer")
		d.Accept = false
	}
}

// checkFirstIPv6 says if the first address of an IPv6 advert is not
// link-local, as RFC 9568, 5.2.9 demands.
func (d *draft) checkFirstIPv6(report func(key, format string, args ...any)) {
	if d.Family != FamilyIPv6 || len(d.vips) == 0 {
		return
	}
	if first := d.vips[0].Prefix.Addr(); !first.IsLinkLocalUnicast() {
		report("virtual_ipaddress", `the first IPv6 address should be link-local (RFC 9568, 5.2.9), but is %s; write for example "fe80::10/64" before it`, first)
	}
}
