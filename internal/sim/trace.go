package sim

import (
	"fmt"
	"strings"
	"time"
)

// Plane is one view of what happens.
type Plane uint8

// The planes of a trace.
const (
	PlanePackets Plane = iota + 1
	PlaneKernel
	PlaneState
	PlaneNotify
	PlaneClients
)

func (p Plane) String() string {
	switch p {
	case PlanePackets:
		return "packets"
	case PlaneKernel:
		return "kernel"
	case PlaneState:
		return "state"
	case PlaneNotify:
		return "notifications"
	case PlaneClients:
		return "clients"
	}
	return "unknown"
}

// Trace records what happens in a world. With Keep above 0 only so many of the
// last lines are kept.
type Trace struct {
	Keep  int
	lines []line
}

type line struct {
	at    time.Duration
	plane Plane
	text  string
}

func (t *Trace) add(at time.Duration, p Plane, text string) {
	if t.Keep > 0 && len(t.lines) >= 2*t.Keep {
		t.lines = append(t.lines[:0], t.lines[len(t.lines)-t.Keep:]...)
	}
	t.lines = append(t.lines, line{at, p, text})
}

// String is everything in the order in which it happened.
func (t *Trace) String() string {
	var b strings.Builder
	same := 0
	for i, l := range t.lines {
		if i+1 < len(t.lines) && t.lines[i+1].text == l.text {
			same++
			continue
		}
		fmt.Fprintf(&b, "%14s  %-13s  %s", moment(l.at), l.plane, l.text)
		if same > 0 {
			fmt.Fprintf(&b, "  (for the %d. time)", same+1)
		}
		b.WriteString("\n")
		same = 0
	}
	return b.String()
}

// moment is a time in seconds to the microsecond.
func moment(d time.Duration) string {
	return fmt.Sprintf("%d.%06d", d/time.Second, d%time.Second/time.Microsecond)
}

// Planes is the trace plane by plane. Lines that repeat themselves in a steady
// rhythm are written once, with the last time, their number and the period.
func (t *Trace) Planes() string {
	var b strings.Builder
	for p := PlanePackets; p <= PlaneClients; p++ {
		fmt.Fprintf(&b, "%v\n", p)
		for _, s := range t.series(p) {
			fmt.Fprintf(&b, "%14s  %s", moment(s.first), s.text)
			switch {
			case s.n > 1 && s.period == 0:
				fmt.Fprintf(&b, "  (%d times)", s.n)
			case s.n > 1:
				fmt.Fprintf(&b, "  (%d times, every %v, last %s)", s.n, s.period.Round(10*time.Microsecond), moment(s.last))
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// series are equal lines in a steady rhythm.
type series struct {
	text                string
	first, last, period time.Duration
	n                   int
}

// steady is how much the periods of one series may differ.
const steady = 5 * time.Microsecond

func (t *Trace) series(p Plane) []*series {
	var all []*series
	open := make(map[string]*series)
	for _, l := range t.lines {
		if l.plane != p {
			continue
		}
		s := open[l.text]
		if s != nil {
			gap := l.at - s.last
			if s.n == 1 && (gap == 0 || s.text == all[len(all)-1].text || p == PlanePackets) || s.n > 1 && (gap-s.period).Abs() <= steady {
				s.period, s.last = gap, l.at
				s.n++
				continue
			}
		}
		s = &series{text: l.text, first: l.at, last: l.at, n: 1}
		open[l.text] = s
		all = append(all, s)
	}
	return all
}
