package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"hakeep/internal/lab"
)

// family is what is probed.
type family struct {
	name   string
	router vrouter
	target string
}

var families = []family{
	{"IPv4", vrouter{vrid: 51, addrs: []string{"192.0.2.10/24"}}, "192.0.2.10"},
	{"IPv6", vrouter{vrid: 51, addrs: []string{"fe80::10/64", "2001:db8::10/64"}}, "2001:db8::10"},
}

// probeInterval is a tenth of what there is between the two programs.
const probeInterval = 100 * time.Microsecond

// outages measures the death of the master's machine: its switch port goes dead
// half an interval after an advert. The figure is the time from the last advert
// on the wire to the first answer that the client gets, less the time that the
// protocol prescribes: 3 intervals and the skew of the backup's priority (100).
func outages(ctx context.Context, s settings) error {
	fmt.Printf("\nMachine gone: first answer after (3 x interval + skew), ms; %d runs each\n\n", s.runs)
	fmt.Printf("| family | interval | prescribed | hakeep median | hakeep worst | keepalived median | keepalived worst | difference |\n")
	fmt.Printf("|---|---|---|---|---|---|---|---|\n")
	for _, f := range families {
		for _, interval := range []time.Duration{time.Second, 100 * time.Millisecond, 10 * time.Millisecond} {
			res := map[kind][]time.Duration{}
			for _, k := range kinds {
				var err error
				if res[k], err = machineGone(ctx, s, k, f, interval); err != nil {
					return fmt.Errorf("%s %s %v: %w", k, f.name, interval, err)
				}
			}
			h, ka := res[hakeep], res[keepalived]
			fmt.Printf("| %s | %v | %s | %s | %s | %s | %s | %+.2f |\n", f.name, interval, ms(prescribed(interval)),
				ms(median(h)), ms(worst(h)), ms(median(ka)), ms(worst(ka)),
				float64(median(h)-median(ka))/float64(time.Millisecond))
		}
	}
	return nil
}

func prescribed(interval time.Duration) time.Duration { return 3*interval + 156*interval/256 }

func worst(d []time.Duration) (w time.Duration) {
	for _, x := range d {
		w = max(w, x)
	}
	return w
}

func machineGone(ctx context.Context, s settings, k kind, f family, interval time.Duration) (out []time.Duration, err error) {
	p, err := newPair(s, k)
	if p != nil {
		defer p.close()
	}
	if err != nil {
		return nil, err
	}
	routers := []vrouter{f.router}
	if err := p.start(s, routers, interval); err != nil {
		return nil, err
	}
	if err := p.await(ctx, "MASTER", "BACKUP", routers); err != nil {
		return nil, err
	}
	for range s.runs {
		d, err := p.oneOutage(ctx, f, interval, routers)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// oneOutage cuts router a off once and puts it back.
func (p *pair) oneOutage(ctx context.Context, f family, interval time.Duration, routers []vrouter) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	source, err := firstAddr(p.a, f)
	if err != nil {
		return 0, err
	}
	c, err := lab.StartCapture(p.client, "eth0", lab.CaptureOptions{Filter: lab.FilterVRRP})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	probe, err := lab.StartProbe(p.client, netip.MustParseAddr(f.target), lab.ProbeOptions{Interval: probeInterval})
	if err != nil {
		return 0, err
	}
	defer probe.Stop()
	if err := probe.AwaitAnswers(ctx, 2000); err != nil {
		return 0, err
	}
	isA := func(fr lab.Frame) bool { ip, ok := fr.VRRP(); return ok && ip.Src == source }
	fr, err := c.WaitAfter(ctx, time.Now(), isA)
	if err != nil {
		return 0, err
	}
	time.Sleep(time.Until(fr.Time.Add(interval / 2)))
	at := probe.Mark("cut")
	if err := p.portA.Cut(); err != nil {
		return 0, err
	}
	if err := p.onB.WaitState(ctx, "VI_51", "MASTER"); err != nil {
		return 0, err
	}
	if err := probe.AwaitAnswers(ctx, 2000); err != nil {
		return 0, err
	}
	r := probe.Stop()
	var last time.Time
	for _, fr := range c.Frames() {
		if isA(fr) {
			last = fr.Time
		}
	}
	since := r.Since(at)
	if len(since) == 0 {
		return 0, errors.New("the client noticed nothing")
	}
	if err := p.portA.Restore(); err != nil {
		return 0, err
	}
	if err := p.await(ctx, "MASTER", "BACKUP", routers); err != nil {
		return 0, err
	}
	return since[len(since)-1].To.Sub(last) - prescribed(interval), nil
}

// firstAddr is where the adverts of a router come from.
func firstAddr(ns *lab.Namespace, f family) (netip.Addr, error) {
	addrs, err := ns.Addrs("eth0")
	if err != nil {
		return netip.Addr{}, err
	}
	virtual := map[netip.Addr]bool{}
	for _, a := range f.router.addrs {
		virtual[netip.MustParsePrefix(a).Addr()] = true
	}
	for _, a := range addrs {
		addr := a.Addr()
		if virtual[addr] || f.name == "IPv4" && !addr.Is4() || f.name == "IPv6" && !addr.IsLinkLocalUnicast() {
			continue
		}
		return addr, nil
	}
	return netip.Addr{}, errors.New("no source address")
}
