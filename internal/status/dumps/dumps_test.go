package dumps

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
	"hakeep/internal/status"
	"hakeep/internal/track"
	"hakeep/internal/wire"
)

var rewrite = flag.Bool("rewrite", false, "rewrite golden files")

// golden compares with a file of testdata. Its fields and lines were compared with
// those of keepalived 2.2.7 (e2e.TestDumpsAsKeepalived).
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

const rich = `
[global_defs]
router_id = "lb1"
script_user = "nobody"
smtp_server = "192.0.2.25"
notification_email = ["admin@example.com"]
vrrp_version = 2
[[vrrp_script]]
name = "chk"
script = ["/bin/check", "a b"]
interval = "500ms"
weight = -5
rise = 2
fall = 3
[[track_file]]
name = "tf"
file = "/run/weight"
weight = 2
[[vrrp_track_process]]
name = "web"
process = ["nginx", "-g"]
quorum = 1
quorum_max = 5
param_match = "initial"
weight = -7
terminate_delay = "1.5s"
[[vrrp_sync_group]]
name = "G1"
group = ["VI_1"]
sync_group_tracking_weight = true
notify_master = "/bin/group"
[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
priority = 150
preempt_delay = "2.5s"
garp_master_delay = "1500ms"
authentication = { auth_type = "PASS", auth_pass = "s3cret" }
virtual_ipaddress = ["192.0.2.10/24 brd +", "192.0.2.11 dev eth1 scope link label eth1:x no_track"]
virtual_ipaddress_excluded = ["2001:db8::1/64 dev eth1 -nodad", "2001:db8::2 home"]
track_script = ["chk"]
track_file = ["tf"]
track_process = ["web weight 3"]
track_interface = ["eth1 weight 2 reverse"]
notify = "/bin/any"
notify_master = { command = "/bin/master 'x y'", user = "root" }
notify_deleted = "/bin/deleted"
smtp_alert = true
[[vrrp_instance]]
name = "VI_6"
interface = "eth1"
version = 3
advert_int = "100ms"
virtual_router_id = 52
nopreempt = true
strict_mode = true
virtual_ipaddress = ["fe80::10/64"]
[[vrrp_instance]]
name = "VI_U"
interface = "eth2"
version = 3
virtual_router_id = 53
unicast_src_ip = "198.51.100.2"
unicast_peer = ["198.51.100.3 min_ttl 250"]
virtual_ipaddress = ["198.51.100.77/24"]
dont_track_primary = true
`

func input(t *testing.T) *Input {
	t.Helper()
	cfg, problems := config.Parse("hakeep.toml", []byte(rich))
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	prefix := netip.MustParsePrefix
	since := time.Date(2026, 11, 22, 8, 30, 0, 250_000_000, time.UTC)
	return &Input{
		Version: "1.2.3", Host: "host", Config: cfg,
		Snapshot: &wire.Snapshot{Instances: []wire.InstanceStatus{
			{
				Name: "VI_1", State: "MASTER", Since: since, Priority: 145, Source: netip.MustParseAddr("192.0.2.1"), Interval: time.Second,
				DownInterval: 3414062500, Installed: []netip.Prefix{prefix("192.0.2.10/24"), prefix("2001:db8::2/128")},
				Counters: wire.Counters{
					AdvertsSent: 100, AdvertsReceived: 50, PriorityZeroReceived: 3, PriorityZeroSent: 2, BecameMaster: 2, ReleasedMaster: 1,
					Reasons: map[string]uint64{
						"length": 1, "ttl": 2, "type": 3, "interval-mismatch": 4, "interval": 1, "address-list": 6, "address-count": 1,
						"auth-type": 8, "auth": 9, "checksum": 10, "interval-differs": 11,
					},
				},
			},
			{
				Name: "VI_6", State: "BACKUP", Since: since.Add(time.Minute), Priority: 100, Source: netip.MustParseAddr("fe80::1"),
				Master: netip.MustParseAddr("fe80::2"), MasterPriority: 200, Interval: 250 * time.Millisecond, DownInterval: 902343750,
			},
		}},
		Tracked: []track.Status{
			{Kind: track.KindScript, Name: "chk", State: track.StateFailed},
			{Kind: track.KindFile, Name: "tf", State: track.StateOK, Value: 7},
			{Kind: track.KindProcess, Name: "web", State: track.StateOK, Value: 0},
		},
		Routes: map[string][]string{"VI_1": {"203.0.113.0/24 via 192.0.2.254"}},
		Rules:  map[string][]string{"VI_1": {"from 192.0.2.10 lookup 100"}},
	}
}

func TestGolden(t *testing.T) {
	loc := time.Local
	time.Local = time.UTC
	defer func() { time.Local = loc }()
	in := input(t)
	for version, name := range map[int]string{V1: "v1.json", V2: "v2.json"} {
		text, err := JSON(in, version)
		if err != nil {
			t.Fatal(err)
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, text, "", " "); err != nil {
			t.Fatal(err)
		}
		golden(t, name, indented.Bytes())
	}
	golden(t, "keepalived.stats", Stats(in))
	golden(t, "keepalived.data", Data(in))
	golden(t, "keepalived_check.data", Checks(balanced(t)))
}

// balanced is a virtual server, of which one server is well and another one has not
// been checked yet, and one that the daemon does not have yet.
func balanced(t *testing.T) *Input {
	t.Helper()
	c, problems := config.Parse("t.toml", []byte(`
[[virtual_server]]
address = "192.0.2.10:80"
protocol = "TCP"
lvs_sched = "rr"
lvs_method = "NAT"
alpha = true
quorum_up = ["/bin/up", "a b"]
sorry_server = "192.0.2.30:80"
[[virtual_server.real_server]]
address = "192.0.2.20:80"
weight = 3
[virtual_server.real_server.TCP_CHECK]
[[virtual_server.real_server]]
address = "192.0.2.21:80"
inhibit_on_failure = true
[virtual_server.real_server.TCP_CHECK]
[[virtual_server]]
fwmark = 7
lvs_sched = "sh"
lvs_method = "TUN"
[[virtual_server.real_server]]
address = "192.0.2.20"
`))
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return &Input{Version: "1.2.3", Host: "lb1", Config: c, Snapshot: &wire.Snapshot{}, Balancing: status.Balancing{VirtualServers: []status.VirtualServer{{
		Name: c.VirtualServers[0].Name, Up: true, Servers: []status.RealServer{
			{Address: "192.0.2.20:80", Up: true, Weight: 3, Checks: []status.ServerCheck{{Name: "TCP_CHECK 192.0.2.20:80", State: "ok", Runs: 4}}},
			{Address: "192.0.2.21:80", Checks: []status.ServerCheck{{Name: "TCP_CHECK 192.0.2.21:80", State: "init"}}},
		},
	}}}}
}

func TestNoPassword(t *testing.T) {
	t.Parallel()
	in := input(t)
	text, err := JSON(in, V2)
	if err != nil {
		t.Fatal(err)
	}
	for _, dump := range [][]byte{text, Stats(in), Data(in)} {
		if strings.Contains(string(dump), "s3cret") {
			t.Errorf("the password is in\n%s", dump)
		}
	}
}

func TestJSONVersions(t *testing.T) {
	t.Parallel()
	if text, err := JSON(input(t), 3); err == nil {
		t.Errorf("version 3: %s", text)
	}
	in := &Input{Config: &config.Config{}, Snapshot: &wire.Snapshot{}}
	for version, want := range map[int]string{V1: "[]\n", V2: `{"vrrp":[],"track_process":[]}` + "\n"} {
		if text, err := JSON(in, version); err != nil || string(text) != want {
			t.Errorf("nothing in version %d: %s, %v", version, text, err)
		}
	}
}

// Cleared counters count from there, and a new elector's, which are below, from 0.
func TestBase(t *testing.T) {
	t.Parallel()
	in := input(t)
	in.Base = map[string]wire.Counters{"VI_1": {AdvertsSent: 90, AdvertsReceived: 60, Reasons: map[string]uint64{"ttl": 1, "length": 5}}}
	s := in.views()[0].stats
	if s.sent != 10 || s.received != 50 || s.ttl != 1 || s.length != 1 || s.became != 2 {
		t.Errorf("%+v", s)
	}
}

// The timers of a process run between a change of the number and its effect.
func TestProcessTimers(t *testing.T) {
	t.Parallel()
	in := input(t)
	in.Config.Processes[0].ForkDelay = time.Second
	for _, tt := range []struct {
		n           int
		state       track.State
		fork, ended bool
	}{
		{1, track.StateOK, false, false}, {0, track.StateOK, false, true}, {6, track.StateOK, false, true},
		{0, track.StateFailed, false, false}, {2, track.StateFailed, true, false},
	} {
		in.Tracked[2].Value, in.Tracked[2].State = tt.n, tt.state
		got := in.jsonProcesses()[0]
		if got.ForkDelayTimerRunning != tt.fork || got.TerminateDelayTimerRunning != tt.ended || got.HaveQuorum != (tt.state == track.StateOK) {
			t.Errorf("%+v: %+v", tt, got)
		}
	}
}
