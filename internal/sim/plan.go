package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Plan is a whole random run. It follows from its seed alone.
type Plan struct {
	Seed   uint64
	Spec   *Spec
	Rounds []Round
}

// Round is a time of many faults, a quiet time, and a single fault.
type Round struct {
	Faults []Fault
	Length time.Duration
	// Off are hosts that are switched off from the end of the faults to the next
	// round.
	Off []int
	// Longest is the longest interval that strangers advertise, Extra what the
	// effects of the faults need on top of the usual quiet time.
	Longest, Extra time.Duration
	// Singles is how many single faults follow.
	Singles int
}

// NewPlan makes a plan.
func NewPlan(seed uint64) *Plan {
	rng := rand.New(rand.NewPCG(seed, 0x706c616e))
	p := &Plan{Seed: seed, Spec: randomSpec(rng)}
	for range 1 + rng.IntN(4) {
		p.Rounds = append(p.Rounds, randomRound(rng, p.Spec))
	}
	if chance(rng, 15) {
		// Held back from the start, as an operator may leave it.
		r := &p.Rounds[0]
		r.Faults = append(r.Faults, Fault{Kind: FaultStandby, Host: rng.IntN(len(p.Spec.Hosts)), N: -1, For: r.Length / 2})
	}
	return p
}

// Run carries the plan out.
func (p *Plan) Run(trace *Trace) (Stats, error) {
	w := NewWorld(p.Spec, p.Seed, trace)
	w.stats.Runs = 1
	rng := rand.New(rand.NewPCG(p.Seed, 0x73696e67))
	w.Start()
	var err error
	if rng.IntN(2) == 0 {
		err = w.Run(w.within(0, time.Second))
	}
	for i := 0; i < len(p.Rounds) && err == nil; i++ {
		err = w.round(&p.Rounds[i], rand.New(rand.NewPCG(rng.Uint64(), 0)))
	}
	w.stats.Simulated = w.now
	return w.stats, err
}

func (w *World) round(r *Round, rng *rand.Rand) error {
	for _, h := range w.hosts {
		if len(h.config) != len(h.spec.Instances) {
			h.Reload(changed(h.spec.Instances, 0))
		}
		if h.power == powerOff || h.power == dead {
			h.boot()
		}
	}
	w.Inject(&Fault{Kind: FaultForget})
	for i := range r.Faults {
		w.Inject(&r.Faults[i])
	}
	if err := w.Run(r.Length); err != nil {
		return err
	}
	for _, i := range r.Off {
		if w.hosts[i].power == powerOn {
			w.hosts[i].cutPower()
		}
	}
	w.mon.quietSince = w.now
	if err := w.quiet(r.Longest, r.Extra); err != nil {
		return err
	}
	for range r.Singles {
		if err := w.singleFault(rng); err != nil {
			return err
		}
	}
	return nil
}

// Minimise removes what is not needed for the same invariant to be violated.
func (p *Plan) Minimise() *Plan {
	_, err := p.Run(nil)
	v, ok := err.(*Violation)
	if !ok {
		return p
	}
	fails := func(q *Plan) bool {
		_, err := q.Run(nil)
		w, ok := err.(*Violation)
		return ok && w.Inv == v.Inv
	}
	best := p
	try := func(change func(q *Plan)) bool {
		q := &Plan{Seed: best.Seed, Spec: best.Spec}
		for _, r := range best.Rounds {
			r.Faults = append([]Fault(nil), r.Faults...)
			q.Rounds = append(q.Rounds, r)
		}
		change(q)
		if !fails(q) {
			return false
		}
		best = q
		return true
	}
	for again := true; again; {
		again = false
		for i := len(best.Rounds) - 1; i >= 0; i-- {
			if len(best.Rounds) > 1 && try(func(q *Plan) { q.Rounds = append(q.Rounds[:i], q.Rounds[i+1:]...) }) {
				again = true
				continue
			}
			for j := len(best.Rounds[i].Faults) - 1; j >= 0; j-- {
				if try(func(q *Plan) { q.Rounds[i].Faults = append(q.Rounds[i].Faults[:j], q.Rounds[i].Faults[j+1:]...) }) {
					again = true
				}
			}
			for len(best.Rounds[i].Off) > 0 && try(func(q *Plan) { q.Rounds[i].Off = nil }) {
				again = true
			}
		}
	}
	return best
}

func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d\nbounds %+v\n", p.Seed, p.Spec.Bounds)
	for i := range p.Spec.Hosts {
		h := &p.Spec.Hosts[i]
		fmt.Fprintf(&b, "host %d %s: startup delay %v, clock %v %+d ppm\n", i, h.Name, h.StartupDelay, h.ClockBase, h.ClockPPM)
		for _, in := range h.Instances {
			fmt.Fprintf(&b, "  %+v\n  %+v\n", *in.Params, in.Announce)
		}
	}
	for i, r := range p.Rounds {
		fmt.Fprintf(&b, "round %d: %v, off %v, %d singles\n", i, r.Length, r.Off, r.Singles)
		for j := range r.Faults {
			fmt.Fprintf(&b, "  %v\n", &r.Faults[j])
		}
	}
	return b.String()
}
