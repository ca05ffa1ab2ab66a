//go:build vm

package ipvs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	schema "hakeep/internal/status"
)

// directors is a pair of them between a client and servers, all with NAT:
//
//	client                                  s1 … s4
//	  |.100         a             b           |.11 …
//	==+=============+=============+===        |
//	 192.0.2.0/24 |.1|          |.2|          |
//	              ===+============+===========+===
//	                10.0.0.0/24
//
// The virtual addresses are 192.0.2.10 and, as the servers' gateway, 10.0.0.254.
type directors struct {
	client, a, b *lab.Namespace
	portsA       []*lab.Port
}

const (
	gateway     = "10.0.0.254"
	realServers = 4
	// connections is how many go through the pair, half of them downloads.
	connections = 200
	// pace is the time between two messages of a connection: what the emulated machine
	// manages for all of them with time to spare.
	pace = 200 * time.Millisecond
	// silence is how long a connection may be silent after the takeover until it
	// counts as lost. TCP repeats what is not acknowledged after 0.2, 0.6, 1.4, 3.0 and
	// 6.2 s (RFC 6298, with Linux's minimum of 0.2 s), and the takeover takes about one.
	silence = 4 * time.Second
)

func newDirectors(t *testing.T) *directors {
	t.Helper()
	d := &directors{client: nstest.Host(t, "client"), a: nstest.Host(t, "a"), b: nstest.Host(t, "b")}
	front, back := nstest.LAN(t), nstest.LAN(t)
	nstest.Attach(t, front, d.client, "eth0", "192.0.2.100/24")
	for i, ns := range []*lab.Namespace{d.a, d.b} {
		ports := []*lab.Port{
			nstest.Attach(t, front, ns, "eth0", fmt.Sprintf("192.0.2.%d/24", i+1)),
			nstest.Attach(t, back, ns, "eth1", fmt.Sprintf("10.0.0.%d/24", i+1)),
		}
		if ns == d.a {
			d.portsA = ports
		}
		if err := ns.Sysctl("net.ipv4.ip_forward", "1"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range realServers {
		ns, addr := nstest.Host(t, fmt.Sprint("s", i+1)), fmt.Sprintf("10.0.0.%d", 11+i)
		nstest.Attach(t, back, ns, "eth0", addr+"/24")
		if err := ns.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr(gateway)); err != nil {
			t.Fatal(err)
		}
		if _, err := lab.StartBackend(ns, netip.MustParseAddrPort(addr+":8080")); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// balancer is what TestTakeover wants of hakeep and of keepalived.
type balancer interface {
	WaitState(ctx context.Context, instance, state string) error
	State(instance string) string
	Stop(ctx context.Context) error
}

var (
	_ balancer = (*lab.Hakeep)(nil)
	_ balancer = (*lab.Keepalived)(nil)
)

// contender is a pair of routers with one program.
type contender struct {
	name string
	// backend is hakeep's; keepalived, which has only IPVS, has "".
	backend string
	// sloppy has the kernel's IPVS take up connections in their midst.
	sloppy bool
	// alive is how many connections must go on, -1 if that is only measured.
	alive int
}

// start runs the program on a director.
func (c contender) start(t *testing.T, ns *lab.Namespace, priority int) balancer {
	t.Helper()
	if c.backend == "" {
		var servers []string
		for i := range realServers {
			servers = append(servers, real(fmt.Sprintf("10.0.0.%d", 11+i), 8080))
		}
		return nstest.Keepalived(t, ns, fmt.Sprintf(`global_defs {
    vrrp_version 3
}
vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority %d
    advert_int 0.3
    virtual_ipaddress {
        %v/24
        %s/24 dev eth1
    }
}
`, priority, vip4, gateway)+virtual(fmt.Sprintf("%v %d", vip4, port), "protocol TCP; lvs_method NAT; lvs_sched mh; mh-port", servers...))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `[global_defs]
lvs_backend = %q

[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
priority = %d
advert_int = "300ms"
virtual_ipaddress = ["%v/24", { address = "%s/24", dev = "eth1" }]

[[virtual_server]]
address = "%v:%d"
protocol = "TCP"
lvs_method = "NAT"
lvs_sched = "mh"
mh-port = true
delay_loop = "1s"
`, c.backend, priority, vip4, gateway, vip4, port)
	for i := range realServers {
		fmt.Fprintf(&b, "[[virtual_server.real_server]]\naddress = \"10.0.0.%d:8080\"\n[virtual_server.real_server.TCP_CHECK]\nconnect_timeout = \"2s\"\n", 11+i)
	}
	return nstest.Hakeep(t, ns, b.String())
}

// agree waits until both directors have all servers in their tables, the same way.
func (c contender) agree(t *testing.T, d *directors, onA, onB balancer) {
	t.Helper()
	nstest.Eventually(t, patience, func() error {
		if c.backend == "nftables" {
			a, err := digest(t, onA.(*lab.Hakeep))
			if err != nil {
				return err
			}
			b, err := digest(t, onB.(*lab.Hakeep))
			if err == nil && a != b {
				err = fmt.Errorf("tables %q and %q", a, b)
			}
			return err
		}
		a, live, err := (&serversHost{Namespace: d.a}).saved()
		if err != nil {
			return err
		}
		b, _, err := (&serversHost{Namespace: d.b}).saved()
		if err == nil && (live != realServers || !slices.Equal(a, b)) {
			err = fmt.Errorf("tables %q and %q", a, b)
		}
		return err
	})
}

// digest is that of hakeep's table; an error if servers are missing or connections
// would not go on.
func digest(t *testing.T, h *lab.Hakeep) (string, error) {
	t.Helper()
	out, errs, code, err := h.CLI(nstest.Context(t, patience), "status", "--json")
	if err != nil || code > 1 {
		t.Fatalf("status: exit code %d, %v, %s", code, err, errs)
	}
	var doc schema.Document
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	for _, v := range doc.Balancing.VirtualServers {
		if v.Weight != realServers || len(v.Breaks) > 0 {
			return "", fmt.Errorf("weight %d, want %d; a takeover breaks connections: %q", v.Weight, realServers, v.Breaks)
		}
	}
	if doc.Balancing.Digest == "" {
		return "", errors.New("no table")
	}
	return doc.Balancing.Digest, nil
}

// prepare sets what the kernel needs for connections to go on.
func (c contender) prepare(t *testing.T, d *directors) {
	t.Helper()
	for _, ns := range []*lab.Namespace{d.a, d.b} {
		var key string
		switch {
		case c.backend == "nftables":
			key = "net.netfilter.nf_conntrack_tcp_be_liberal"
			nstest.Run(t, ns, "modprobe", "nf_conntrack") // else there is no such setting
		case c.sloppy:
			key = "net.ipv4.vs.sloppy_tcp"
			nstest.Run(t, ns, "modprobe", "ip_vs")
		default:
			continue
		}
		if err := ns.Sysctl(key, "1"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTakeover: what becomes of connections when the other director takes over, with
// nothing synchronised: after the death of the master's machine, and when it is
// stopped. With hakeep and nftables all go on; the rest is measured beside it.
func TestTakeover(t *testing.T) {
	if !config.BalancingDone {
		t.Skip("hakeep refuses virtual servers")
	}
	for _, c := range []contender{
		{name: "hakeep, nftables", backend: "nftables", alive: connections},
		{name: "keepalived, IPVS", alive: -1},
		{name: "keepalived, IPVS with sloppy_tcp", sloppy: true, alive: -1},
	} {
		for _, planned := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, planned=%v", c.name, planned), func(t *testing.T) { c.takeOver(t, planned) })
		}
	}
}

func (c contender) takeOver(t *testing.T, planned bool) {
	d := newDirectors(t)
	c.prepare(t, d)
	state := func(b balancer, want string) {
		t.Helper()
		if err := b.WaitState(nstest.Context(t, patience), "VI_1", want); err != nil {
			t.Fatal(err)
		}
	}
	onA := c.start(t, d.a, 150)
	state(onA, "MASTER")
	onB := c.start(t, d.b, 100)
	state(onB, "BACKUP")
	c.agree(t, d, onA, onB)
	flows, err := lab.StartFlows(d.client, netip.AddrPortFrom(vip4, port), connections, pace)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(flows.Stop)
	probe, err := lab.StartProbe(d.client, vip4, lab.ProbeOptions{Interval: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { probe.Stop() })
	answers := func() error { return probe.AwaitAnswers(nstest.Context(t, patience), 20) }
	if err := answers(); err != nil {
		t.Fatal(err)
	}
	if all := flows.Survivors(time.Now(), silence); all.Alive() != connections || onA.State("VI_1") != "MASTER" || onB.State("VI_1") != "BACKUP" {
		t.Fatalf("before anything happened: a is %s, b is %s; %v", onA.State("VI_1"), onB.State("VI_1"), all)
	}

	flows.Mark()
	at := probe.Mark("takeover")
	if err := d.end(t, onA, planned); err != nil {
		t.Fatal(err)
	}
	state(onB, "MASTER")
	if err := answers(); err != nil {
		t.Fatal(err)
	}
	limit := silence
	if c.alive >= 0 {
		limit = patience
	}
	all := flows.Survivors(time.Now(), limit)
	var outage time.Duration
	lost := 0
	for _, o := range probe.Stop().Since(at) {
		outage = max(outage, o.Duration())
		lost += o.Lost
	}
	t.Logf("%v; outage of pings %v, %d lost", all, outage.Round(time.Millisecond), lost)
	if c.alive >= 0 && all.Alive() != c.alive {
		t.Errorf("%v, want %d", all, c.alive)
	}
}

// end stops a, or its machine is gone.
func (d *directors) end(t *testing.T, onA balancer, planned bool) error {
	if planned {
		return onA.Stop(nstest.Context(t, patience))
	}
	var errs []error
	for _, p := range d.portsA {
		errs = append(errs, p.Cut())
	}
	return errors.Join(errs...)
}
