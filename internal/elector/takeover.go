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
	// unsent and unannounced are those that wait for their adverts and announcements
	// to leave: thousands that go on at a time are not looked through for them.
	unsent, unannounced []vrrp.ID
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
	t.unsent = append(t.unsent, a.ID)
}

// flushed notes that the adverts of all steps so far have left.
func (t *takeovers) flushed(now time.Duration) {
	for _, id := range t.unsent {
		t.pass(now, id, awaitAdvert, &t.advert)
	}
	t.unsent = t.unsent[:0]
}

// installed notes that the addresses of an instance are complete.
func (t *takeovers) installed(now time.Duration, id vrrp.ID) {
	if t.pass(now, id, awaitAddresses, &t.addresses) {
		t.unannounced = append(t.unannounced, id)
	}
}

// sent notes that all announcements that were due have left.
func (t *takeovers) sent(now time.Duration) {
	for _, id := range t.unannounced {
		t.pass(now, id, awaitAnnouncement, &t.announced)
	}
	t.unannounced = t.unannounced[:0]
}

// pass moves one on if it waits for this step.
func (t *takeovers) pass(now time.Duration, id vrrp.ID, step takeoverStep, h *histogram) bool {
	to, ok := t.running[id]
	if !ok || to.step != step {
		return false
	}
	h.add(now - to.due)
	if to.step++; to.step > awaitAnnouncement {
		delete(t.running, id)
	} else {
		t.running[id] = to
	}
	return true
}

func (t *takeovers) status() wire.Takeovers {
	return wire.Takeovers{
		Timer: t.timer.status(), Advert: t.advert.status(), Addresses: t.addresses.status(), Announced: t.announced.status(),
	}
}
