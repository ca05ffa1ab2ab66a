package acd

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

const (
	// settle is how long an address has to be ours before claims count: who had it
	// before may still announce or answer.
	settle = 2 * time.Second
	// confirm is how long it has to stay ours after a claim: a router that takes over
	// in a planned way announces the addresses before its first advert.
	confirm = 3 * time.Second
)

// Address is an address of ours on a link.
type Address struct {
	// Link is the index of the interface.
	Link int
	Addr netip.Addr
	// Probe asks by ARP whether somebody else has it, now and every minute: nobody
	// was heard who could. It has no effect for IPv6.
	Probe bool
}

// Evidence is how a claim was made.
type Evidence uint8

// What is evidence.
const (
	// ARP is an ARP request or answer with the address as its sender.
	ARP Evidence = iota + 1
	// Neighbor is a neighbour advertisement for the address.
	Neighbor
	// Advert is a VRRP advert from the address.
	Advert
)

func (e Evidence) String() string {
	switch e {
	case ARP:
		return "ARP"
	case Neighbor:
		return "neighbour advertisement"
	case Advert:
		return "VRRP advert"
	}
	return fmt.Sprintf("Evidence(%d)", uint8(e))
}

// Conflict is an address of ours that another host uses.
type Conflict struct {
	Link int
	Addr netip.Addr
	// MAC is the hardware address of the other host.
	MAC MAC
	// By is the first evidence, Count how many packets there were.
	By    Evidence
	Count uint64
}

// place is an Address without its wishes.
type place struct {
	link int
	addr netip.Addr
}

// judge decides which claims are conflicts.
type judge struct {
	ours    map[place]time.Duration // since when
	pending map[place]*suspicion
}

type suspicion struct {
	Conflict
	until time.Duration
}

func newJudge() *judge {
	return &judge{ours: map[place]time.Duration{}, pending: map[place]*suspicion{}}
}

// set says which addresses are ours from now on. What was said against an address
// that is not ours any more is forgotten.
func (j *judge) set(now time.Duration, addrs []Address) {
	next := make(map[place]time.Duration, len(addrs))
	for _, a := range addrs {
		p := place{a.Link, a.Addr}
		since, known := j.ours[p]
		if !known {
			since = now
		}
		next[p] = since
	}
	for p := range j.pending {
		if _, still := next[p]; !still {
			delete(j.pending, p)
		}
	}
	j.ours = next
}

// claim notes that somebody else uses an address.
func (j *judge) claim(now time.Duration, c Conflict) {
	p := place{c.Link, c.Addr}
	since, ours := j.ours[p]
	if !ours || now-since < settle {
		return
	}
	if s := j.pending[p]; s != nil {
		s.Count++
		return
	}
	c.Count = 1
	j.pending[p] = &suspicion{c, now + confirm}
}

// due returns the claims that have become conflicts.
func (j *judge) due(now time.Duration) (out []Conflict) {
	for p, s := range j.pending {
		if s.until <= now {
			out = append(out, s.Conflict)
			delete(j.pending, p)
		}
	}
	slices.SortFunc(out, func(a, b Conflict) int { return a.Addr.Compare(b.Addr) })
	return out
}

// next is when due has something to do; false if never.
func (j *judge) next() (at time.Duration, ok bool) {
	for _, s := range j.pending {
		if !ok || s.until < at {
			at, ok = s.until, true
		}
	}
	return at, ok
}
