package demo

import (
	"fmt"
	"io"
	"time"

	"hakeep/internal/lab"
)

// printer writes the show.
type printer struct {
	w      io.Writer
	colour bool
	start  time.Time
}

const (
	bold  = "\x1b[1m"
	green = "\x1b[32m"
	red   = "\x1b[31m"
	dim   = "\x1b[2m"
	plain = "\x1b[0m"
)

func (p *printer) paint(code, text string) string {
	if !p.colour {
		return text
	}
	return code + text + plain
}

func (p *printer) title(text string) { fmt.Fprintf(p.w, "\n%s\n", p.paint(bold, text)) }

func (p *printer) drawing() {
	fmt.Fprint(p.w, `
     client            router-1           router-2
       |.100              |.1                |.2        192.0.2.0/24
   ====+==================+==================+====      shared address: `+vip+`

`)
}

// event prints one line of the timeline.
func (p *printer) event(at time.Time, text string) {
	if p.start.IsZero() {
		p.start = at
	}
	fmt.Fprintf(p.w, "  %s  %s\n", p.paint(dim, fmt.Sprintf("%6.2f s", at.Sub(p.start).Seconds())), text)
}

// results prints what the client noticed of each act.
func (p *printer) results(acts []act, r *lab.ProbeResult) {
	fmt.Fprintf(p.w, "\n%s\n\n", p.paint(bold, "What the client noticed"))
	fmt.Fprintf(p.w, "  %-28s %12s %8s   %s\n", "", "no answer", "lost", "")
	for i, a := range acts {
		until := r.End
		if i+1 < len(acts) {
			until = acts[i+1].at
		}
		longest, lost := worst(r, a.at, until)
		note := ""
		if a.bound > 0 {
			note = fmt.Sprintf("3 adverts + skew = %s", round(a.bound))
		}
		length := p.paint(green, fmt.Sprintf("%12s", "none"))
		if longest > 0 {
			length = p.paint(red, fmt.Sprintf("%12s", round(longest)))
		}
		fmt.Fprintf(p.w, "  %-28s %s %8d   %s\n", a.title, length, lost, note)
	}
	fmt.Fprintf(p.w, "\n  %d requests in %.1f s, %d answered.\n\n", r.Sent, r.End.Sub(r.Start).Seconds(), r.Answered)
}

// worst is the longest outage that belongs to a stretch of time, and what was
// lost in all of them. One begins with the last answer, a moment before its
// cause, so it is its middle that counts.
func worst(r *lab.ProbeResult, from, until time.Time) (longest time.Duration, lost int) {
	for _, o := range r.Outages {
		if middle := o.From.Add(o.Duration() / 2); middle.Before(from) || !middle.Before(until) {
			continue
		}
		longest = max(longest, o.Duration())
		lost += o.Lost
	}
	return longest, lost
}

func round(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }
