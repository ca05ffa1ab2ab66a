package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"hakeep/internal/lab"
)

// manyCase is a line of the part many.
type manyCase struct {
	n        int
	interval time.Duration
	group    bool // all in one sync group
}

func (c manyCase) String() string {
	s := fmt.Sprintf("%d × %v", c.n, c.interval)
	if c.group {
		s += ", one sync group"
	}
	return s
}

// manyCases are all of them: 16 links with 255 each are the most.
var manyCases = []manyCase{
	{n: 1, interval: time.Second}, {n: 250, interval: time.Second}, {n: 1000, interval: time.Second}, {n: 4080, interval: time.Second},
	{n: 1, interval: 10 * time.Millisecond}, {n: 250, interval: 10 * time.Millisecond},
	{n: 1000, interval: 100 * time.Millisecond}, {n: 4080, interval: 100 * time.Millisecond},
	{n: 1000, interval: time.Second, group: true},
}

// manyPatience is how long a start may take.
const manyPatience = 60 * time.Second

// manySample is one run of one program.
type manySample struct {
	problem             string // why there is nothing else
	start, reload       time.Duration
	cpuA, cpuB, adverts float64
	memory              string
	transitions         int
	last                time.Duration // from the kill to the last announcement
	announced           int
}

// manyInstances measures many virtual routers: start, cost, memory, a reload that
// changes one of them, and the death of the master.
func manyInstances(ctx context.Context, s settings) error {
	steady := s.scale / 2
	fmt.Printf("\nMany instances, both routers on this machine. Start: until all are in their places, less 3 intervals and the skew. CPU over %v. Reload: until the one new address is announced. Killed: from the death of the master's processes until the last address is announced, less 3 intervals and the skew.\n\n", steady)
	fmt.Printf("| instances × interval | program | start | adverts/s | CPU master, backup | PSS master (main + elector; keepalived: parent + VRRP) | reload | last address after the kill | announced | false takeovers |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, c := range manyCases {
		if !strings.Contains(c.String(), s.load) {
			continue
		}
		for _, k := range kinds {
			m, err := manyRun(ctx, s, k, c, steady)
			if err != nil {
				return fmt.Errorf("%s %v: %w", k, c, err)
			}
			if m.problem != "" {
				fmt.Printf("| %v | %s | %s |\n", c, k, m.problem)
				continue
			}
			fmt.Printf("| %v | %s | %.2f s | %.0f | %.1f %%, %.1f %% | %s | %.2f s | %.0f ms | %d | %d |\n", c, k, m.start.Seconds(), m.adverts,
				100*m.cpuA, 100*m.cpuB, m.memory, m.reload.Seconds(), float64(m.last)/float64(time.Millisecond), m.announced, m.transitions)
		}
	}
	return nil
}

// firsts is when each address was announced first since the last reset.
type firsts struct {
	mu sync.Mutex
	at map[netip.Addr]time.Time
}

func (g *firsts) see(f lab.Frame) {
	a, ok := announcedBy(f)
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.at[a].IsZero() {
		g.at[a] = f.Time
	}
}

func (g *firsts) reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at = map[netip.Addr]time.Time{}
}

// await waits until all addresses were announced, and returns when the last one was.
func (g *firsts) await(ctx context.Context, patience time.Duration, addrs []netip.Addr) (last time.Time, count int, err error) {
	for deadline := time.Now().Add(patience); ; {
		g.mu.Lock()
		last, count = time.Time{}, 0
		for _, a := range addrs {
			if t := g.at[a]; !t.IsZero() {
				count++
				if t.After(last) {
					last = t
				}
			}
		}
		g.mu.Unlock()
		if count == len(addrs) || time.Now().After(deadline) {
			return last, count, nil
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return last, count, err
		}
	}
}

// manyConfig is that of one router.
func (p *pair) manyConfig(c manyCase, routers []vrouter, priority int) string {
	var names []string
	if c.group {
		for _, r := range routers {
			names = append(names, r.name())
		}
	}
	switch {
	case p.kind == hakeep && c.group:
		return toml(routers, priority, c.interval) + fmt.Sprintf("[[vrrp_sync_group]]\nname = \"G\"\ngroup = [\"%s\"]\n", strings.Join(names, `", "`))
	case p.kind == hakeep:
		return toml(routers, priority, c.interval)
	case c.group:
		return conf(routers, priority, c.interval) + "vrrp_sync_group G {\n group {\n  " + strings.Join(names, "\n  ") + "\n }\n}\n"
	}
	return conf(routers, priority, c.interval)
}

func (p *pair) startMany(s settings, c manyCase, routers []vrouter) (err error) {
	for _, h := range []struct {
		ns       *lab.Namespace
		d        *daemon
		name     string
		priority int
	}{{p.a, &p.onA, "a", 150}, {p.b, &p.onB, "b", 100}} {
		text := p.manyConfig(c, routers, h.priority)
		if p.kind == hakeep {
			*h.d, err = lab.StartHakeep(h.ns, lab.HakeepOptions{Config: text, Dir: p.sub(h.name), Binary: s.binary})
		} else {
			*h.d, err = lab.StartKeepalived(h.ns, lab.KeepalivedOptions{Conf: text, Dir: p.sub(h.name), Args: []string{"-P"}, Terse: true})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func manyRun(ctx context.Context, s settings, k kind, c manyCase, steady time.Duration) (m manySample, err error) {
	p, err := newPair(s, k)
	if p != nil {
		defer p.close()
	}
	if err != nil {
		return m, err
	}
	routers, links := manyRouters(c.n)
	if err := p.addLinks(links); err != nil {
		return m, err
	}
	seen := &firsts{at: map[netip.Addr]time.Time{}}
	for i := range links {
		capture, err := lab.StartCapture(p.client, link(i), lab.CaptureOptions{Filter: lab.FilterARP, Follow: seen.see})
		if err != nil {
			return m, err
		}
		defer capture.Close()
	}
	begin := time.Now()
	if err := p.startMany(s, c, routers); err != nil {
		return m, err
	}
	if problem := p.settled(ctx, routers); problem != "" {
		m.problem = problem
		return m, ctx.Err()
	}
	m.start = time.Since(begin) - 3*c.interval - 106*c.interval/256 // the skew of priority 150
	if err := sleep(ctx, 8*time.Second); err != nil {               // announcements of the start
		return m, err
	}
	if err := p.steadily(ctx, &m, steady, links); err != nil {
		return m, err
	}
	if err := p.reloadOne(ctx, &m, c, routers, seen); err != nil {
		return m, err
	}
	if err := sleep(ctx, 6*time.Second); err != nil { // announcements of the reload
		return m, err
	}
	var addrs []netip.Addr
	for _, r := range routers {
		addrs = append(addrs, netip.MustParsePrefix(r.addrs[0]).Addr())
	}
	seen.reset()
	begin = time.Now()
	p.onA.Kill()
	last, count, err := seen.await(ctx, 20*time.Second, addrs)
	m.last, m.announced = last.Sub(begin)-prescribed(c.interval), count
	return m, err
}

// settled waits until both routers are in their places, and says if they are not.
func (p *pair) settled(ctx context.Context, routers []vrouter) string {
	ctx, cancel := context.WithTimeout(ctx, manyPatience)
	defer cancel()
	for _, h := range []struct {
		d     daemon
		state string
	}{{p.onA, "MASTER"}, {p.onB, "BACKUP"}} {
		missing := 0
		for _, r := range routers {
			if h.d.WaitState(ctx, r.name(), h.state) != nil {
				missing++
			}
		}
		if missing > 0 {
			return fmt.Sprintf("%d of %d are not %s after %v", missing, len(routers), h.state, manyPatience)
		}
	}
	return ""
}

// steadily measures while nothing happens.
func (p *pair) steadily(ctx context.Context, m *manySample, d time.Duration, links int) error {
	pidsA, pidsB := pids(p.onA), pids(p.onB)
	sent := func() (n uint64) {
		for i := range links {
			n += sentOn(p.a, link(i))
		}
		return n
	}
	before := transitions(p.onA) + transitions(p.onB)
	begin, packets := time.Now(), sent()
	a, _ := cpuBoth(pidsA)
	b, _ := cpuBoth(pidsB)
	if err := sleep(ctx, d); err != nil {
		return err
	}
	a2, _ := cpuBoth(pidsA)
	b2, _ := cpuBoth(pidsB)
	took := time.Since(begin).Seconds()
	m.adverts = float64(sent()-packets) / took
	m.cpuA, m.cpuB = (a2-a).Seconds()/took, (b2-b).Seconds()/took
	m.memory = pss(pidsA)
	m.transitions = transitions(p.onA) + transitions(p.onB) - before
	return nil
}

// reloadOne gives one instance of router a another address.
func (p *pair) reloadOne(ctx context.Context, m *manySample, c manyCase, routers []vrouter, seen *firsts) error {
	fresh := netip.MustParseAddr("10.99.0.1")
	changed := slices.Clone(routers)
	changed[0].excluded = []string{fresh.String() + "/32"}
	begin := time.Now()
	if err := p.rewrite(p.onA, "a", p.manyConfig(c, changed, 150)); err != nil {
		return err
	}
	at, count, err := seen.await(ctx, 30*time.Second, []netip.Addr{fresh})
	if err == nil && count == 0 {
		err = fmt.Errorf("the address that a reload added was not announced\n%s", tail(p.onA))
	}
	m.reload = at.Sub(begin)
	return err
}
