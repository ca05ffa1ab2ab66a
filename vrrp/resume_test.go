package vrrp

import (
	"net/netip"
	"testing"
	"time"
)

// TestResume: who was master when everything died goes on, in time and if
// nothing speaks against it; all others start.
func TestResume(t *testing.T) {
	t.Parallel()
	const name = "VI_1"
	group := func(p *Params) { p.SyncGroup = "G" }
	for _, c := range []struct {
		name   string
		change func(*Params)
		second func(*Params) // of another instance, nil for none
		ev     Reconfigure
		down   bool
		want   State
		cause  Cause
	}{
		{name: "in time", want: Master, cause: CauseResumed, ev: Reconfigure{Resume: []Resumed{{name, time.Hour + time.Second}}}},
		{name: "another name", want: Backup, cause: CauseStartup, ev: Reconfigure{Resume: []Resumed{{"VI_2", time.Hour + time.Second}}}},
		{name: "over", want: Backup, cause: CauseStartup, ev: Reconfigure{Resume: []Resumed{{name, time.Hour}}}},
		{name: "within the margin", want: Backup, cause: CauseStartup, ev: Reconfigure{Resume: []Resumed{{name, time.Hour + 100*time.Millisecond}}}},
		{name: "just before it", want: Master, cause: CauseResumed, ev: Reconfigure{Resume: []Resumed{{name, time.Hour + 100*time.Millisecond + 1}}}},
		{
			name: "the margin of short intervals", want: Backup, cause: CauseStartup,
			change: func(p *Params) { p.Interval = 10 * time.Millisecond },
			ev:     Reconfigure{Resume: []Resumed{{name, time.Hour + 10*time.Millisecond}}},
		},
		{name: "standby", want: Backup, cause: CauseStartup, ev: Reconfigure{Resume: []Resumed{{name, time.Hour + time.Second}}, Standby: []string{name}}},
		{name: "link down", want: Fault, cause: CauseInterfaceDown, down: true, ev: Reconfigure{Resume: []Resumed{{name, time.Hour + time.Second}}}},
		{name: "startup delay", want: Master, cause: CauseResumed, ev: Reconfigure{Start: 2 * time.Hour, Resume: []Resumed{{name, time.Hour + time.Second}}}},
		{name: "startup delay, over", want: Init, cause: CauseStartup, ev: Reconfigure{Start: 2 * time.Hour, Resume: []Resumed{{name, time.Hour}}}},
		{
			name: "tracking is not known yet", want: Master, cause: CauseResumed, change: func(p *Params) { p.AwaitTracking = true },
			ev: Reconfigure{Resume: []Resumed{{name, time.Hour + time.Second}}},
		},
		{
			name: "sync group as a whole", want: Master, cause: CauseResumed, change: group, second: group,
			ev: Reconfigure{Resume: []Resumed{{name, time.Hour + time.Second}, {"VI_2", time.Hour + time.Second}}},
		},
		{
			name: "sync group, one too late", want: Backup, cause: CauseStartup, change: group, second: group,
			ev: Reconfigure{Resume: []Resumed{{name, time.Hour + time.Second}, {"VI_2", time.Hour}}},
		},
		{
			name: "sync group, one with a fault", want: Fault, cause: CauseGroup, change: group,
			second: func(p *Params) { p.SyncGroup, p.Link = "G", "eth9" },
			ev:     Reconfigure{Resume: []Resumed{{name, time.Hour + time.Second}, {"VI_2", time.Hour + time.Second}}},
		},
		{
			name: "owner", want: Master, cause: CauseResumed, change: func(p *Params) { p.Priority = OwnerPriority },
			ev: Reconfigure{Resume: []Resumed{{name, time.Hour + time.Second}}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			list := []*Params{resumeParams(name, 51, c.change)}
			if c.second != nil {
				list = append(list, resumeParams("VI_2", 52, c.second))
			}
			r := NewRouter()
			r.Step(time.Hour, LinkChanged{Link{Name: "eth0", Index: 2, Up: !c.down, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}})
			c.ev.Instances = list
			var kinds []ActionKind
			for _, a := range r.Step(time.Hour, c.ev) {
				if a.ID == 1 {
					kinds = append(kinds, a.Kind)
				}
			}
			got := r.Snapshot(nil)[0]
			if got.State != c.want || got.Cause != c.cause {
				t.Fatalf("%v (%v), want %v (%v)", got.State, got.Cause, c.want, c.cause)
			}
			if c.want != Master {
				return
			}
			// The advert is the first thing, and the addresses are announced anew.
			order := []ActionKind{SendAdvert, Transition, Install, Announce}
			for _, k := range kinds {
				if len(order) > 0 && k == order[0] {
					order = order[1:]
				}
			}
			if len(order) > 0 {
				t.Errorf("did %v, without %v", kinds, order)
			}
		})
	}
}

// TestResumeGivesWay: the first better advert ends it, a worse one is answered.
func TestResumeGivesWay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		priority uint8
		want     State
	}{{200, Backup}, {50, Master}} {
		r := NewRouter()
		r.Step(time.Hour, LinkChanged{Link{Name: "eth0", Index: 2, Up: true, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}})
		p := resumeParams("VI_1", 51, nil)
		r.Step(time.Hour, Reconfigure{Instances: []*Params{p}, Resume: []Resumed{{"VI_1", time.Hour + time.Second}}})
		a := Advert{Version: V3, VRID: 51, Priority: c.priority, Interval: time.Second, Addrs: p.Addrs}
		src := netip.MustParseAddr("192.0.2.2")
		r.Step(time.Hour+time.Millisecond, &AdvertReceived{Link: 2, Src: src, Dst: p.Group, TTL: 255, Payload: a.Append(nil, src, p.Group)})
		if got := r.State(1); got != c.want {
			t.Errorf("beside %d it is %v, want %v", c.priority, got, c.want)
		}
	}
}

func resumeParams(name string, vrid uint8, change func(*Params)) *Params {
	p := &Params{
		Name: name, Family: IPv4, Version: V3, VRID: vrid, Link: "eth0", Group: netip.MustParseAddr("224.0.0.18"), Priority: 100,
		Interval: time.Second, DownAdverts: DefaultDownAdverts, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.10")}, Auth: AuthNone, Form: ChecksumPseudo,
	}
	if change != nil {
		change(p)
	}
	return p
}
