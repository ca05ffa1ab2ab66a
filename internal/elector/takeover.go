package elector

import (
	"time"

	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// takeovers measures how long it takes from the moment at which a master's
// silence is over to each step of taking over. A take-over is one instance.
type takeovers struct {
	timer, advert, addresses, announced histogram

	// running are those that have not announced everything, by what they wait for.
	running map[vrrp.ID]takeover
}

// takeover is one that goes on.
type takeover struct {
	due  time.Duration
	step takeoverStep
}

// takeoverStep is what a take-over waits for.
type takeoverStep uint8

const (
	awaitAdvert takeoverStep = iota + 1
	awaitAddresses
	awaitAnnouncement
)

// transition begins a take-over, or ends one that is of no use any more.
func (t *takeovers) transition(now time.Duration, a *vrrp.Action) {
	if a.To != vrrp.Master || a.Due == 0 || a.Cause != vrrp.CauseMasterTimeout {
		delete(t.running, a.ID)
		return
	}
	t.timer.add(now - a.Due)
	t.running[a.ID] = takeover{due: a.Due, step: awaitAdvert}
}

// any reports whether one goes on; without, no clock has to be read.
func (t *takeovers) any() bool { return len(t.running) > 0 }

// flushed notes that the adverts of all steps so far have left.
func (t *takeovers) flushed(now time.Duration) { t.pass(now, awaitAdvert, nil, &t.advert) }

// installed notes whose addresses are complete.
func (t *takeovers) installed(now time.Duration, done func(vrrp.ID) bool) {
	t.pass(now, awaitAddresses, done, &t.addresses)
}

// sent notes that all announcements that were due have left.
func (t *takeovers) sent(now time.Duration) { t.pass(now, awaitAnnouncement, nil, &t.announced) }

// pass moves those that wait for a step on, if it is done for them.
func (t *takeovers) pass(now time.Duration, step takeoverStep, done func(vrrp.ID) bool, h *histogram) {
	for id, to := range t.running {
		if to.step != step || done != nil && !done(id) {
			continue
		}
		h.add(now - to.due)
		if to.step++; to.step > awaitAnnouncement {
			delete(t.running, id)
			continue
		}
		t.running[id] = to
	}
}

func (t *takeovers) status() wire.Takeovers {
	return wire.Takeovers{
		Timer: t.timer.status(), Advert: t.advert.status(), Addresses: t.addresses.status(), Announced: t.announced.status(),
	}
}
