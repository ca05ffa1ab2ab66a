package config

import "time"

// readGarp reads how addresses are announced.
func (d *draft) readGarp() {
	b, def := d.b, d.def
	g := def.garp
	g.Delay = b.durOr("garp_master_delay", g.Delay)
	g.Repeat = b.numOr("garp_master_repeat", g.Repeat)
	g.Refresh = b.durOr("garp_master_refresh", g.Refresh)
	g.RefreshRepeat = b.numOr("garp_master_refresh_repeat", g.RefreshRepeat)
	// keepalived 2.2.7: the instance's own master delay and repeat do not count.
	g.LowerPrioDelay, g.LowerPrioRepeat = def.garp.Delay, def.garp.Repeat
	if def.lowerPrioDelay != nil {
		g.LowerPrioDelay = *def.lowerPrioDelay
	}
	if def.lowerPrioRepeat != nil {
		g.LowerPrioRepeat = *def.lowerPrioRepeat
	}
	g.LowerPrioDelay = b.durOr("garp_lower_prio_delay", g.LowerPrioDelay)
	g.LowerPrioRepeat = b.numOr("garp_lower_prio_repeat", g.LowerPrioRepeat)
	d.Garp = g
}

// checkGarp warns about announcements that take longer than is useful.
func (d *draft) checkGarp() {
	g := d.Garp
	if g.Refresh > 0 && g.Refresh < d.AdvertInt {
		d.b.warnf("garp_master_refresh", `%q is shorter than the advertisement interval of %q; announcing this often loads every host of the network`,
			formatDuration(g.Refresh), formatDuration(d.AdvertInt))
	}
	var v4, v6 int
	for _, l := range d.lists() {
		for _, a := range l.list {
			if a.Prefix.Addr().Is4() {
				v4++
			} else {
				v6++
			}
		}
	}
	// Those who wait for the announcements wait longer than the takeover took.
	down := time.Duration(d.DownTimerAdverts+1) * d.AdvertInt
	for _, p := range []struct {
		key   string
		gap   time.Duration
		count int
	}{{"vrrp_garp_interval", g.Interval, v4}, {"vrrp_gna_interval", g.NAInterval, v6}} {
		if first := time.Duration(p.count) * p.gap; p.count > 1 && first > down {
			d.b.d.add(Warning, d.Line, d.b.path, "with %s = %q the last of %d addresses is announced only %s after this router has become master; shorten it",
				p.key, formatDuration(p.gap), p.count, formatDuration(first))
		}
	}
}
