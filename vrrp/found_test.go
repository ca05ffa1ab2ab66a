package vrrp

import "testing"

// What internal/sim found, each as small as it can be.

// TestReloadKeepsTheFollowedInterval also when a lower master was heard since:
// a reload of something else must not make the wait longer.
func TestReloadKeepsTheFollowedInterval(t *testing.T) {
	t.Parallel()
	h := newHost(t, testParams(100))
	h.step(second, packet(testParams(100), lowerAddr, 200, func(a *Advert) { a.Interval = 100 * ms }))
	h.hear(second+50*ms, lowerAddr, 50)
	h.reload(second+60*ms, with(testParams(100), func(p *Params) { p.HigherPrioSendAdvert = true }))
	h.expectState(Backup, CauseStartup, second+300*ms+skew100/10)
}
