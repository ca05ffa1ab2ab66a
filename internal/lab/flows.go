package lab

import (
	"fmt"
	"net/netip"
	"time"
)

// Flows are connections that are watched together.
type Flows []*Flow

// StartFlows begins n connections to the target one after the other, every other
// one a [Download] and the rest [PingPong].
func StartFlows(ns *Namespace, target netip.AddrPort, n int, pace time.Duration) (Flows, error) {
	flows := make(Flows, 0, n)
	for i := range n {
		opts := FlowOptions{Kind: PingPong, Pace: pace}
		if i%2 == 1 {
			opts.Kind = Download
		}
		f, err := StartFlow(ns, target, opts)
		if err != nil {
			flows.Stop()
			return nil, fmt.Errorf("connection %d of %d: %w", i+1, n, err)
		}
		flows = append(flows, f)
	}
	return flows, nil
}

// Mark is [Flow.Mark] for all.
func (fs Flows) Mark() {
	for _, f := range fs {
		f.Mark()
	}
}

// Stop ends all.
func (fs Flows) Stop() {
	for _, f := range fs {
		f.conn.Close() // Stop waits for the end of each, which may be a pace away
	}
	for _, f := range fs {
		f.Stop()
	}
}

// Survival is what became of [Flows].
type Survival struct {
	// PingPong and Downloads are how many go on.
	PingPong, Downloads int
	// Ended were closed or reset, Silent have had no data, and no end either.
	Ended, Silent int
	// Stall is the longest time without data of those that go on, since they were
	// started or marked.
	Stall time.Duration
	// Err is why one of those that ended did, nil if none has.
	Err error
}

// Alive is how many go on.
func (s Survival) Alive() int { return s.PingPong + s.Downloads }

// String is for messages.
func (s Survival) String() string {
	text := fmt.Sprintf("%d of %d connections go on (%d ping-pong, %d downloads), longest stall %v",
		s.Alive(), s.Alive()+s.Ended+s.Silent, s.PingPong, s.Downloads, s.Stall.Round(time.Millisecond))
	if s.Ended+s.Silent > 0 {
		text += fmt.Sprintf("; %d ended (%v), %d are silent", s.Ended, s.Err, s.Silent)
	}
	return text
}

// Survivors waits until each flow has had data later than a moment, or has ended, and
// says how many have what behind them. It gives up after the limit.
func (fs Flows) Survivors(since time.Time, limit time.Duration) Survival {
	for deadline := time.Now().Add(limit); ; <-time.After(20 * time.Millisecond) {
		s := fs.survivors(since)
		if s.Silent == 0 || time.Now().After(deadline) {
			return s
		}
	}
}

func (fs Flows) survivors(since time.Time) Survival {
	var s Survival
	for _, f := range fs {
		r := f.Result()
		switch {
		case r.Err != nil:
			s.Ended++
			s.Err = r.Err
		case !r.Last.After(since) || r.Steps == 0:
			s.Silent++
		case f.Kind() == PingPong:
			s.PingPong++
			s.Stall = max(s.Stall, r.Stall)
		default:
			s.Downloads++
			s.Stall = max(s.Stall, r.Stall)
		}
	}
	return s
}
