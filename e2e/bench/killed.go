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
	fmt.Printf("| program | median | p99 | worst | announced |\n|---|---|---|---|---|\n")
	for _, k := range kinds {
		var mids, p99s, worsts []time.Duration
		count := 0
		for range runs {
			d, err := killedOnce(ctx, s, k, interval)
			if err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
			slices.Sort(d)
			count = len(d)
			mids, p99s, worsts = append(mids, d[count/2]), append(p99s, d[count*99/100]), append(worsts, d[count-1])
		}
		fmt.Printf("| %s | %s | %s | %s | %d |\n", k, ms(median(mids)), ms(median(p99s)), ms(median(worsts)), count)
	}
	return nil
}

// sightings is when each virtual router was advertised last by router a, and each
// address announced first by router b.
type sightings struct {
	mu        sync.Mutex
	macA      map[string]bool
	last      map[[2]int]time.Time
	announced map[netip.Addr]time.Time
	armed     bool
}

func (g *sightings) see(link int, f lab.Frame) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v, ok := f.VRRP(); ok && len(v.Payload) > 1 && g.macA[f.Source().String()] {
		g.last[[2]int{link, int(v.Payload[1])}] = f.Time
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

func killedOnce(ctx context.Context, s settings, k kind, interval time.Duration) ([]time.Duration, error) {
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
	g := &sightings{macA: map[string]bool{}, last: map[[2]int]time.Time{}, announced: map[netip.Addr]time.Time{}}
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
	var out []time.Duration
	for _, r := range routers {
		last, ok := g.last[[2]int{r.link, r.vrid}]
		at := g.announced[netip.MustParsePrefix(r.addrs[0]).Addr()]
		if !ok || at.IsZero() {
			continue
		}
		out = append(out, at.Sub(last)-prescribed(interval))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("nothing was announced\n%s", tail(p.onB))
	}
	return out, nil
}
