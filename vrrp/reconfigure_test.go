package vrrp

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// snapshot is everything that a reload must not change.
func snapshot(h *host) []InstanceState { return h.r.Snapshot(nil) }

var addrEqual = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// TestReloadUnchanged: timers, master, learned interval and delays go on.
func TestReloadUnchanged(t *testing.T) {
	t.Parallel()
	p := with(testParams(100), func(p *Params) { p.PreemptDelay = 5 * second })
	for _, c := range []struct {
		name  string
		start func(t *testing.T) *host
	}{
		{"backup", func(t *testing.T) *host {
			h := newHost(t, p)
			h.step(ms, packet(p, lowerAddr, 200, func(a *Advert) { a.Interval = 10 * ms }))
			return h
		}},
		{"backup within preempt_delay", func(t *testing.T) *host {
			h := newHost(t, p)
			h.hear(second, lowerAddr, 50)
			return h
		}},
		{"master", func(t *testing.T) *host { return newMaster(t, p) }},
		{"master with an answer put off", func(t *testing.T) *host {
			h := newMaster(t, p)
			h.hear(h.now+ms, lowerAddr, 50)
			h.hear(h.now+ms, lowerAddr, 50)
			return h
		}},
		{"fault", func(t *testing.T) *host {
			h := newHost(t, p)
			h.link(ms, false, ownAddr)
			return h
		}},
		{"startup delay", func(t *testing.T) *host {
			h := newHost(t)
			h.step(0, Reconfigure{Start: 10 * second, Instances: []*Params{p}})
			return h
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, twin := c.start(t), c.start(t)
			before := snapshot(h)
			h.expect(h.reload(h.now+ms, with(p, func(*Params) {})), "")
			if d := cmp.Diff(before, snapshot(h), addrEqual); d != "" {
				t.Fatalf("the reload changed (-before +after):\n%s", d)
			}
			// What comes after is the same too.
			for i := range 20 {
				now := h.now + time.Duration(i)*700*ms
				h.expect(h.until(now), twin.until(now))
				h.expect(h.hear(now, lowerAddr, 50), twin.hear(now, lowerAddr, 50))
			}
		})
	}
}

// TestReloadRemoves: a master that is configured no more says that it leaves,
// though it is gone when that is sent.
func TestReloadRemoves(t *testing.T) {
	t.Parallel()
	p := testParams(100)
	h := newMaster(t, p)
	actions := h.r.Step(h.now+ms, Reconfigure{})
	if got, want := describe(actions), "send 0, remove, MASTER>INIT removed, deleted"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	if len(snapshot(h)) != 0 || h.r.Params(1) != nil {
		t.Error("the instance is still there")
	}
	var sent int
	actions[0].Packets(nil, func(o *Outgoing) {
		var a Advert
		if r := a.Parse(o.Payload, o.Src, o.Dst, V3); r != ReasonNone || a.Priority != 0 || a.VRID != 51 ||
			o.Src != ip(ownAddr) || o.Dst != p.Group || o.Link != eth0 {
			t.Errorf("sent %+v because of %v: %+v", o, r, a)
		}
		sent++
	})
	if sent != 1 {
		t.Errorf("%d packets", sent)
	}
	if d, ok := h.r.NextDeadline(); ok {
		t.Errorf("awaits %v", d)
	}
	backup := newHost(t, p)
	backup.expect(backup.reload(ms), "BACKUP>INIT removed, deleted")
	fault := newHost(t, p)
	fault.link(0, false, ownAddr)
	fault.expect(fault.reload(ms), "FAULT>INIT removed, deleted")
}

func TestReloadAdds(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams(100))
	second2 := with(testParams(100), func(p *Params) { p.Name, p.VRID = "VI_2", 52 })
	h.expect(h.reload(h.now, second2, testParams(100)), "#2 added VI_2, #2 source 192.0.2.5@2, #2 INIT>BACKUP startup")
	if s := snapshot(h); s[0].Name != "VI_2" || s[1].State != Master {
		t.Errorf("got %+v", s)
	}
	if h.r.Params(2) != second2 || h.r.Params(3) != nil || h.r.Priority(2) != 100 || h.r.Priority(3) != 0 {
		t.Error("the IDs are wrong")
	}
	// An ID is never used again.
	h.reload(h.now, testParams(100))
	h.expect(h.reload(h.now, testParams(100), second2), "#3 added VI_2, #3 source 192.0.2.5@2, #3 INIT>BACKUP startup")
	third := with(testParams(100), func(p *Params) { p.Name, p.VRID = "VI_3", 53 })
	h.expect(h.step(h.now, Reconfigure{Start: h.now + second, Instances: []*Params{testParams(100), second2, third}}),
		"#4 added VI_3, #4 source 192.0.2.5@2")
	h.expect(h.until(h.now+second), "send 100, #4 INIT>BACKUP startup")
}

// TestReloadIdentity tells which instance goes on as which.
func TestReloadIdentity(t *testing.T) {
	t.Parallel()
	const gone = "send 0, remove, MASTER>INIT removed, deleted, "
	const fresh = "#2 added VI_1, #2 source 192.0.2.5@2, #2 INIT>BACKUP startup"
	const goesOn = "send 100, install"
	for _, c := range []struct {
		name   string
		p      *Params
		change func(*Params)
		want   string
	}{
		{"name", testParams(100), func(p *Params) { p.Name = "NEW" }, goesOn},
		{"vrid", testParams(100), func(p *Params) { p.VRID = 52 }, gone + fresh},
		{"group", testParams(100), func(p *Params) { p.Group = ip("224.0.0.77") }, gone + fresh},
		{
			"link", testParams(100), func(p *Params) { p.Link = "eth1" },
			gone + "#2 added VI_1, #2 INIT>FAULT interface-down",
		},
		{
			"family", testParams(100), func(p *Params) { *p = *testParams6(100) },
			gone + "#2 added VI_1, #2 source fe80::5@2, #2 INIT>BACKUP startup",
		},
		{"to unicast", testParams(100), func(p *Params) { *p = *testUnicast(100) }, gone + fresh},
		{"version", testParams(100), func(p *Params) { p.Version = V2 }, goesOn},
		{"priority", testParams(100), func(p *Params) { p.Priority = 90 }, "send 90, install"},
		{"interval", testParams(100), func(p *Params) { p.Interval = 10 * ms }, goesOn},
		{"address added", testParams(100), func(p *Params) { p.Addrs = ips("192.0.2.10", "192.0.2.11") }, goesOn},
		{"address removed", testParams(100), func(p *Params) { p.Addrs = nil }, goesOn},
		{"excluded address", testParams(100), func(p *Params) { p.Excluded = ips("192.0.2.11") }, goesOn},
		{
			"source", testParams(100), func(p *Params) { p.Source = ip(higherAddr) },
			"source 192.0.2.9@2, " + goesOn,
		},
		{"unicast peers, same name", testUnicast(100), func(p *Params) { p.Peers = p.Peers[:1] }, goesOn},
		{"unicast ttl", testUnicast(100), func(p *Params) { p.Peers = []Peer{{ip(lowerAddr), 9, 255}, {ip(higherAddr), 0, 255}} }, goesOn},
		{"unicast peers and name", testUnicast(100), func(p *Params) { p.Name, p.Peers = "NEW", p.Peers[:1] }, gone + "#2 added NEW, #2 source 192.0.2.5@2, #2 INIT>BACKUP startup"},
		{
			"unicast source", testUnicast(100), func(p *Params) { p.Source = ip("192.0.2.6") },
			gone + "#2 added VI_1, #2 source invalid IP@2, #2 INIT>FAULT no-primary-ip-address",
		},
		{"becomes faulty", testParams(100), func(p *Params) { p.Source, p.TrackSource = ip(higherAddr), true }, "source invalid IP@2, send 0, remove, MASTER>FAULT no-primary-ip-address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newMaster(t, c.p)
			h.expect(h.reload(h.now+ms, with(c.p, c.change)), c.want)
		})
	}
}

// TestReloadSwaps two names: the virtual routers go on under the other's.
func TestReloadSwaps(t *testing.T) {
	t.Parallel()
	swap := func(t *testing.T, a, b *Params) {
		t.Helper()
		h := newHost(t, a, b)
		h.step(ms, packet(b, lowerAddr, 200, nil))
		h.until(down100)
		before := snapshot(h)
		h.reload(h.now, with(b, func(p *Params) { p.Name = "A" }), with(a, func(p *Params) { p.Name = "B" }))
		after := snapshot(h)
		if after[0].Name != "A" || after[0].ID != before[1].ID || after[0].State != Backup ||
			after[1].Name != "B" || after[1].ID != before[0].ID || after[1].State != Master {
			t.Errorf("before %+v\nafter %+v", before, after)
		}
	}
	t.Run("by vrid", func(t *testing.T) {
		t.Parallel()
		swap(t, with(testParams(100), func(p *Params) { p.Name = "A" }), with(testParams(100), func(p *Params) { p.Name, p.VRID = "B", 52 }))
	})
	t.Run("by peers", func(t *testing.T) {
		t.Parallel()
		swap(t, with(testUnicast(100), func(p *Params) { p.Name, p.Peers = "A", []Peer{{ip(higherAddr), 0, 255}} }),
			with(testUnicast(100), func(p *Params) { p.Name, p.Peers = "B", []Peer{{ip(lowerAddr), 0, 255}} }))
	})
}

// TestReloadMovesAddress from one master to another without either leaving.
func TestReloadMovesAddress(t *testing.T) {
	t.Parallel()
	a := with(testParams(100), func(p *Params) { p.Name, p.Addrs = "A", ips("192.0.2.10", "192.0.2.11") })
	b := with(testParams(100), func(p *Params) { p.Name, p.VRID, p.Addrs = "B", 52, ips("192.0.2.12") })
	h := newHost(t, a, b)
	h.until(4 * second)
	h.expect(h.reload(4*second, with(a, func(p *Params) { p.Addrs = ips("192.0.2.10") }),
		with(b, func(p *Params) { p.Addrs = ips("192.0.2.11", "192.0.2.12") })), "send 100, install, #2 send 100, #2 install")
}

// TestReloadMovesTimer of a backup by the difference of the skews.
func TestReloadMovesTimer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*Params)
		want   time.Duration
	}{
		{"better", func(p *Params) { p.Priority = 200 }, down200},
		{"worse", func(p *Params) { p.Priority = 50 }, 3*second + 206*second/256},
		{"owner", func(p *Params) { p.Priority = 255 }, 3*second + second/256},
		{"down_timer_adverts", func(p *Params) { p.DownAdverts = 5 }, 5*second + skew100},
		// Nothing was learned yet.
		{"interval", func(p *Params) { p.Interval = 100 * ms }, 300*ms + skew100/10},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, testParams(100))
			h.expect(h.reload(100*ms, with(testParams(100), c.change)), "")
			h.expectState(Backup, CauseStartup, c.want)
		})
	}
	t.Run("after a leave", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, testParams(100))
		h.hear(second, lowerAddr, 0)
		h.reload(second, testParams(200))
		h.expectState(Backup, CauseStartup, second+56*second/256)
	})
	t.Run("within the start of state MASTER", func(t *testing.T) {
		t.Parallel()
		p := with(testParams(100), func(p *Params) { p.StartMaster = true })
		h := newHost(t, p)
		h.reload(100*ms, with(p, func(p *Params) { p.Interval = 2 * second }))
		h.expectState(Backup, CauseStartup, 2*second+2*second/256)
	})
	t.Run("the learned interval goes on", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, testParams(100))
		h.step(second, packet(testParams(100), lowerAddr, 200, func(a *Advert) { a.Interval = 100 * ms }))
		h.reload(second+ms, with(testParams(100), func(p *Params) { p.Interval = 5 * second }))
		h.expectState(Backup, CauseStartup, second+300*ms+skew100/10)
	})
	t.Run("version 2 has nothing learned", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, testParams2(100))
		h.hear(second, lowerAddr, 200)
		h.reload(second, with(testParams2(100), func(p *Params) { p.Interval = 2 * second }))
		h.expectState(Backup, CauseStartup, second+6*second+skew100)
	})
	t.Run("the interval of an ignored master was not learned", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, testParams(100))
		h.hear(100*ms, lowerAddr, 50)
		h.reload(200*ms, with(testParams(100), func(p *Params) { p.Interval = 100 * ms }))
		h.expectState(Backup, CauseStartup, 300*ms+skew100/10)
	})
	t.Run("not within the startup delay", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		h.step(0, Reconfigure{Start: 10 * second, Instances: []*Params{testParams(100)}})
		h.step(second, Reconfigure{Instances: []*Params{testParams(200)}})
		h.expectState(Init, CauseStartup, 10*second)
	})
	t.Run("not in a fault", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, testParams(100))
		h.link(0, false, ownAddr)
		h.reload(second, testParams(200))
		h.expectState(Fault, CauseInterfaceDown, Forever)
	})
}

// TestReloadOfAMaster tells the peers at once and goes on from there.
func TestReloadOfAMaster(t *testing.T) {
	t.Parallel()
	h := newMaster(t, testParams(100))
	now := h.now + 300*ms
	h.expect(h.reload(now, with(testParams(90), func(p *Params) { p.Interval = 100 * ms })), "send 90, install")
	h.expectState(Master, CauseMasterTimeout, now+100*ms)
	if s := h.state(); s.Priority != 90 || s.Interval != 100*ms {
		t.Errorf("priority %d at %v", s.Priority, s.Interval)
	}
}

// TestReloadOrder: the order of the configuration is that of the snapshot.
func TestReloadOrder(t *testing.T) {
	t.Parallel()
	var params []*Params
	for i := range 5 {
		params = append(params, with(testParams(uint8(100+i)), func(p *Params) { p.Name, p.VRID = fmt.Sprint(i), uint8(i+1) }))
	}
	h := newHost(t, params...)
	h.expect(h.reload(ms, params[4], params[2], params[0], params[3], params[1]), "")
	for i, want := range []string{"4", "2", "0", "3", "1"} {
		if got := snapshot(h)[i].Name; got != want {
			t.Errorf("place %d has %s, want %s", i, got, want)
		}
	}
	h.expect(h.step(second, packet(params[3], lowerAddr, 200, nil)), "#4 accepted 200")
	if d, _ := h.r.NextDeadline(); d != MasterDownInterval(V3, 104, second, 3) {
		t.Errorf("next deadline %v", d)
	}
}

// TestEveryParameterCounts changes each field of Params by itself: a reload
// with it must not be taken for unchanged, else a switch is ignored until the
// next restart.
func TestEveryParameterCounts(t *testing.T) {
	t.Parallel()
	base := testUnicast(100)
	for i := range reflect.TypeFor[Params]().NumField() {
		q := with(base, func(*Params) {})
		f := reflect.ValueOf(q).Elem().Field(i)
		switch v := f.Addr().Interface().(type) {
		case *bool:
			*v = !*v
		case *string:
			*v += "x"
		case *netip.Addr:
			*v = ip("198.51.100.1")
		case *[]netip.Addr:
			*v = ips("198.51.100.1")
		case *[]Peer:
			*v = []Peer{{ip("198.51.100.1"), 1, 2}}
		case *[]TrackLink:
			*v = []TrackLink{{Name: "eth1"}}
		case *[8]byte:
			v[7]++
		case *time.Duration:
			*v += second
		case *int:
			*v++
		default:
			f.SetUint(f.Uint() + 1)
		}
		if q.equal(base) {
			t.Errorf("%s is ignored", reflect.TypeFor[Params]().Field(i).Name)
		}
	}
}

// TestClone: what happens to the one does not happen to the other.
func TestClone(t *testing.T) {
	t.Parallel()
	// The second one's deadline is the earliest, and in the clone it is not.
	soon := with(testParams(101), func(p *Params) { p.Name, p.VRID = "VI_2", 52 })
	h := newHost(t, testParams(100), soon, with(soon, func(p *Params) { p.Name, p.VRID = "VI_3", 53 }))
	other := &host{t: t, r: h.r.Clone(), now: h.now}
	before := snapshot(h)
	other.hearFrom(2*second, soon, lowerAddr, 200)
	other.step(other.now, LinkGone{"eth0"})
	other.reload(other.now, testParams(50), with(testParams(100), func(p *Params) { p.VRID = 52 }))
	if d := cmp.Diff(before, snapshot(h), addrEqual, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("the original changed (-before +after):\n%s", d)
	}
	if d, _ := h.r.NextDeadline(); d != MasterDownInterval(V3, 101, second, 3) {
		t.Errorf("the original's next deadline is %v", d)
	}
	h.expect(h.reload(ms, testParams(100), soon, with(soon, func(p *Params) { p.Name, p.VRID = "VI_3", 53 })), "")
	h.expect(h.step(h.state().Deadline-second/256, Timeout{Limit: 1}), "#2 send 101, #2 BACKUP>MASTER master-timeout, #2 install, #2 announce")
}

func TestUnknownEvent(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	NewRouter().Step(0, nil)
}

func TestTransitionToItself(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	h := newHost(t, testParams(100))
	h.r.instances[0].become(h.r, 0, Backup, CauseStartup)
}
