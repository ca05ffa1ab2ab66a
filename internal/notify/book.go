package notify

import (
	"time"

	"hakeep/internal/reconcile"
)

const (
	// lowerLines bounds the lines about masters of lower priority, for each instance
	// and second: such a router sends up to 100 adverts a second, and its lines must
	// not push the states out of a FIFO. keepalived writes one for each advert.
	lowerLines = 10
	// lowerPause is the least time between two starts of
	// notify_master_rx_lower_pri. keepalived starts it for each advert.
	lowerPause = time.Second
)

// record is what is known of a target.
type record struct {
	state    State // 0: none yet
	priority uint8
	// notified says that somebody was told of a state already.
	notified bool
	// mailed is the state of the last mail: none is sent twice in a row.
	mailed State
	// lines bounds those of MasterRxLowerPri, limited counts what it refused.
	lines   reconcile.Budget
	limited uint64
	// lowerNext is when notify_master_rx_lower_pri may start again.
	lowerNext time.Duration
}

// book knows the state of every target and decides what an event leads to.
type book map[Target]*record

func (b book) of(t Target) *record {
	r := b[t]
	if r == nil {
		r = &record{lines: reconcile.Budget{Limit: lowerLines, Window: time.Second}}
		b[t] = r
	}
	return r
}

// state is the state of a target, 0 if it is not known.
func (b book) state(t Target) State {
	if r := b[t]; r != nil {
		return r.state
	}
	return 0
}

// delivery is who hears of an event. State is the word that they hear.
type delivery struct {
	state               State
	scripts, line, mail bool
}

// decide records an event and says who hears of it. Now is monotonic.
func (b book) decide(e Event, h *Hooks, noFaults bool, now time.Duration) delivery {
	r := b.of(e.Target)
	if e.Target.Kind == Instance {
		r.priority = e.Priority
	}
	switch {
	case e.Silent:
		if e.State.isState() {
			r.state, r.mailed, r.notified = e.State, e.State, true
		}
		return delivery{}
	case e.Healed:
		return delivery{state: Master, scripts: r.state == Master}
	case e.State == MasterRxLowerPri:
		return r.lower(now)
	case e.State == MasterPriority, e.State == BackupPriority:
		return delivery{state: e.State, line: h.PriorityChanges}
	case !e.State.isState():
		return delivery{}
	}
	r.state = e.State
	if b.repeats(e, h) && r.notified {
		return delivery{}
	}
	r.notified = true
	d := delivery{state: h.word(e.State), scripts: true, line: true}
	// keepalived remembers what it sent only: MASTER, FAULT with no_email_faults,
	// MASTER again is one mail.
	if h.SMTPAlert && d.state != r.mailed && (d.state != Fault || !noFaults) {
		d.mail, r.mailed = true, d.state
	}
	return d
}

// repeats reports whether an instance only enters the state that its group has.
// The end of an instance is always told: keepalived's groups stop after their
// instances, and are never deleted.
func (b book) repeats(e Event, h *Hooks) bool {
	return e.Target.Kind == Instance && h.SyncGroup != "" && e.State != Stop && e.State != Deleted &&
		b.state(Target{Group, h.SyncGroup}) == e.State
}

// lower bounds what a master of lower priority leads to.
func (r *record) lower(now time.Duration) delivery {
	d := delivery{state: MasterRxLowerPri, line: r.lines.Spend(now)}
	if !d.line {
		r.limited++
	}
	if now >= r.lowerNext {
		d.scripts, r.lowerNext = true, now+lowerPause
	}
	return d
}
