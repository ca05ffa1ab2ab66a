package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"hakeep/internal/lab"
)

// pairing says which program is on the router that leaves and comes back, and
// which is on the other.
type pairing struct {
	on, beside kind
}

func (w pairing) String() string { return string(w.on) + "/" + string(w.beside) }

// pairings are all of them.
var pairings = []pairing{{hakeep, hakeep}, {hakeep, keepalived}, {keepalived, hakeep}, {keepalived, keepalived}}

// load is what the virtual router has: a number of addresses of one family, and
// whether there is a third router.
type load struct {
	n     int
	ipv6  bool
	third bool
}

var loads = []load{{n: 1}, {n: 50}, {n: 200}, {n: 1, ipv6: true}, {n: 50, ipv6: true}, {n: 200, ipv6: true}, {n: 1, third: true}}

func (l load) String() string {
	s := fmt.Sprintf("IPv4 ×%d", l.n)
	if l.ipv6 {
		s = fmt.Sprintf("IPv6 ×%d", l.n)
	}
	if l.third {
		s += ", three routers"
	}
	return s
}

// addrs are the addresses, and the first and last one, which are probed.
func (l load) addrs() (addrs, probed []string) {
	if l.ipv6 {
		addrs = append(addrs, "fe80::10/64")
	}
	for i := range l.n {
		a := fmt.Sprintf("10.9.0.%d", i+1)
		if l.ipv6 {
			a = fmt.Sprintf("2001:db8::1:%x", i+1)
		}
		addrs = append(addrs, a+map[bool]string{false: "/24", true: "/64"}[l.ipv6])
		if i == 0 || i == l.n-1 {
			probed = append(probed, a)
		}
	}
	return addrs, probed
}

const (
	plannedInterval = time.Second
	// stallReach is how long after a stall of the machine a loss may be its doing:
	// what was held up by it is made good then.
	stallReach = 10 * time.Millisecond
	// keepalivedSettles is how long keepalived may announce again after it became
	// master: a move meanwhile would measure that.
	keepalivedSettles = 5500 * time.Millisecond
)

// planned measures what a client loses by each planned move at adverts of 1 s.
func planned(ctx context.Context, s settings) error {
	fmt.Printf("\nPlanned moves at %v: lost of the answers asked for each millisecond from the first and the last address; %d runs each.\n", plannedInterval, s.runs)
	fmt.Printf("Each cell: median, worst, sum over the runs. A run that lost something only while a bare real-time loop beside it could not run is told apart, and made again.\n")
	for _, w := range pairings {
		if s.pairing != "" && s.pairing != w.String() {
			continue
		}
		if err := plannedTable(ctx, s, w); err != nil {
			return fmt.Errorf("%v: %w", w, err)
		}
	}
	return nil
}

// plannedTable measures one pairing with all loads at the same time.
func plannedTable(ctx context.Context, s settings, w pairing) error {
	var sites []*site
	defer func() {
		for _, t := range sites {
			t.close()
		}
	}()
	for _, l := range loads {
		if l.third && w != (pairing{hakeep, hakeep}) || s.load != "" && !strings.Contains(l.String(), s.load) {
			continue
		}
		t, err := newSite(s, w, l)
		if t != nil {
			sites = append(sites, t)
		}
		if err != nil {
			return fmt.Errorf("%v: %w", l, err)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	for i, t := range sites {
		g.Go(func() error {
			// Not all at the same moment: each pair has its own moves.
			if err := sleep(ctx, time.Duration(i)*300*time.Millisecond); err != nil {
				return err
			}
			if err := t.measure(ctx); err != nil {
				return fmt.Errorf("%v: %w", t.load, err)
			}
			return nil
		})
	}
	err := g.Wait()
	if s.results != "" && err == nil {
		err = collect(s.results, w, sites)
	}
	printSites(w, sites)
	return err
}

// collect adds the runs of sites to those in a file, and those to the sites.
func collect(file string, w pairing, sites []*site) error {
	all := map[string]*tally{}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read earlier results: %w", err)
	}
	for _, t := range sites {
		for name, c := range t.tallies {
			key := strings.Join([]string{w.String(), t.load.String(), name}, "|")
			if before := all[key]; before != nil {
				c.Lost, c.Stalled = append(before.Lost, c.Lost...), append(before.Stalled, c.Stalled...)
			}
			all[key] = c
		}
	}
	if text, err = json.Marshal(all); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// printSites prints the table of one pairing.
func printSites(w pairing, sites []*site) {
	fmt.Printf("\n%s moves, %s on the other router:\n\n| move |", w.on, w.beside)
	for _, t := range sites {
		fmt.Printf(" %v |", t.load)
	}
	fmt.Print("\n|---|" + strings.Repeat("---|", len(sites)) + "\n")
	for _, name := range moveNames(sites) {
		fmt.Printf("| %s |", name)
		for _, t := range sites {
			fmt.Printf(" %v |", t.tallies[name])
		}
		fmt.Println()
	}
	for _, t := range sites {
		if len(t.notes) > 0 {
			fmt.Printf("\n%v: %s\n", t.load, strings.Join(t.notes, "; "))
		}
	}
}

// moveNames are the names of all moves, in their order.
func moveNames(sites []*site) (names []string) {
	for _, t := range sites {
		for _, m := range t.moves() {
			if !slices.Contains(names, m.name) {
				names = append(names, m.name)
			}
		}
	}
	return names
}

// tally is what one move has cost in its runs.
type tally struct {
	Lost []int
	// Stalled are those of runs that lost something while the machine stood still;
	// they are made again.
	Stalled []int
}

func (t *tally) String() string {
	if t == nil || len(t.Lost) == 0 {
		return "–"
	}
	sum := 0
	for _, n := range t.Lost {
		sum += n
	}
	s := fmt.Sprintf("%d · %d · %d", middle(t.Lost), slices.Max(t.Lost), sum)
	if len(t.Stalled) > 0 {
		s += fmt.Sprintf(" (and %v in stalls)", t.Stalled)
	}
	return s
}

func middle(n []int) int {
	n = slices.Sorted(slices.Values(n))
	return n[len(n)/2]
}

// measure makes all moves again and again.
func (t *site) measure(ctx context.Context) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	moves := t.moves()
	for round := 0; round < t.s.runs+t.s.runs/2; round++ {
		missing := false
		for _, m := range moves {
			missing = missing || t.tallies[m.name] == nil || len(t.tallies[m.name].Lost) < t.s.runs
		}
		if !missing || !t.s.until.IsZero() && time.Now().After(t.s.until) {
			break
		}
		for _, m := range moves {
			if err := t.run(ctx, m); err != nil {
				return fmt.Errorf("run %d, %s: %w", round+1, m.name, err)
			}
		}
	}
	t.observe()
	return nil
}

// run makes one move and counts what it costs.
func (t *site) run(ctx context.Context, m move) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := sleep(ctx, max(100*time.Millisecond, time.Until(t.settled))); err != nil {
		return err
	}
	beat, err := lab.StartBeat(time.Millisecond)
	if err != nil {
		return err
	}
	var probes []*lab.Probe
	for _, target := range t.probed {
		p, err := lab.StartProbe(t.client, target, lab.ProbeOptions{MinOutage: 1500 * time.Microsecond})
		if err != nil {
			return err
		}
		defer p.Stop()
		probes = append(probes, p)
	}
	answers := func(n int) error {
		for _, p := range probes {
			if err := p.AwaitAnswers(ctx, n); err != nil {
				return err
			}
		}
		return nil
	}
	if err := answers(100); err != nil {
		return err
	}
	before := [2]string{t.onA.State(vi), t.onB.State(vi)}
	if err := m.do(ctx); err != nil {
		return err
	}
	if err := answers(1100); err != nil { // also what is announced again after a second
		return err
	}
	bare := beat.Stop()
	lost, stalled := 0, true
	for _, p := range probes {
		r := p.Stop()
		lost = max(lost, r.Lost)
		for _, o := range r.Outages {
			// A stall explains what was lost during it and shortly after.
			explained := bare.Stalled(o.From.Add(-stallReach), o.To) + stallReach
			stalled = stalled && (o.Lost == 0 || explained > stallReach && explained >= o.Duration())
		}
		if r.Lost > 2 && t.s.verbose {
			fmt.Printf("%v %v: %s %v > %s/%s: %s\n", t.load, time.Now().Format("15:04:05"), m.name, before, t.onA.State(vi), t.onB.State(vi), r)
		}
	}
	c := t.tallies[m.name]
	if c == nil {
		c = &tally{}
		t.tallies[m.name] = c
	}
	switch {
	case lost > 0 && stalled:
		c.Stalled = append(c.Stalled, lost)
	case len(c.Lost) < t.s.runs:
		c.Lost = append(c.Lost, lost)
	}
	return nil
}

// errState is a router that is not what it should be.
var errState = errors.New("is in the wrong state")
