package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"hakeep/internal/lab"
)

// killedInstances is how many instances the part killed has.
const killedInstances = 1000

// killed kills a daemon with many instances and measures, for each, how long after
// its own due time its address was announced by the other router: the last advert
// on the wire, three intervals and the skew.
func killed(ctx context.Context, s settings) error {
	const interval = 100 * time.Millisecond
	runs := min(s.runs, 5)
	fmt.Printf("\nAll processes killed, %d instances at %v: first announcement after each one's due time, ms; medians of %d runs\n\n",
		killedInstances, interval, runs)
	fmt.Printf("| program | due within | advert: median, p99, worst | announced: median, p99, worst | announced |\n|---|---|---|---|---|\n")
	for _, k := range kinds {
		var spread []time.Duration
		var adverts, announced spreads
		count := 0
		for range runs {
			r, err := killedOnce(ctx, s, k, interval)
			if err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
			count = len(r.announced)
			spread = append(spread, r.spread)
			adverts.add(r.adverts)
			announced.add(r.announced)
		}
		fmt.Printf("| %s | %s | %v | %v | %d |\n", k, ms(median(spread)), &adverts, &announced, count)
	}
	return nil
}

// killedRun is one kill: how long the due times are apart, and how long after each
// one its first advert and announcement came.
type killedRun struct {
	spread             time.Duration
	adverts, announced []time.Duration
}

// spreads collects the median, 99th percentile and worst of several runs.
type spreads struct{ mid, p99, worst []time.Duration }

func (s *spreads) add(d []time.Duration) {
	slices.Sort(d)
	n := len(d)
	s.mid, s.p99, s.worst = append(s.mid, d[n/2]), append(s.p99, d[n*99/100]), append(s.worst, d[n-1])
}

// String gives the medians of the runs in milliseconds.
func (s *spreads) String() string {
	return ms(median(s.mid)) + ", " + ms(median(s.p99)) + ", " + ms(median(s.worst))
}

// sightings is when each virtual router was advertised last by router a, and each
// address announced first by router b.
type sightings struct {
	mu        sync.Mutex
	macA      map[string]bool
	last      map[[2]int]time.Time
	advert    map[[2]int]time.Time // router b's first
	announced map[netip.Addr]time.Time
	armed     bool
}

func (g *sightings) see(link int, f lab.Frame) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v, ok := f.VRRP(); ok && len(v.Payload) > 1 {
		key := [2]int{link, int(v.Payload[1])}
		if g.macA[f.Source().String()] {
			g.last[key] = f.Time
		} else if g.armed && g.advert[key].IsZero() {
			g.advert[key] = f.Time
		}
	} else if a, ok := announcedBy(f); ok && g.armed && !g.macA[f.Source().String()] {
		if g.announced[a].IsZero() {
			g.announced[a] = f.Time
		}
	}
}

func (g *sightings) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.announced)
}

func killedOnce(ctx context.Context, s settings, k kind, interval time.Duration) (*killedRun, error) {
	routers, links := manyRouters(killedInstances)
	p, err := newPair(s, k)
	if p != nil {
		defer p.close()
	}
	if err != nil {
		return nil, err
	}
	if err := p.addLinks(links); err != nil {
		return nil, err
	}
	if err := p.start(s, routers, interval); err != nil {
		return nil, err
	}
	if err := p.await(ctx, "MASTER", "BACKUP", routers); err != nil {
		return nil, err
	}
	if err := sleep(ctx, 8*time.Second); err != nil { // announcements of the start
		return nil, err
	}
	g := &sightings{macA: map[string]bool{}, last: map[[2]int]time.Time{}, advert: map[[2]int]time.Time{}, announced: map[netip.Addr]time.Time{}}
	for i := range links {
		l, err := p.a.Netlink().LinkByName(link(i))
		if err != nil {
			return nil, err
		}
		g.macA[l.Attrs().HardwareAddr.String()] = true
		c, err := lab.StartCapture(p.client, link(i), lab.CaptureOptions{
			Filter: lab.FilterVRRP | lab.FilterARP, Follow: func(f lab.Frame) { g.see(i, f) },
		})
		if err != nil {
			return nil, err
		}
		defer c.Close()
	}
	if err := sleep(ctx, 2*time.Second); err != nil {
		return nil, err
	}
	g.mu.Lock()
	g.armed = true
	g.mu.Unlock()
	p.onA.Kill()
	for deadline := time.Now().Add(20 * time.Second); g.count() < len(routers) && time.Now().Before(deadline); {
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	out := &killedRun{}
	var first, final time.Time
	for _, r := range routers {
		key := [2]int{r.link, r.vrid}
		last, ok := g.last[key]
		at := g.announced[netip.MustParsePrefix(r.addrs[0]).Addr()]
		if !ok || at.IsZero() || g.advert[key].IsZero() {
			continue
		}
		if first.IsZero() || last.Before(first) {
			first = last
		}
		if last.After(final) {
			final = last
		}
		out.adverts = append(out.adverts, g.advert[key].Sub(last)-prescribed(interval))
		out.announced = append(out.announced, at.Sub(last)-prescribed(interval))
	}
	out.spread = final.Sub(first)
	if len(out.announced) == 0 {
		return nil, fmt.Errorf("nothing was announced\n%s", tail(p.onB))
	}
	return out, nil
}
