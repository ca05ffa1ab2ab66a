package e2e

import (
	"fmt"
	"testing"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// moves are planned: nothing may be lost. Router a is the better one; both run
// hakeep unless it says otherwise.
//
// How many are lost is measured by the benchmark, in calm; here a busy test
// machine may lose some, while a move that does not work loses 60 and more.
const allowedLost = 25

// probed is a pair with a client that probes the address.
type probed struct {
	*pair
	a, b  *lab.Hakeep
	probe *lab.Probe
	dirA  string
	base  instance
}

func newProbed(t *testing.T, base instance, vip string) *probed {
	t.Helper()
	p := &probed{pair: newPair(t), base: base, dirA: nstest.ShortDir(t)}
	p.a = nstest.HakeepIn(t, p.pair.a, p.dirA, base.with("150").TOML())
	p.b = nstest.Hakeep(t, p.pair.b, base.with("100").TOML())
	awaitState(t, p.a, "MASTER")
	awaitState(t, p.b, "BACKUP")
	p.awaitHolder(t, vip, "a")
	p.probe = nstest.Probe(t, p.client, vip)
	p.settle(t)
	return p
}

// settle waits until the client has had answers for a while.
func (p *probed) settle(t *testing.T) {
	t.Helper()
	if err := p.probe.AwaitAnswers(nstest.Context(t, patience), 1500); err != nil {
		t.Fatal(err)
	}
}

func (p *probed) check(t *testing.T) {
	t.Helper()
	r := p.probe.Stop()
	t.Logf("%s", r)
	if r.Lost > allowedLost {
		t.Errorf("%d answers lost", r.Lost)
	}
}

// TestPlannedMoves: stop and fail-back lose nothing.
func TestPlannedMoves(t *testing.T) {
	for _, c := range []struct {
		name, vip string
		base      instance
	}{
		{"1 s", vip4, instance{advert: "1s"}},
		{"100 ms", vip4, instance{}},
		{"v2", vip4, instance{version: 2, advert: "1s"}},
		{"ipv6", vip6, instance{advert: "1s", addrs: []string{"fe80::10/64", vip6 + "/64"}}},
		{"50 addresses", "192.0.2.200", instance{advert: "1s", addrs: manyAddrs(50)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProbed(t, c.base, c.vip)
			p.probe.Mark("stop")
			if err := p.a.Stop(nstest.Context(t, patience)); err != nil {
				t.Fatal(err)
			}
			awaitState(t, p.b, "MASTER")
			p.settle(t)
			if hasAddr(t, p.pair.a, c.vip) {
				t.Error("address left behind")
			}
			p.probe.Mark("start")
			p.a = nstest.HakeepIn(t, p.pair.a, p.dirA, "")
			awaitState(t, p.a, "MASTER")
			awaitState(t, p.b, "BACKUP")
			p.settle(t)
			p.check(t)
			if hasAddr(t, p.pair.b, c.vip) {
				t.Error("address on both")
			}
		})
	}
}

// manyAddrs are n addresses, 192.0.2.200 the last of them.
func manyAddrs(n int) (addrs []string) {
	for i := 200 - n + 1; i <= 200; i++ {
		addrs = append(addrs, fmt.Sprintf("192.0.2.%d/24", i))
	}
	return addrs
}
