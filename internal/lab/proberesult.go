package lab

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// sample is one echo request; times in nanoseconds of the wall clock, 0 for
// never.
type sample struct {
	sent, answered int64
}

// Mark is a named moment in a probe's timeline.
type Mark struct {
	Name string
	At   time.Time
}

// Outage is a stretch without answers: from the last answer before it to the
// first one after it, by the time the kernel received them.
type Outage struct {
	From, To time.Time
	// Lost is the number of requests of this stretch that were never
	// answered, Late the number of those answered only when it was over.
	Lost, Late int
	// Open says that the end is not an answer but the end of the probe, or
	// the beginning its start.
	Open bool
}

// Duration is the length of the outage.
func (o Outage) Duration() time.Duration { return o.To.Sub(o.From) }

// String shows the length and what was lost.
func (o Outage) String() string {
	s := fmt.Sprintf("%v from %s (%d lost, %d late", o.Duration().Round(time.Microsecond),
		o.From.Format("15:04:05.000000"), o.Lost, o.Late)
	if o.Open {
		s += ", open"
	}
	return s + ")"
}

// ProbeResult is what a probe found.
type ProbeResult struct {
	Target     netip.Addr
	Interval   time.Duration
	Start, End time.Time
	// Sent counts all requests, also those the kernel refused
	// (SendErrors). Sent = Answered + Lost.
	Sent, Answered, Lost, SendErrors int
	// Duplicates counts further answers to the same request: more than one
	// host answered.
	Duplicates int
	// MaxSendDelay is how late a request was sent at worst: a busy
	// machine. Outages include it.
	MaxSendDelay time.Duration
	// MaxRTT is the slowest answer.
	MaxRTT  time.Duration
	Outages []Outage
	Marks   []Mark
}

// Longest is the longest outage; its Duration is 0 if there was none.
func (r *ProbeResult) Longest() Outage {
	var longest Outage
	for _, o := range r.Outages {
		if o.Duration() > longest.Duration() {
			longest = o
		}
	}
	return longest
}

// Total is the sum of all outages.
func (r *ProbeResult) Total() time.Duration {
	var sum time.Duration
	for _, o := range r.Outages {
		sum += o.Duration()
	}
	return sum
}

// Since returns the outages that ended after t.
func (r *ProbeResult) Since(t time.Time) []Outage {
	var out []Outage
	for _, o := range r.Outages {
		if o.To.After(t) {
			out = append(out, o)
		}
	}
	return out
}

// RecoveryAfter is the time from t to the first answer after the last outage
// that was going on at t or began later; 0 if there was none. It is what a
// client saw of a failure that happened at t. ok is false if the outage never
// ended.
func (r *ProbeResult) RecoveryAfter(t time.Time) (d time.Duration, ok bool) {
	since := r.Since(t)
	if len(since) == 0 {
		return 0, true
	}
	last := since[len(since)-1]
	return last.To.Sub(t), !last.Open || last.To.Before(r.End)
}

// String is a summary with every outage on a line of its own.
func (r *ProbeResult) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %d sent every %v, %d lost, %d send errors, %d duplicates, slowest answer %v, latest send %v",
		r.Target, r.Sent, r.Interval, r.Lost, r.SendErrors, r.Duplicates,
		r.MaxRTT.Round(time.Microsecond), r.MaxSendDelay.Round(time.Microsecond))
	for _, o := range r.Outages {
		b.WriteString("\n\t" + o.String())
	}
	return b.String()
}

// findOutages looks for gaps of at least minimum between answers, in order of
// arrival, in which a request was lost or answered later than minimum. A gap
// in which nothing was asked is the prober's own pause.
func findOutages(samples []sample, start, end int64, minimum time.Duration) []Outage {
	type arrival struct{ sent, at int64 }
	arrivals := make([]arrival, 0, len(samples)+2)
	arrivals = append(arrivals, arrival{start, start})
	for _, s := range samples {
		if s.answered != 0 {
			arrivals = append(arrivals, arrival{s.sent, s.answered})
		}
	}
	slices.SortStableFunc(arrivals[1:], func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	if arrivals[len(arrivals)-1].at < end {
		arrivals = append(arrivals, arrival{end, end})
	}
	var out []Outage
	for i := 1; i < len(arrivals); i++ {
		prev, next := arrivals[i-1], arrivals[i]
		if time.Duration(next.at-prev.at) < minimum {
			continue
		}
		o := Outage{From: time.Unix(0, prev.at), To: time.Unix(0, next.at)}
		o.Open = i == 1 || next.sent == end
		o.Lost, o.Late = countBad(samples, prev.at, next.at, minimum)
		if o.Lost+o.Late > 0 {
			out = append(out, o)
		}
	}
	return out
}

// countBad counts the requests sent in a gap between two answers that were
// lost or late. Samples are in order of sending.
func countBad(samples []sample, from, to int64, minimum time.Duration) (lost, late int) {
	i, _ := slices.BinarySearchFunc(samples, from, func(s sample, t int64) int { return cmp.Compare(s.sent, t) })
	for ; i < len(samples) && samples[i].sent <= to; i++ {
		switch s := samples[i]; {
		case s.answered == 0:
			lost++
		case s.answered-s.sent >= int64(minimum):
			late++
		}
	}
	return lost, late
}
