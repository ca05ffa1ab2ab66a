package elector

import (
	"net/netip"
	"testing"
	"time"

	"hakeep/internal/wire"
	"hakeep/vrrp"
	"hakeep/vrrp/vrrpnet"
)

// oneDatagram has a single datagram to receive, and sends nothing.
type oneDatagram struct {
	datagram *vrrpnet.Datagram
}

func (s *oneDatagram) RecvReady(_ int, f func(*vrrpnet.Datagram)) (int, bool, error) {
	if s.datagram == nil {
		return 0, false, nil
	}
	d := s.datagram
	s.datagram = nil
	f(d)
	return 1, false, nil
}

func (*oneDatagram) Sync([]vrrpnet.Endpoint) error        { return nil }
func (*oneDatagram) Forget(int)                           {}
func (*oneDatagram) PollFD() int                          { return -1 }
func (*oneDatagram) QueuePrepared(*vrrpnet.Prepared) bool { return true }
func (*oneDatagram) Flush() (int, error)                  { return 0, nil }
func (*oneDatagram) Stats() vrrpnet.Stats                 { return vrrpnet.Stats{} }

// firstAdvert is what another router says when it becomes master.
func firstAdvert(t *testing.T, cfg *wire.Config) (d *vrrpnet.Datagram) {
	t.Helper()
	master := vrrp.NewRouter()
	link := vrrp.Link{Name: "eth0", Index: 1, Up: true, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}
	master.Step(0, vrrp.LinkChanged{Link: link})
	p := cfg.Instances[0].Params
	p.StartMaster = true
	master.Step(0, vrrp.Reconfigure{Instances: []*vrrp.Params{&p}})
	at, _ := master.NextDeadline()
	for _, a := range master.Step(at, vrrp.Timeout{}) {
		if a.Kind == vrrp.SendAdvert {
			a.Packets(nil, func(o *vrrp.Outgoing) {
				d = &vrrpnet.Datagram{Link: 1, Src: o.Src, Dst: o.Dst, TTL: 255, Payload: o.Payload}
			})
		}
	}
	if d == nil {
		t.Fatal("no advert")
	}
	return d
}

// TestLateThoughAdvertCame: a loop that wakes up too late was late, although an
// advert that waits for it has put off what it was to wake up for.
func TestLateThoughAdvertCame(t *testing.T) {
	t.Parallel()
	s := &oneDatagram{}
	l := quietLoop(t, s)
	cfg := testConfig(100)
	const late = 5 * time.Second
	down := vrrp.MasterDownInterval(vrrp.V3, 100, cfg.Instances[0].Params.Interval, 3)
	start := l.clock.now() - down - late
	l.reconfigure(start, cfg)
	s.datagram = firstAdvert(t, testConfig(200)) // its master has not been silent
	l.turn()
	if got := l.router.Snapshot(nil)[0]; got.State != vrrp.Backup || got.MasterPriority != 200 {
		t.Fatalf("state %v, master of priority %d", got.State, got.MasterPriority)
	}
	if got := l.stats.lateness.status(); got.Count != 1 || got.Max < late || got.Max > late+time.Minute {
		t.Errorf("%d times late, at most %v; want once, %v", got.Count, got.Max, late)
	}
}
