package nft

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"hakeep/arp"
	"hakeep/internal/firewall"
	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	"hakeep/lvs"
)

// pair is two directors with the same tables. Either has the virtual addresses and
// the servers' gateway:
//
//	client .100   a .1, b .2, VIP .10      servers 10.0.0.1…
//	  |              |        |.255.254       |
//	==+==============+== left =+==============+== right
type pair struct {
	site
	a, b  *lab.Namespace
	fws   map[*lab.Namespace]*firewall.Firewall
	ports map[*lab.Namespace][2]*lab.Port
}

// moving are the addresses that the master has, by interface.
func moving() map[string][]netip.Prefix {
	return map[string][]netip.Prefix{
		"eth0": {netip.MustParsePrefix("192.0.2.10/32"), netip.MustParsePrefix("2001:db8::10/128")},
		"eth1": {netip.MustParsePrefix("10.0.255.254/32"), netip.MustParsePrefix("fd00::ffff/128")},
	}
}

func newPair(t *testing.T, servers int) *pair {
	t.Helper()
	p := &pair{
		site: site{client: nstest.Host(t, "client"), servers: nstest.Host(t, "servers")},
		a:    nstest.Host(t, "a"), b: nstest.Host(t, "b"),
		fws: map[*lab.Namespace]*firewall.Firewall{}, ports: map[*lab.Namespace][2]*lab.Port{},
	}
	left, right := nstest.LAN(t), nstest.LAN(t)
	nstest.Attach(t, left, p.client, "eth0", "192.0.2.100/24", "2001:db8::100/64")
	serverSide(t, p.servers, right, servers)
	for i, ns := range []*lab.Namespace{p.a, p.b} {
		p.ports[ns] = [2]*lab.Port{
			nstest.Attach(t, left, ns, "eth0", fmt.Sprintf("192.0.2.%d/24", i+1), fmt.Sprintf("2001:db8::%d/64", i+1)),
			nstest.Attach(t, right, ns, "eth1", fmt.Sprintf("10.0.255.%d/16", i+1), fmt.Sprintf("fd00::ff0%d/64", i+1)),
		}
		forward(t, ns)
		if err := ns.Sysctl("net.netfilter.nf_conntrack_tcp_be_liberal", "1"); err != nil {
			t.Fatal(err)
		}
		route(t, ns, "198.18.0.0/16", "192.0.2.100")
		route(t, ns, "2001:db8:1::/64", "2001:db8::100")
		p.fws[ns] = openIn(t, ns)
	}
	p.backend = p.serve(t, servers)
	sources(t, p.client)
	route(t, p.servers, "0.0.0.0/0", "10.0.255.254")
	route(t, p.servers, "::/0", "fd00::ffff")
	p.take(t, p.a)
	return p
}

// take gives a director the addresses, and announces them.
func (p *pair) take(t *testing.T, ns *lab.Namespace) {
	t.Helper()
	for ifname, prefixes := range moving() {
		for _, prefix := range prefixes {
			if err := ns.AddAddr(ifname, prefix); err != nil {
				t.Fatal(err)
			}
		}
	}
	err := ns.Do(func() error {
		s, err := arp.NewSender()
		if err != nil {
			return err
		}
		defer s.Close()
		for ifname, prefixes := range moving() {
			link, err := ns.Netlink().LinkByName(ifname)
			if err != nil {
				return err
			}
			for _, prefix := range prefixes {
				s.Queue(arp.Target{
					Addr: prefix.Addr(), Link: link.Attrs().Index, MAC: [6]byte(link.Attrs().HardwareAddr), Router: true,
				})
			}
		}
		_, err = s.Flush()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (p *pair) leave(t *testing.T, ns *lab.Namespace) {
	t.Helper()
	for ifname, prefixes := range moving() {
		for _, prefix := range prefixes {
			if err := ns.DelAddr(ifname, prefix); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// die makes a director unreachable, as if its machine had gone.
func (p *pair) die(t *testing.T, ns *lab.Namespace) {
	t.Helper()
	for _, port := range p.ports[ns] {
		if err := port.Cut(); err != nil {
			t.Fatal(err)
		}
	}
}

// Two hundred connections, half of them downloads in which the client has nothing
// to send, go through a director that dies, and go on through the other, which
// knows nothing of them but the tables. Then they go back by a planned move.
func TestFailoverKeepsConnections(t *testing.T) {
	const servers = 10
	for _, c := range []struct {
		n                     int
		vip, first, scheduler string
	}{{200, "192.0.2.10:80", "10.0.0.1", mh}, {20, "[2001:db8::10]:80", "fd00::1", sh}} {
		p := newPair(t, servers)
		svc := newTest(lvs.TCP, c.vip, c.scheduler, c.first, equalWeights(servers)...)
		a, b := load(t, p.fws[p.a], svc), load(t, p.fws[p.b], svc)
		if a.Digest(svc.ID) != b.Digest(svc.ID) {
			t.Fatal("digests differ")
		}
		if got := Survival([]lvs.Service{svc}, p.host(t)); len(got) != 0 {
			t.Fatalf("connections should not survive: %v", got)
		}
		flows := make([]*lab.Flow, c.n)
		for i := range flows {
			kind := lab.PingPong
			if i%2 == 1 {
				kind = lab.Download
			}
			flows[i] = startFlow(t, p.client, clientAddr(netip.MustParseAddrPort(c.vip), i), c.vip, kind)
		}
		goOn(t, flows)

		mark(flows)
		p.die(t, p.a)
		p.take(t, p.b)
		p.report(t, c.scheduler+", director died", flows)

		p.leave(t, p.a)
		for _, port := range p.ports[p.a] {
			if err := port.Restore(); err != nil {
				t.Fatal(err)
			}
		}
		mark(flows)
		p.leave(t, p.b)
		p.take(t, p.a)
		p.report(t, c.scheduler+", planned move back", flows)
		counts, err := ReadCounters(p.fws[p.b])
		if err != nil || len(counts) != 1 || counts[0].InPackets == 0 || counts[0].OutPackets == 0 {
			t.Errorf("the other director counted %+v %v, want packets of both directions", counts, err)
		}
	}
}

func mark(flows []*lab.Flow) {
	for _, f := range flows {
		f.Mark()
	}
}

func (p *pair) host(t *testing.T) Host {
	t.Helper()
	var h Host
	err := p.b.Do(func() (err error) {
		h, err = ReadHost()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !h.Forward4 || !h.Forward6 || !h.Loose || !h.Liberal {
		t.Errorf("host: %+v", h)
	}
	return h
}

// report waits until data arrives on all flows, or none has for long, and says
// what became of them.
func (p *pair) report(t *testing.T, what string, flows []*lab.Flow) {
	t.Helper()
	alive := map[lab.FlowKind]int{}
	var stall time.Duration
	deadline := time.Now().Add(10 * time.Second)
	for _, f := range flows {
		for {
			r := f.Result()
			if r.Err == nil && r.Steps > 2 {
				alive[f.Kind()]++
				stall = max(stall, r.Stall)
				break
			}
			if r.Err != nil || time.Now().After(deadline) {
				t.Errorf("%s: %v: %d steps more, %v", what, f, r.Steps, r.Err)
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	t.Logf("%s: of %d connections %d ping-pong and %d downloads go on; longest stall %v",
		what, len(flows), alive[lab.PingPong], alive[lab.Download], stall.Round(time.Millisecond))
}
