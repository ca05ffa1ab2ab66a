package status

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hakeep/checks"
	"hakeep/internal/config"
	"hakeep/internal/wire"
	"hakeep/lvs"
)

func endpoint(s string) lvs.Endpoint {
	a := netip.MustParseAddrPort(s)
	return lvs.Endpoint{Addr: a.Addr(), Port: a.Port()}
}

// balanced is a router with one virtual server that has lost a server, one that
// runs on its sorry server, and a group.
func balanced() *Input {
	in := pair()
	in.Config = &config.Config{File: "/etc/hakeep.toml"}
	in.Snapshot = &wire.Snapshot{Time: now, PID: 4712, Started: start, Realtime: true}
	in.Daemon = Daemon{Version: "1.2.3", PID: 4711, Started: start, RouterID: "lb1", ConfigFile: "/etc/hakeep.toml", ConfigLoaded: start}
	in.Standby, in.Warnings = nil, nil
	id := func(addr string, port uint16) lvs.ID {
		return lvs.ID{Protocol: lvs.TCP, Addr: netip.MustParseAddr(addr), Port: port, Family: lvs.IPv4}
	}
	server := func(at string, weight int, checks ...string) *lvs.RealServer {
		return &lvs.RealServer{Server: lvs.Server{Endpoint: endpoint(at), Weight: weight, Forward: lvs.Forward{Method: lvs.NAT}}, Checks: checks}
	}
	sorry := server("10.0.0.9:80", 1).Server
	web, tls, mail := id("192.0.2.10", 80), id("192.0.2.10", 443), id("192.0.2.11", 25)
	minute := now.Add(-time.Minute)
	in.Balancing = &BalancingInput{
		Backend: "nftables", Reason: "the kernel has no IPVS", Digest: "0123456789abcdef",
		Pool: []lvs.VirtualStatus{
			{
				Config: &lvs.VirtualServer{
					Name: "192.0.2.10:80/tcp", IDs: []lvs.ID{web}, Attr: lvs.Attr{Scheduler: "mh", Persistence: 6 * time.Minute},
					Quorum: 2, Hysteresis: 1,
				},
				Up: true, Weight: 9, Since: start,
				Servers: []lvs.ServerStatus{
					{Config: server("10.0.0.1:8080", 2, "TCP_CHECK 10.0.0.1:8080 [1]"), Alive: true, Since: start, Weight: 2},
					{
						Config: server("10.0.0.2:8080", 2, "TCP_CHECK 10.0.0.2:8080 [2]", "MISC_CHECK /x [3]"), Since: minute, Weight: 2,
						Why: "TCP_CHECK 10.0.0.2:8080: connection refused", Failed: []string{"TCP_CHECK 10.0.0.2:8080 [2]"},
					},
					{Config: server("10.0.0.3:8080", 2), Alive: true, Since: start, Weight: 7, Hand: lvs.Hand{Weighted: true, Weight: 7}},
					{Config: server("10.0.0.4:8080", 2), Alive: true, Since: start, Hand: lvs.Hand{Drained: true}},
					{Config: server("10.0.0.5:8080", 2), Since: minute, Weight: 2, Why: "disabled by hand", Hand: lvs.Hand{Disabled: true}},
				},
			},
			{
				Config: &lvs.VirtualServer{Name: "192.0.2.11:25/tcp", IDs: []lvs.ID{mail}, Attr: lvs.Attr{Scheduler: "rr"}, Quorum: 1, Sorry: &sorry, Suspend: true},
				Since:  minute, Sorry: true, Suspended: true,
				Servers: []lvs.ServerStatus{{Config: server("10.0.0.1:25", 1, "gone"), Since: minute, Why: "SMTP_CHECK 10.0.0.1:25: 421", Failed: []string{"gone"}, Weight: 1}},
			},
			{
				Config: &lvs.VirtualServer{Name: "group:G/tcp", IDs: []lvs.ID{web, tls}, Attr: lvs.Attr{Scheduler: "wrr"}, Quorum: 1},
				Up:     true, Weight: 1, Since: start,
				Servers: []lvs.ServerStatus{{Config: server("10.0.0.1:0", 1), Alive: true, Since: start, Weight: 1}},
			},
		},
		Checks: []checks.Status{
			{
				Name: "TCP_CHECK 10.0.0.1:8080 [1]", Known: true, Up: true, Since: start, Result: "timeout", LastRun: now.Add(-time.Second),
				Duration: 5 * time.Second, Row: 1, Runs: 600, Failures: 3, Late: 2,
			},
			{
				Name: "TCP_CHECK 10.0.0.2:8080 [2]", Known: true, Since: minute, Result: "connection refused", LastRun: now.Add(-time.Second),
				Duration: time.Millisecond, Runs: 600, Failures: 12,
			},
		},
		Counters: []lvs.ServiceCounters{
			{ID: web, Counters: lvs.Counters{Connections: 40, InPackets: 400, InBytes: 52000, OutPackets: 4000, OutBytes: 6_100_000}, Servers: []lvs.ServerCounters{
				{Server: lvs.Server{Endpoint: endpoint("10.0.0.1:8080")}, Counters: lvs.Counters{Connections: 25, InPackets: 250, InBytes: 30000, OutPackets: 2500, OutBytes: 4_000_000}},
				{Server: lvs.Server{Endpoint: endpoint("10.0.0.1:80")}, Counters: lvs.Counters{Connections: 2}},
			}},
			{ID: tls, Servers: []lvs.ServerCounters{{Server: lvs.Server{Endpoint: endpoint("10.0.0.1:443")}, Counters: lvs.Counters{Connections: 3, InBytes: 999, OutBytes: 3_000_000_000}}}},
		},
		Digests: map[lvs.ID]string{web: "aa", mail: "bb"},
		Breaks:  map[lvs.ID][]string{mail: {"scheduler rr"}, web: {"persistence_timeout"}, tls: {"persistence_timeout"}},
	}
	return in
}

func TestBalancingJSON(t *testing.T) {
	t.Parallel()
	got, err := json.MarshalIndent(Build(balanced()).Balancing, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "balancing.json", append(got, '\n'))
}

func TestBalancingText(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(in *BalancingInput){
		"balancing.txt": nil,
		"balancing-error.txt": func(in *BalancingInput) {
			in.Error, in.Digest, in.Pool, in.Active = "no space left on device", "", in.Pool[2:], true
		},
		"balancing-many.txt": func(in *BalancingInput) {
			for i := range 20 {
				v := in.Pool[2]
				c := *v.Config
				c.Name = fmt.Sprintf("192.0.2.12:%d/tcp", 8000+i)
				v.Config = &c
				in.Pool = append(in.Pool, v)
			}
			one := in.Pool[0].Servers[0]
			for range 20 {
				in.Pool[0].Servers = append(in.Pool[0].Servers, one)
			}
		},
	} {
		in := balanced()
		if change != nil {
			change(in.Balancing)
		}
		var b bytes.Buffer
		if err := Render(&b, Build(in), RenderOptions{}); err != nil {
			t.Fatal(err)
		}
		_, text, ok := strings.Cut(b.String(), "load balancing\n")
		if !ok {
			t.Fatalf("%s: no load balancing in %s", name, b.String())
		}
		golden(t, name, []byte(text))
	}
}
