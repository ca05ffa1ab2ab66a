package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"hakeep/internal/lab"
)

// manyAddresses is how many the one instance of the part addresses has.
const manyAddresses = 1000

// addresses measures how long a take-over of one instance with many addresses
// takes: from the winner's first advert to the first announcement of each address,
// as the client sees them.
func addresses(ctx context.Context, s settings) error {
	const interval = 100 * time.Millisecond
	runs := min(s.runs, 5)
	fmt.Printf("\nMachine gone, one instance with %d addresses at %v: when each was announced first, ms after the winner's first advert; medians of %d runs\n\n",
		manyAddresses, interval, runs)
	fmt.Printf("| family | program | first | middle | last | last - first | announced |\n|---|---|---|---|---|---|---|\n")
	for _, f := range []string{"IPv4", "IPv6"} {
		for _, k := range kinds {
			list, err := manyAnnounced(ctx, s, k, f, interval, runs)
			if err != nil {
				return fmt.Errorf("%s %s: %w", k, f, err)
			}
			of := func(g func(announcedRun) time.Duration) string {
				var d []time.Duration
				for _, r := range list {
					d = append(d, g(r))
				}
				return ms(median(d))
			}
			fmt.Printf("| %s | %s | %s | %s | %s | %s | %d |\n", f, k, of(func(r announcedRun) time.Duration { return r.first }),
				of(func(r announcedRun) time.Duration { return r.middle }), of(func(r announcedRun) time.Duration { return r.last }),
				of(func(r announcedRun) time.Duration { return r.last - r.first }), list[0].count)
		}
	}
	return nil
}

// announcedRun is one take-over.
type announcedRun struct {
	first, middle, last time.Duration
	count               int
}

func manyAnnounced(ctx context.Context, s settings, k kind, family string, interval time.Duration, runs int) (out []announcedRun, err error) {
	p, err := newPair(s, k)
	if p != nil {
		defer p.close()
	}
	if err != nil {
		return nil, err
	}
	router := vrouter{vrid: 51, addrs: []string{"10.2.0.1/16"}}
	address := func(i int) string { return fmt.Sprintf("10.2.%d.%d/16", 1+i/250, 1+i%250) }
	if family == "IPv6" {
		router.addrs = []string{"fe80::10/64"}
		address = func(i int) string { return fmt.Sprintf("2001:db8:2::%x/64", 1+i) }
	}
	want := map[netip.Addr]bool{}
	for i := range manyAddresses {
		router.excluded = append(router.excluded, address(i))
		want[netip.MustParsePrefix(address(i)).Addr()] = true
	}
	routers := []vrouter{router}
	if err := p.start(s, routers, interval); err != nil {
		return nil, err
	}
	if err := p.await(ctx, "MASTER", "BACKUP", routers); err != nil {
		return nil, err
	}
	for range runs {
		if err := sleep(ctx, 6*time.Second); err != nil { // repeated announcements
			return nil, err
		}
		r, err := p.oneAnnounced(ctx, want)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
		if err := p.portA.Restore(); err != nil {
			return nil, err
		}
		if err := p.await(ctx, "MASTER", "BACKUP", routers); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// oneAnnounced cuts router a off and watches router b.
func (p *pair) oneAnnounced(ctx context.Context, want map[netip.Addr]bool) (r announcedRun, err error) {
	c, err := lab.StartCapture(p.client, "eth0", lab.CaptureOptions{Filter: lab.FilterVRRP | lab.FilterARP | lab.FilterND})
	if err != nil {
		return r, err
	}
	defer c.Close()
	begin := time.Now()
	if err := p.portA.Cut(); err != nil {
		return r, err
	}
	wait, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := p.onB.WaitState(wait, "VI_51", "MASTER"); err != nil {
		return r, err
	}
	mac, err := macOf(p.b)
	if err != nil {
		return r, err
	}
	at := map[netip.Addr]time.Time{}
	var advert time.Time
	seen := 0
	for len(at) < len(want) && wait.Err() == nil {
		frames := c.Frames()
		for _, f := range frames[seen:] {
			if f.Source().String() != mac || f.Time.Before(begin) {
				continue
			}
			if _, ok := f.VRRP(); ok && advert.IsZero() {
				advert = f.Time
			}
			if a, ok := announcedBy(f); ok && want[a] && at[a].IsZero() {
				at[a] = f.Time
			}
		}
		seen = len(frames)
		if len(at) < len(want) {
			time.Sleep(5 * time.Millisecond)
		}
	}
	var times []time.Time
	for _, t := range at {
		times = append(times, t)
	}
	if len(times) == 0 || advert.IsZero() {
		return r, fmt.Errorf("router b announced nothing\n%s", tail(p.onB))
	}
	slices.SortFunc(times, time.Time.Compare)
	return announcedRun{times[0].Sub(advert), times[len(times)/2].Sub(advert), times[len(times)-1].Sub(advert), len(times)}, nil
}

// macOf is the MAC of a host's first interface.
func macOf(ns *lab.Namespace) (string, error) {
	l, err := ns.Netlink().LinkByName("eth0")
	if err != nil {
		return "", err
	}
	return l.Attrs().HardwareAddr.String(), nil
}

// announcedBy is the address that a gratuitous ARP or an unsolicited
// advertisement announces.
func announcedBy(f lab.Frame) (netip.Addr, bool) {
	if a, ok := f.ARP(); ok {
		return a.Sender, a.Gratuitous()
	}
	// RFC 4861, 4.4: type 136, flags, target at offset 8; unsolicited has no S flag.
	const advertisement, solicited = 136, 1 << 30
	nd, ok := f.ND()
	if !ok || len(nd.Payload) < 24 || nd.Payload[0] != advertisement || binary.BigEndian.Uint32(nd.Payload[4:])&solicited != 0 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16([16]byte(nd.Payload[8:24])), true
}
