package checks

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// newPinger runs a Pinger until the test ends.
func newPinger(t testing.TB) *Pinger {
	t.Helper()
	p := NewPinger()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return p
}

func addrs(list ...string) []netip.Addr {
	out := make([]netip.Addr, len(list))
	for i, a := range list {
		out[i] = netip.MustParseAddr(a)
	}
	return out
}

func TestPingLoopback(t *testing.T) {
	t.Parallel()
	nstest.Require(t) // for CAP_NET_RAW, where ping_group_range is closed
	p := newPinger(t)
	res := check(t, Ping{Targets: addrs("127.0.0.1", "::1", "127.1.2.3", "::ffff:127.0.0.4"), Need: 4}, p, 5*time.Second)
	if !res.OK || strings.Count(res.Detail, " in ") != 4 {
		t.Errorf("got %+v", res)
	}
	if n := len(p.waiting); n != 0 {
		t.Errorf("%d requests are still waited for", n)
	}
}

// TestPing pings between namespaces, by datagram and by raw sockets.
func TestPing(t *testing.T) {
	nstest.Require(t)
	lan := nstest.LAN(t)
	here, there := nstest.Host(t, "here"), nstest.Host(t, "there")
	nstest.Attach(t, lan, here, "eth0", "192.0.2.1/24", "192.0.2.7/24", "fd00::1/64")
	nstest.Attach(t, lan, here, "eth1", "198.51.100.1/24")
	port := nstest.Attach(t, lan, there, "eth0", "192.0.2.2/24", "192.0.2.3/24", "198.51.100.2/24", "fd00::2/64")
	linkLocal := ""
	nstest.Eventually(t, 5*time.Second, func() error {
		list, err := there.Addrs("eth0")
		for _, a := range list {
			if a.Addr().IsLinkLocalUnicast() {
				linkLocal = a.Addr().String()
			}
		}
		if linkLocal == "" && err == nil {
			err = fmt.Errorf("no link-local address in %v", list)
		}
		return err
	})
	for _, socket := range []struct {
		name, groups string
		raw          bool
	}{{"raw", "1 0", true}, {"datagram", "0 2147483647", false}} {
		t.Run(socket.name, func(t *testing.T) {
			if err := here.Sysctl("net.ipv4.ping_group_range", socket.groups); err != nil {
				t.Fatal(err)
			}
			p := newPinger(t)
			testPing(t, here, p, linkLocal)
			if p.sockets[pingKey{}].raw != socket.raw || p.sockets[pingKey{v6: true}].raw != socket.raw {
				t.Errorf("sockets are raw: %v, %v", p.sockets[pingKey{}].raw, p.sockets[pingKey{v6: true}].raw)
			}
			if err := port.Cut(); err != nil {
				t.Fatal(err)
			}
			res := pingIn(t, here, Ping{Targets: addrs("192.0.2.2")}, p, 200*time.Millisecond)
			if res.OK || !strings.HasPrefix(res.Detail, "no answer of 192.0.2.2") {
				t.Errorf("cut cable: %+v", res)
			}
			if err := port.Restore(); err != nil {
				t.Fatal(err)
			}
			nstest.Eventually(t, 5*time.Second, func() error {
				if res := pingIn(t, here, Ping{Targets: addrs("192.0.2.2")}, p, 200*time.Millisecond); !res.OK {
					return fmt.Errorf("restored: %+v", res)
				}
				return nil
			})
			p.mu.Lock()
			defer p.mu.Unlock()
			if len(p.waiting) != 0 {
				t.Errorf("%d requests are still waited for", len(p.waiting))
			}
		})
	}
}

// pingIn does one attempt in a namespace.
func pingIn(t *testing.T, ns *lab.Namespace, target Ping, p *Pinger, timeout time.Duration) (res Result) {
	t.Helper()
	if err := ns.Do(func() error {
		c, err := target.Checker(p)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		res = c.Check(ctx)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return res
}

func testPing(t *testing.T, here *lab.Namespace, p *Pinger, linkLocal string) {
	t.Helper()
	const limit = time.Second
	for _, c := range []struct {
		name   string
		target Ping
		ok     bool
		says   string
	}{
		{"one", Ping{Targets: addrs("192.0.2.2")}, true, "answer of 192.0.2.2 in "},
		{"IPv6", Ping{Targets: addrs("fd00::2")}, true, "answer of fd00::2 in "},
		{"link-local", Ping{Targets: addrs(linkLocal + "%eth0")}, true, "answer of " + linkLocal + "%eth0 in "},
		{"nobody there", Ping{Targets: addrs("192.0.2.9")}, false, "no answer of 192.0.2.9"},
		{"one of three is enough", Ping{Targets: addrs("192.0.2.8", "192.0.2.9", "192.0.2.3")}, true, "answer of 192.0.2.3"},
		{"two of three wanted", Ping{Targets: addrs("192.0.2.8", "192.0.2.2", "192.0.2.3"), Need: 2}, true, "answer of "},
		{"three wanted", Ping{Targets: addrs("192.0.2.8", "192.0.2.2", "192.0.2.3"), Need: 3}, false, "2 of 3 answered, 3 needed"},
		{"families mixed", Ping{Targets: addrs("192.0.2.9", "fd00::2")}, true, "answer of fd00::2"},
		{"source", Ping{Targets: addrs("192.0.2.2"), Source: netip.MustParseAddr("192.0.2.7")}, true, "answer of"},
		{"source IPv6", Ping{Targets: addrs("fd00::2"), Source: netip.MustParseAddr("fd00::1")}, true, "answer of"},
		{"source that is not ours", Ping{Targets: addrs("192.0.2.2"), Source: netip.MustParseAddr("192.0.2.99")}, false, "no answer of 192.0.2.2: send to 192.0.2.2"},
		{"interface", Ping{Targets: addrs("198.51.100.2"), Interface: "eth1"}, true, "answer of"},
		{"wrong interface", Ping{Targets: addrs("192.0.2.9"), Interface: "lo"}, false, "no answer"},
		{"no such interface", Ping{Targets: addrs("192.0.2.2"), Interface: "eth9"}, false, "interface eth9: no such device"},
		{"no route", Ping{Targets: addrs("203.0.113.1")}, false, "network is unreachable"},
		{"no such zone", Ping{Targets: addrs("fe80::1%eth9")}, false, "interface eth9"},
	} {
		begin := time.Now()
		res := pingIn(t, here, c.target, p, limit)
		if res.OK != c.ok || !strings.Contains(res.String(), c.says) {
			t.Errorf("%s: %+v, want ok %v and %q", c.name, res, c.ok, c.says)
		}
		if took := time.Since(begin); res.OK && took > limit*2/3 {
			t.Errorf("%s: took %v", c.name, took)
		}
	}
}

// TestPingMany pings many targets by one socket.
func TestPingMany(t *testing.T) {
	t.Parallel()
	nstest.Require(t)
	var mu sync.Mutex
	up := map[string]bool{}
	r := NewRunner(Options{Changed: func(ev Event) {
		mu.Lock()
		defer mu.Unlock()
		up[ev.Name] = ev.Up
	}})
	var specs []Spec
	for i := range 500 {
		target := Ping{Targets: []netip.Addr{netip.AddrFrom4([4]byte{127, 7, byte(i >> 8), byte(i)})}}
		specs = append(specs, Spec{Name: fmt.Sprint(i), Target: target, Policy: Policy{Interval: 200 * time.Millisecond, Warmup: 200 * time.Millisecond, Timeout: 5 * time.Second}})
	}
	if err := r.Apply(specs); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	nstest.Eventually(t, 20*time.Second, func() error {
		mu.Lock()
		defer mu.Unlock()
		n := 0
		for _, ok := range up {
			if ok {
				n++
			}
		}
		if n != len(specs) {
			return fmt.Errorf("%d of %d are up", n, len(specs))
		}
		return nil
	})
	cancel()
	wg.Wait()
	if r.pinger.sockets[pingKey{v6: true}] != nil || r.pinger.sockets[pingKey{}] == nil {
		t.Error("not one socket for all")
	}
	for _, s := range r.Snapshot() {
		if s.Failures > 1 { // the last may have been broken off
			t.Errorf("status %+v", s)
		}
	}
}

func TestPingWrong(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]Ping{
		"no targets":         {},
		"2 of 1 targets":     {Targets: addrs("127.0.0.1"), Need: 2},
		"not an address":     {Targets: []netip.Addr{{}}},
		"different families": {Targets: addrs("::1"), Source: netip.MustParseAddr("127.0.0.1")},
	} {
		if _, err := c.Checker(nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}

func TestPingAfterTheEnd(t *testing.T) {
	t.Parallel()
	p := NewPinger()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if res := check(t, Ping{Targets: addrs("127.0.0.1")}, p, time.Second); res.OK || !strings.Contains(res.String(), "pings have ended") {
		t.Errorf("got %+v", res)
	}
}
