package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"hakeep/internal/lab"
)

// pairing says which program is on the router that leaves and comes back, and
// which is on the other.
type pairing struct {
	on, beside kind
}

// planned measures what a client loses when the better router is stopped in
// order, and when it comes back, at an interval of 1 s.
func planned(ctx context.Context, s settings) error {
	const interval = time.Second
	fmt.Printf("\nPlanned moves at %v: lost of answers asked for each millisecond; %d runs each\n\n", interval, s.runs)
	fmt.Printf("| moves | beside | addresses | stop median | stop worst | return median | return worst |\n|---|---|---|---|---|---|---|\n")
	for _, w := range []pairing{{hakeep, hakeep}, {hakeep, keepalived}, {keepalived, hakeep}, {keepalived, keepalived}} {
		for _, n := range []int{1, 50} {
			stops, returns, err := plannedMoves(ctx, s, w, n, interval)
			if err != nil {
				return fmt.Errorf("%s beside %s, %d addresses: %w", w.on, w.beside, n, err)
			}
			fmt.Printf("| %s | %s | %d | %d | %d | %d | %d |\n", w.on, w.beside, n,
				middle(stops), slices.Max(stops), middle(returns), slices.Max(returns))
		}
	}
	return nil
}

func middle(n []int) int {
	n = slices.Sorted(slices.Values(n))
	return n[len(n)/2]
}

func plannedMoves(ctx context.Context, s settings, w pairing, n int, interval time.Duration) (stops, returns []int, err error) {
	p, err := newPair(s, w.on)
	if p != nil {
		defer p.close()
	}
	if err != nil {
		return nil, nil, err
	}
	router := vrouter{vrid: 51}
	for i := range n {
		router.addrs = append(router.addrs, fmt.Sprintf("192.0.2.%d/24", 110+i))
	}
	routers := []vrouter{router}
	target := netip.MustParsePrefix(router.addrs[n-1]).Addr()
	p.kind = w.beside
	if p.onB, err = p.launch(s, p.b, "b", 100, routers, interval); err != nil {
		return nil, nil, err
	}
	p.kind = w.on
	for range s.runs {
		if p.onA, err = p.launch(s, p.a, "a", 150, routers, interval); err != nil {
			return nil, nil, err
		}
		if err := p.await(ctx, "MASTER", "BACKUP", routers); err != nil {
			return nil, nil, err
		}
		stop, back, err := p.stopAndReturn(ctx, s, target, routers, interval)
		if err != nil {
			return nil, nil, err
		}
		stops, returns = append(stops, stop), append(returns, back)
		p.onA.Kill()
		if err := p.onB.WaitState(ctx, "VI_51", "MASTER"); err != nil {
			return nil, nil, err
		}
	}
	return stops, returns, nil
}

// stopAndReturn stops router a in order and starts it again, and counts what a
// client loses by each.
func (p *pair) stopAndReturn(ctx context.Context, s settings, target netip.Addr, routers []vrouter, interval time.Duration) (stop, back int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	// keepalived announces again 5 s after it became master: a move meanwhile
	// would measure that.
	const settle = 7 * time.Second
	lost := func(move func() error) (int, error) {
		if err := sleep(ctx, settle); err != nil {
			return 0, err
		}
		probe, err := lab.StartProbe(p.client, target, lab.ProbeOptions{})
		if err != nil {
			return 0, err
		}
		defer probe.Stop()
		if err := probe.AwaitAnswers(ctx, 200); err != nil {
			return 0, err
		}
		if err := move(); err != nil {
			return 0, err
		}
		if err := probe.AwaitAnswers(ctx, 1500); err != nil {
			return 0, err
		}
		return probe.Stop().Lost, nil
	}
	stop, err = lost(func() error {
		if err := p.onA.Stop(ctx); err != nil {
			return err
		}
		return p.onB.WaitState(ctx, "VI_51", "MASTER")
	})
	if err != nil {
		return 0, 0, err
	}
	back, err = lost(func() error {
		if p.onA, err = p.launch(s, p.a, "a", 150, routers, interval); err != nil {
			return err
		}
		return p.await(ctx, "MASTER", "BACKUP", routers)
	})
	return stop, back, err
}
