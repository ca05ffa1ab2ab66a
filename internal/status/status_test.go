package status

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakeep/internal/config"
	"hakeep/internal/wire"
	"hakeep/vrrp"
)

var rewrite = flag.Bool("rewrite", false, "rewrite golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

var (
	now   = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)
	start = now.Add(-26 * time.Hour)
)

func prefixes(s ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(s))
	for i := range s {
		out[i] = netip.MustParsePrefix(s[i])
	}
	return out
}

// pair is a router with a master, a backup, an instance in fault and one that
// the elector does not know yet.
func pair() *Input {
	addr := netip.MustParseAddr
	on := func(dev string, ps ...string) []config.Address {
		var out []config.Address
		for _, p := range prefixes(ps...) {
			out = append(out, config.Address{Prefix: p, Dev: dev})
		}
		return out
	}
	cfg := &config.Config{File: "/etc/hakeep.toml", Instances: []config.Instance{
		{
			Name: "VI_1", Interface: "eth0", VRID: 51, Family: config.FamilyIPv4, Version: 3, Priority: 150, AdvertInt: time.Second,
			McastDst:  addr("224.0.0.18"),
			Addresses: on("eth0", "192.0.2.10/24", "192.0.2.11/24"), Excluded: on("eth1", "198.51.100.1/24"),
		},
		{
			Name: "VI_6", Interface: "eth0", VRID: 51, Family: config.FamilyIPv6, Version: 3, Priority: 100, AdvertInt: 100 * time.Millisecond,
			McastDst: addr("ff02::12"), Addresses: on("eth0", "2001:db8::10/64"),
		},
		{
			Name: "VI_U", Interface: "eth2", VRID: 7, Family: config.FamilyIPv4, Version: 2, Priority: 255, AdvertInt: time.Second,
			Unicast: true, UnicastPeers: []config.Peer{{Addr: addr("203.0.113.2")}}, Addresses: on("eth2", "203.0.113.9/32"),
		},
		{Name: "VI_new", Interface: "eth0", VRID: 8, Family: config.FamilyIPv4, Version: 3, Priority: 100, AdvertInt: time.Second, McastDst: addr("224.0.0.18")},
	}}
	snap := &wire.Snapshot{
		Time: now, PID: 4712, Started: start.Add(time.Second), Realtime: false,
		RealtimeReason: "not permitted: CAP_SYS_NICE is missing",
		Relieved:       3,
		Lateness:       wire.Lateness{Count: 1000, P50: 31 * time.Microsecond, P99: 210 * time.Microsecond, Max: 1500 * time.Microsecond},
		Takeovers: wire.Takeovers{
			Timer:     wire.Lateness{Count: 3, P50: 40 * time.Microsecond, P99: 60 * time.Microsecond, Max: 60 * time.Microsecond},
			Advert:    wire.Lateness{Count: 3, P50: 90 * time.Microsecond, P99: 120 * time.Microsecond, Max: 120 * time.Microsecond},
			Addresses: wire.Lateness{Count: 2, P50: 700 * time.Microsecond, P99: 900 * time.Microsecond, Max: 900 * time.Microsecond},
			Announced: wire.Lateness{Count: 2, P50: 800 * time.Microsecond, P99: 1100 * time.Microsecond, Max: 1100 * time.Microsecond},
		},
		Sockets: wire.SocketStatus{Sent: 1010, Received: 2020, Dropped: 3},
		Links:   []wire.LinkDiscards{{Interface: "eth0", Reasons: map[string]uint64{"vrid": 12, "foreign": 2}}},
		Instances: []wire.InstanceStatus{
			{
				Name: "VI_1", State: "MASTER", Since: now.Add(-time.Hour), Cause: "master-timeout", Priority: 150, Source: addr("192.0.2.1"),
				Interval: time.Second, DownInterval: 3414062500, Skew: 414062500,
				Installed: prefixes("192.0.2.10/24", "198.51.100.1/24"), Missing: prefixes("192.0.2.11/24"),
				Counters: wire.Counters{
					AdvertsSent: 3600, AdvertsReceived: 4, PriorityZeroReceived: 1, BecameMaster: 2, ReleasedMaster: 1,
					Reasons: map[string]uint64{"ttl": 3, "address-list": 4},
				},
				Peers:        []wire.Peer{{Addr: addr("192.0.2.2"), Priority: 100, Interval: time.Second, LastSeen: now.Add(-time.Hour), Adverts: 4}},
				DoubleMaster: 1, DoubleMasterSeconds: 0.75,
				Conflicts: []wire.Conflict{
					{Addr: addr("192.0.2.10"), MAC: "02:00:00:00:00:07", By: "ARP", Count: 5, LastSeen: now.Add(-time.Minute)},
					{Addr: addr("192.0.2.1"), MAC: "02:00:00:00:00:08", By: "VRRP advert", Count: 1, LastSeen: now.Add(-time.Hour)},
				},
			},
			{
				Name: "VI_6", State: "BACKUP", Since: start, Cause: "startup", Priority: 100, Source: addr("fe80::1"),
				Master: addr("fe80::2"), MasterPriority: 150, Interval: 10 * time.Millisecond, DownInterval: 36 * time.Millisecond, Skew: 6 * time.Millisecond,
				Peers: []wire.Peer{{Addr: addr("fe80::2"), Priority: 150, Interval: 10 * time.Millisecond, LastSeen: now.Add(-2 * time.Millisecond), Adverts: 99}},
			},
			{
				Name: "VI_U", State: "FAULT", Since: now.Add(-5 * time.Second), Cause: "interface-down", Priority: 255,
				Faults: []string{"interface-missing", "no-primary-ip-address"}, Interval: time.Second, DownInterval: 3 * time.Second,
			},
		},
	}
	return &Input{
		Now: now, Config: cfg, Snapshot: snap, Starts: 2,
		Daemon: Daemon{
			Version: "1.2.3", PID: 4711, Started: start, RouterID: "lb1", ConfigFile: "/etc/hakeep.toml", RuntimeDir: "/run/hakeep",
			ConfigLoaded: now.Add(-time.Hour), Reloads: 1, ReloadsRefused: 1,
			LastReload: &Reload{Time: now.Add(-time.Minute), Problems: Problems(config.Problems{
				{File: "/etc/hakeep.toml", Line: 12, Key: "vrrp_instance.VI_1.priority", Message: "300 is not allowed", Severity: config.Error},
				{File: "/etc/hakeep.toml", Line: 14, Message: "world-readable", Severity: config.Warning},
			})},
		},
		Warnings: []string{"VI_U: interface eth2 does not exist"},
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	got, err := json.MarshalIndent(Build(pair()), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "status.json", append(got, '\n'))
}

func TestRender(t *testing.T) {
	t.Parallel()
	down := pair()
	down.Snapshot, down.Problem = nil, "no answer within 2s"
	many := pair()
	many.Snapshot.Instances[2].State, many.Snapshot.Instances[2].Faults = "BACKUP", nil
	many.Snapshot.Realtime = true
	many.Config.Instances = append(many.Config.Instances, many.Config.Instances[3])
	many.Config.Instances[4].Name = "VI_other"
	many.Daemon.LastReload = nil
	tests := []struct {
		file string
		doc  *Document
		opts RenderOptions
	}{
		{"status.txt", Build(pair()), RenderOptions{}},
		{"status-color.txt", Build(pair()), RenderOptions{Color: true}},
		{"status-one.txt", Build(pair()).Only("VI_6"), RenderOptions{Details: true}},
		{"status-down.txt", Build(down), RenderOptions{}},
		{"status-many.txt", Build(many), RenderOptions{}},
		{"status-empty.txt", Build(&Input{Now: now, Config: &config.Config{}, Snapshot: &wire.Snapshot{}}), RenderOptions{}},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := Render(&b, tt.doc, tt.opts); err != nil {
				t.Fatal(err)
			}
			golden(t, tt.file, b.Bytes())
			if !tt.opts.Color && strings.Contains(b.String(), "\x1b") {
				t.Error("colours without a terminal")
			}
		})
	}
}

func TestOK(t *testing.T) {
	t.Parallel()
	healthy := func() *Input {
		in := pair()
		in.Config.Instances = in.Config.Instances[:2]
		return in
	}
	tests := []struct {
		name string
		in   func() *Input
		only string
		want bool
	}{
		{"all well", healthy, "", true},
		{"one in fault", pair, "", false},
		{"only one that is well", pair, "VI_1", true},
		{"only the one in fault", pair, "VI_U", false},
		{"elector does not answer", func() *Input { in := healthy(); in.Snapshot = nil; return in }, "", false},
		{"no instances", func() *Input { return &Input{Config: &config.Config{}, Snapshot: &wire.Snapshot{}} }, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := Build(tt.in())
			if tt.only != "" {
				d = d.Only(tt.only)
			}
			if d.OK != tt.want || d.Fault() == tt.want {
				t.Errorf("OK is %v, want %v", d.OK, tt.want)
			}
		})
	}
	if Build(pair()).Only("nobody") != nil {
		t.Error("found an instance that does not exist")
	}
}

func TestEventText(t *testing.T) {
	t.Parallel()
	peer := netip.MustParseAddr("192.0.2.2")
	tests := []struct {
		name string
		ev   Event
		want string
	}{
		{
			"transition", FromElector(&wire.Event{Kind: wire.EventTransition, Instance: "VI_1", From: "BACKUP", To: "MASTER", Cause: "master-timeout", Priority: 150}),
			"VI_1: BACKUP -> MASTER (master-timeout), priority 150",
		},
		{
			"notice", FromElector(&wire.Event{Kind: wire.EventNotice, Level: "warn", Interface: "eth0", Reason: "ttl", Count: 3, Peer: peer, Lost: 2}),
			"(2 events lost before) warn: eth0: 3 x ttl from 192.0.2.2: " + Explain("ttl"),
		},
		{
			"lower", FromElector(&wire.Event{Kind: wire.EventLowerPriority, Level: "warn", Instance: "VI_1", Peer: peer}),
			"warn: VI_1: master of lower priority heard from 192.0.2.2",
		},
		{
			"group", FromElector(&wire.Event{Kind: wire.EventGroup, Group: "G", From: "BACKUP", To: "MASTER"}),
			"sync group G: BACKUP -> MASTER",
		},
		{
			"priority", FromElector(&wire.Event{Kind: wire.EventPriority, Instance: "VI_1", To: "BACKUP", Priority: 80}),
			"VI_1: priority 80 in BACKUP",
		},
		{"address", FromElector(&wire.Event{Kind: wire.EventAddress, Level: "error", Instance: "VI_1", Text: "192.0.2.10/24: gone"}), "error: VI_1: address: 192.0.2.10/24: gone"},
		{"main's own", Event{Kind: KindReload, Level: "info", Text: "1 added"}, "reload: 1 added"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.ev.String(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestReloadSummary(t *testing.T) {
	t.Parallel()
	bad := Problem{Severity: "error"}
	tests := []struct {
		name string
		r    Reload
		want string
	}{
		{"done", Reload{OK: true, Added: []string{"a"}, Unchanged: 997, Changed: []string{"b", "c"}}, "1 added, 2 changed, 0 removed, 997 unchanged"},
		{"one error", Reload{Problems: []Problem{bad, {Severity: "warning"}}}, "the configuration has an error"},
		{"errors", Reload{Problems: []Problem{bad, bad}}, "the configuration has 2 errors"},
		{"other", Reload{Error: "read: no such file", Problems: []Problem{bad}}, "read: no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.r.Summary(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Every reason of a packet is explained.
func TestExplain(t *testing.T) {
	t.Parallel()
	for r := vrrp.ReasonNone + 1; r < vrrp.NumReasons; r++ {
		if Explain(r.String()) == "" {
			t.Errorf("%s is not explained", r)
		}
	}
	if got := Explain("nonsense"); got != "" {
		t.Errorf("got %q", got)
	}
}

// TestStandbyShows: what is held back is marked, and without a master after the
// time that one has to be heard it is shouted.
func TestStandbyShows(t *testing.T) {
	t.Parallel()
	build := func(change func(*wire.InstanceStatus)) *Document {
		in := pair()
		in.Standby = map[string]Standby{"VI_6": {Since: now.Add(-time.Hour), Until: now.Add(time.Hour), Persist: true}}
		for i := range in.Snapshot.Instances {
			if s := &in.Snapshot.Instances[i]; s.Name == "VI_6" {
				s.Standby = true
				change(s)
			} else {
				s.State, s.Faults = "BACKUP", nil
			}
		}
		in.Config.Instances = in.Config.Instances[:2]
		return Build(in)
	}
	render := func(d *Document) string {
		var b bytes.Buffer
		if err := Render(&b, d, RenderOptions{}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	d := build(func(*wire.InstanceStatus) {})
	if text := render(d); !d.OK || d.Instance("VI_6").Orphaned() || !strings.Contains(text, "BACKUP (standby)") ||
		!strings.Contains(text, "also through restarts") {
		t.Errorf("with a master: %v\n%s", d.OK, text)
	}
	alone := func(s *wire.InstanceStatus) {
		s.Master, s.Since, s.DownInterval = netip.Addr{}, now.Add(-time.Minute), time.Second
	}
	d = build(alone)
	if text := render(d); d.OK || !strings.Contains(text, NoMaster("VI_6")) || !strings.Contains(text, "; no master is heard") {
		t.Errorf("without a master: %v\n%s", d.OK, text)
	}
	d = build(func(s *wire.InstanceStatus) { alone(s); s.DownInterval = time.Hour })
	if !d.OK {
		t.Error("a master may still be heard")
	}
}
