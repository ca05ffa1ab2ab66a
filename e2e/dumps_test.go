package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"hakeep/internal/daemon"
	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	hakeepstatus "hakeep/internal/status"
)

// dumpConf is a file for both that has something in most fields of a dump.
const dumpConf = `
global_defs {
` + realtimePeer + `    script_user root
    vrrp_garp_master_refresh 60
    vrrp_higher_prio_send_advert
}
vrrp_script chk {
    script "/bin/sh -c 'exit 0'"
    interval 1
    weight 5
}
vrrp_sync_group G1 {
    group { VI_1 }
    notify "/bin/true group"
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 150
    authentication {
        auth_type PASS
        auth_pass s3cret
    }
    virtual_ipaddress {
        192.0.2.10/24
        192.0.2.11/32 scope link label eth0:1
        192.0.2.12/24 brd +
    }
    virtual_ipaddress_excluded {
        2001:db8::5/64
        2001:db8::6 -nodad
        2001:db8::7/64 preferred_lft 0
    }
    notify_master "/bin/echo master 'x y'"
    notify_backup "/bin/echo backup"
    notify_fault /bin/true
    notify_stop "/bin/true s"
    notify /bin/true
    notify_deleted
}
vrrp_instance VI_2 {
    interface eth0
    version 3
    state BACKUP
    nopreempt
    virtual_router_id 52
    advert_int 0.3
    virtual_ipaddress { 192.0.2.20 }
    dont_track_primary
    track_script { chk }
    garp_lower_prio_repeat 3
    garp_master_delay 2
    promote_secondaries
    no_accept
}
vrrp_instance VI_U {
    interface eth0
    version 3
    virtual_router_id 53
    preempt_delay 2
    unicast_peer { 192.0.2.9 }
    advert_int 0.25
    virtual_ipaddress { 192.0.2.30/24 }
    notify_master_rx_lower_pri "/bin/true l"
}
vrrp_instance VI_F {
    interface eth0
    virtual_router_id 54
    track_interface { eth9 }
    virtual_ipaddress { 192.0.2.40/24 }
}
`

// dumper is a daemon that dumps on signals.
type dumper interface {
	Signal(os.Signal) error
	Dir() string
}

// dump has a daemon write a file anew and returns it.
func dump(t *testing.T, d dumper, sig os.Signal, name string) string {
	t.Helper()
	path := filepath.Join(d.Dir(), name)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err := d.Signal(sig); err != nil {
		t.Fatal(err)
	}
	var text []byte
	nstest.Eventually(t, patience, func() (err error) {
		text, err = os.ReadFile(path)
		if err == nil && (len(text) == 0 || strings.HasSuffix(name, ".json") && !json.Valid(text)) {
			err = fmt.Errorf("%s is not whole yet", path) // keepalived writes in place
		}
		return err
	})
	return string(text)
}

// dumping are hakeep and keepalived with the same file and the same addresses,
// each alone on a link of its own, and master.
func dumping(t *testing.T) (hk *lab.Hakeep, kd *lab.Keepalived) {
	t.Helper()
	nstest.RequireTool(t, "keepalived")
	host := func(name string) *lab.Namespace {
		ns := nstest.Host(t, name)
		nstest.Attach(t, nstest.LAN(t), ns, "eth0", "192.0.2.1/24")
		nstest.Run(t, ns, "ip", "link", "add", "eth9", "type", "veth", "peer", "name", "peer9") // stays down
		return ns
	}
	hk = nstest.Hakeep(t, host("hk"), dumpConf)
	kd = nstest.Keepalived(t, host("kd"), dumpConf)
	for _, d := range []interface {
		WaitState(ctx context.Context, instance, state string) error
	}{hk, kd} {
		for _, name := range []string{"VI_1", "VI_2", "VI_U"} {
			if err := d.WaitState(nstest.Context(t, patience), name, "MASTER"); err != nil {
				t.Fatal(err)
			}
		}
	}
	nstest.Eventually(t, patience, func() error { // one has duplicate address detection
		text := cli(t, hk, 1, "status", "--json") // VI_F is in FAULT
		doc := new(hakeepstatus.Document)
		if err := json.Unmarshal([]byte(text), doc); err != nil {
			return err
		}
		for _, in := range doc.Instances {
			if len(in.Addresses.Missing) > 0 {
				return fmt.Errorf("missing: %v", in.Addresses.Missing)
			}
		}
		return nil
	})
	return hk, kd
}

// jsonDump is .json as a program sees it that knows no field beforehand.
func jsonDump(t *testing.T, d dumper) []map[string]map[string]any {
	t.Helper()
	var out []map[string]map[string]any
	if err := json.Unmarshal([]byte(dump(t, d, daemon.SignalJSON, "keepalived.json")), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// beyond227 are fields of .json that keepalived 2.2.7 does not have and 2.4 has.
var beyond227 = []string{
	"auth_ext_missing", "auth_ext_malformed", "auth_ext_unknown_key", "auth_ext_invalid_hmac", "auth_ext_stale", "auth_ext_replay", "track_process",
}

// volatile are fields whose values differ between two daemons that do the same, and
// why; their types are compared.
var volatile = map[string]string{
	"last_transition": "a time",
	"auth_data":       "2.2.7 shows the password",
	"advert_sent":     "goes on",
}

// TestDumpsAsKeepalived compares the three dumps of hakeep and of keepalived for
// the same file in the same situation.
func TestDumpsAsKeepalived(t *testing.T) {
	t.Parallel()
	hk, kd := dumping(t)
	t.Run("json", func(t *testing.T) {
		ours, theirs := jsonDump(t, hk), jsonDump(t, kd)
		if len(ours) != 4 || len(theirs) != 4 {
			t.Fatalf("%d instances, keepalived has %d", len(ours), len(theirs))
		}
		for i := range ours {
			for _, part := range []string{"data", "stats"} {
				compareFields(t, fmt.Sprint(theirs[i]["data"]["iname"], " ", part), ours[i][part], theirs[i][part])
			}
		}
	})
	t.Run("stats", func(t *testing.T) {
		labels := func(text string) (out []string) {
			for l := range strings.Lines(text) {
				label, _, _ := strings.Cut(l, ": ")
				out = append(out, label)
			}
			return out
		}
		ours, theirs := dump(t, hk, daemon.SignalStats, "keepalived.stats"), dump(t, kd, daemon.SignalStats, "keepalived.stats")
		if !slices.Equal(labels(ours), labels(theirs)) {
			t.Errorf("lines differ:\n%s\nkeepalived:\n%s", ours, theirs)
		}
		// Clearing dumps first; then both count anew.
		for _, d := range []dumper{hk, kd} {
			if text := dump(t, d, daemon.SignalStatsClear, "keepalived.stats"); !strings.Contains(text, "Became master: 1") {
				t.Errorf("cleared before the dump:\n%s", text)
			}
			if text := dump(t, d, daemon.SignalStats, "keepalived.stats"); strings.Contains(text, "Became master: 1") {
				t.Errorf("not cleared:\n%s", text)
			}
		}
	})
	t.Run("data", func(t *testing.T) {
		ours, theirs := dataDump(dump(t, hk, daemon.SignalData, "keepalived.data")), dataDump(dump(t, kd, daemon.SignalData, "keepalived.data"))
		for _, block := range slices.Sorted(maps.Keys(theirs)) {
			if len(ours[block]) == 0 {
				t.Errorf("hakeep has no %q", block)
			}
		}
		for block, lines := range ours {
			for key, value := range lines {
				want, ok := theirs[block][key]
				switch why := ownData[key]; {
				case why != "":
				case !ok:
					t.Errorf("%s: %q is not keepalived's", block, key)
				case want != value:
					t.Errorf("%s: %q is %q, keepalived's %q", block, key, value, want)
				}
			}
		}
	})
}

// compareFields compares fields with their types and values.
func compareFields(t *testing.T, what string, ours, theirs map[string]any) {
	t.Helper()
	for key, want := range theirs {
		got, ok := ours[key]
		if strings.HasPrefix(key, "script") && ok {
			// keepalived resolves symbolic links in the path.
			want, got = strings.ReplaceAll(want.(string), "'/usr/bin/", "'/bin/"), strings.ReplaceAll(got.(string), "'/usr/bin/", "'/bin/")
		}
		switch {
		case !ok:
			t.Errorf("%s: %s is missing; keepalived has %v", what, key, want)
		case reflect.TypeOf(got) != reflect.TypeOf(want):
			t.Errorf("%s: %s is a %T, keepalived's a %T", what, key, got, want)
		case volatile[key] == "" && key != "track_script" && !reflect.DeepEqual(got, want):
			t.Errorf("%s: %s is %v, keepalived's %v", what, key, got, want)
		}
	}
	for key := range ours {
		if _, ok := theirs[key]; !ok && !slices.Contains(beyond227, key) {
			t.Errorf("%s: keepalived has no %s", what, key)
		}
	}
}

// dataDump is .data by block and key; of lists only how often an entry is there.
func dataDump(text string) map[string]map[string]string {
	out := map[string]map[string]string{}
	block := ""
	for l := range strings.Lines(text) {
		line := strings.TrimSpace(l)
		indent := len(l) - len(strings.TrimLeft(l, " "))
		key, value, _ := strings.Cut(line, " = ")
		switch {
		case strings.HasPrefix(l, "------<"):
			block = ""
		case indent == 1 && (strings.HasPrefix(line, "VRRP Instance =") || strings.HasPrefix(line, "VRRP Script =") || strings.HasPrefix(line, "VRRP Sync Group =")):
			block = line
			out[block] = map[string]string{}
		case indent == 5 && block != "":
			out[block]["entry "+line] = "there"
		case block != "" && indent == 3:
			out[block][key] = value
		}
	}
	return out
}

// ownData are keys of .data whose values differ, and why.
var ownData = map[string]string{
	"Last transition":         "a time",
	"Password":                "2.2.7 shows it",
	"Flags: none":             "keepalived has flags that it does not name",
	"Check unicast src : yes": "a deliberate difference",
	"Number of interface and track script faults": "hakeep counts what keeps it in FAULT",
	"Backup state transition script":              "the user in words, links in the path",
	"Master state transition script":              "likewise",
	"Fault state transition script":               "likewise",
	"Stop state transition script":                "likewise",
	"Generic state transition script":             "likewise",
	"Master rx lower pri state transition script": "likewise",
	"Script user": "keepalived prints numbers", "Command": "links in the path", "Timeout": "keepalived prints 0 for the interval",
}

// An exporter is a program that reads keepalived's dumps; the fields are those
// that it looks at, with their JSON types. They are what docs/migrating.md
// promises.
type exporter struct {
	data, stats map[string]any
	// lines are those of the text dumps that it looks for.
	lines []string
}

var counters = map[string]any{
	"advert_rcvd": 0.0, "advert_sent": 0.0, "become_master": 0.0, "release_master": 0.0, "packet_len_err": 0.0, "advert_interval_err": 0.0,
	"ip_ttl_err": 0.0, "invalid_type_rcvd": 0.0, "addr_list_err": 0.0, "invalid_authtype": 0.0, "authtype_mismatch": 0.0, "auth_failure": 0.0,
	"pri_zero_rcvd": 0.0, "pri_zero_sent": 0.0,
}

var statsLines = []string{
	"VRRP Instance: VI_1", "  Advertisements:", "    Received: ", "    Sent: ", "  Became master: ", "  Released master: ", "  Packet Errors:",
	"    Length: ", "    TTL: ", "    Invalid Type: ", "    Advertisement Interval: ", "    Address List: ", "  Authentication Errors:",
	"    Type Mismatch: ", "    Failure: ", "  Priority Zero:",
}

var exporters = map[string]exporter{
	"mehdy/keepalived-exporter": {
		data:  map[string]any{"iname": "", "state": 0.0, "wantstate": 0.0, "ifp_ifname": "", "garp_delay": 0.0, "vrid": 0.0, "vips": []any{}},
		stats: counters,
		lines: append([]string{
			" VRRP Instance = VI_1", "   State = ", "   Wantstate = ", "   Interface = ", "   Gratuitous ARP delay = ", "   Virtual Router ID = ",
			"   Virtual IP (3):", " VRRP Script = chk", "   Status = GOOD", "   State = idle",
		}, statsLines...),
	},
	"gen2brain/keepalived_exporter": {
		data:  map[string]any{"iname": "", "ifp_ifname": "", "last_transition": 0.0, "vrid": 0.0, "state": 0.0, "wantstate": 0.0},
		stats: counters,
		lines: statsLines,
	},
	"checkmk keepalived_vrrp": {data: map[string]any{"iname": "", "state": 0.0, "vips": []any{}}, stats: counters},
	"ncollectd keepalived":    {lines: statsLines},
	"alligator keepalived":    {lines: append([]string{" VRRP Instance = VI_1", "   State = "}, statsLines...)},
	"roxy-wi":                 {lines: []string{"  Became master: "}},
	"textfile collector": {stats: counters, data: map[string]any{
		"iname": "", "state": 0.0, "vrid": 0.0, "ifp_ifname": "", "vmac_ifname": "", "base_priority": 0.0, "effective_priority": 0.0,
		"last_transition": 0.0, "adver_int": 0.0, "version": 0.0, "nopreempt": false,
	}},
	"VyOS show vrrp": {stats: counters, data: map[string]any{
		"iname": "", "ifp_ifname": "", "vrid": 0.0, "state": 0.0, "effective_priority": 0.0, "last_transition": 0.0,
	}},
}

// TestExporters looks for what public exporters read, in keepalived's dumps so that
// the list is right, and in hakeep's.
func TestExporters(t *testing.T) {
	t.Parallel()
	hk, kd := dumping(t)
	for name, d := range map[string]dumper{"hakeep": hk, "keepalived": kd} {
		instance := jsonDump(t, d)[0]
		text := dump(t, d, daemon.SignalData, "keepalived.data") + dump(t, d, daemon.SignalStats, "keepalived.stats")
		for who, e := range exporters {
			for part, fields := range map[string]map[string]any{"data": e.data, "stats": e.stats} {
				for field, want := range fields {
					if got := instance[part][field]; reflect.TypeOf(got) != reflect.TypeOf(want) {
						t.Errorf("%s: %s reads %s.%s: %v, want a %T", name, who, part, field, got, want)
					}
				}
			}
			for _, l := range e.lines {
				if !strings.Contains("\n"+text, "\n"+l) {
					t.Errorf("%s: %s reads %q, which is not there", name, who, l)
				}
			}
		}
		// The first three words of an address are "ADDRESS dev INTERFACE".
		for _, vip := range instance["data"]["vips"].([]any) {
			if w := strings.Fields(vip.(string)); len(w) < 3 || w[1] != "dev" && w[1] != "brd" {
				t.Errorf("%s: address %q", name, vip)
			}
		}
	}
	// An exporter that waits 10 ms reads what was asked for.
	began := time.Now()
	dump(t, hk, daemon.SignalJSON, "keepalived.json")
	t.Logf("a dump takes %v", time.Since(began))
}

// TestStatusFormats: what the command prints is what the signals write.
func TestStatusFormats(t *testing.T) {
	t.Parallel()
	hk, _ := dumping(t)
	for _, name := range []string{"json", "data", "stats", "check"} {
		out, errs, code, err := hk.CLI(nstest.Context(t, patience), "status", "--format", "keepalived-"+name)
		if err != nil || code != 0 || len(out) == 0 || strings.Contains(out, "s3cret") {
			t.Errorf("%s: exit %d, %v %s\n%s", name, code, err, errs, out)
		}
	}
	out, _, _, err := hk.CLI(nstest.Context(t, patience), "status", "--format", "keepalived-json", "--json-version", "2")
	var v2 struct{ VRRP, TrackProcess []any }
	if json.Unmarshal([]byte(out), &v2) != nil || err != nil || len(v2.VRRP) != 4 {
		t.Errorf("version 2: %v\n%s", err, out)
	}
}
