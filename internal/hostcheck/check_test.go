package hostcheck

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables/expr"

	"hakeep/internal/config"
	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

func jump(chain string) rule { return rule{&expr.Verdict{Kind: expr.VerdictJump, Chain: chain}} }

// pair is a configuration with IPv4 over multicast and unicast, and IPv6.
func pair() *config.Config {
	addr := func(dev string, p string) []config.Address {
		return []config.Address{{Prefix: netip.MustParsePrefix(p), Dev: dev}}
	}
	return &config.Config{Global: config.Global{Realtime: true}, Instances: []config.Instance{
		{Name: "VI_1", Interface: "eth0", Family: config.FamilyIPv4, McastDst: netip.MustParseAddr("224.0.0.18"), Addresses: addr("eth0", "192.0.2.10/24")},
		{Name: "VI_2", Interface: "eth0", Family: config.FamilyIPv4, Unicast: true, Addresses: addr("eth0", "192.0.2.11/24")},
		{Name: "VI_6", Interface: "eth0", Family: config.FamilyIPv6, McastDst: netip.MustParseAddr("ff02::12"), Addresses: addr("eth0", "2001:db8::10/64")},
		{Name: "VI_gone", Interface: "eth9", Family: config.FamilyIPv4, McastDst: netip.MustParseAddr("224.0.0.18")},
	}}
}

// about returns the findings of some checks, as texts.
func about(fs []Finding, checks ...string) []string {
	var out []string
	for _, f := range fs {
		for _, c := range checks {
			if f.Check == c {
				out = append(out, f.String())
			}
		}
	}
	return out
}

// host makes a namespace with an interface eth0 and enters it.
func host(t *testing.T, addrs ...string) *lab.Namespace {
	t.Helper()
	ns := nstest.Enter(t)
	nstest.Attach(t, nstest.LAN(t), ns, "eth0", addrs...)
	return ns
}

// load gives rules to nft, which wants a line for each thing.
func load(t *testing.T, ns *lab.Namespace, rules string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rules")
	rules = strings.NewReplacer(";", "\n", " }\n", "\n}\n", "} }", "}\n}").Replace(rules)
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	nstest.Run(t, ns, "nft", "-f", file)
}

func set(t *testing.T, value string, path ...string) {
	t.Helper()
	if err := os.WriteFile(sysctlFile(path...), []byte(value), 0o644); err != nil {
		nstest.SkipOrFail(t, "set sysctl: %v", err)
	}
}

func TestHealthyHost(t *testing.T) {
	host(t, "192.0.2.1/24", "fe80::1/64")
	set(t, "1", "ipv4", "ip_forward")
	set(t, "1", "ipv6", "conf", "all", "forwarding")
	set(t, "0", "ipv4", "conf", "all", "rp_filter")
	set(t, "0", "ipv4", "conf", "eth0", "rp_filter")
	got := about(Check(pair()), "interface", "ip_forward", "rp_filter", "firewall", "promote_secondaries")
	if diff := cmp.Diff([]string(nil), got); diff != "" {
		t.Error(diff)
	}
}

func TestSickHost(t *testing.T) {
	host(t)
	ns := "net.ipv4.conf.eth0"
	set(t, "0", "ipv4", "ip_forward")
	set(t, "0", "ipv6", "conf", "all", "forwarding")
	set(t, "1", "ipv4", "conf", "eth0", "rp_filter")
	set(t, "0", "ipv4", "conf", "all", "rp_filter")
	set(t, "1", "ipv6", "conf", "eth0", "disable_ipv6")
	const advice = "this host does not forward packets, which is right where the virtual addresses are of services on this host, wrong where they are gateways of others"
	want := []string{
		"note: ip_forward: net.ipv4.ip_forward = 0: " + advice,
		"note: ip_forward: net.ipv6.conf.all.forwarding = 0: " + advice,
		"warning: interface: eth0 has no IPv4 address to send adverts from; VI_1 waits in FAULT until it has",
		"warning: rp_filter: the strict reverse path filter is on for eth0: adverts of a router that this host reaches over another interface " +
			"are dropped, which happens with unicast between several networks; " + ns + ".rp_filter = 2 is the loose one",
		"warning: interface: IPv6 is switched off on eth0 (net.ipv6.conf.eth0.disable_ipv6 = 1)",
	}
	if diff := cmp.Diff(want, about(Check(pair()), "interface", "ip_forward", "rp_filter")); diff != "" {
		t.Error(diff)
	}
}

func TestLinkDown(t *testing.T) {
	ns := host(t)
	nstest.Run(t, ns, "ip", "link", "set", "eth0", "down")
	cfg := pair()
	cfg.Instances[1].UnicastSrc = netip.MustParseAddr("192.0.2.1")
	want := []string{
		"warning: interface: eth0 is down; VI_1 waits in FAULT until it is up",
		"warning: interface: eth0 has no IPv4 address to send adverts from; VI_1 waits in FAULT until it has",
		"warning: interface: eth0 is down; VI_6 waits in FAULT until it is up",
		"warning: interface: eth0 has no link-local IPv6 address to send adverts from; VI_6 waits in FAULT until it has",
	}
	if diff := cmp.Diff(want, about(Check(cfg), "interface")); diff != "" {
		t.Error(diff)
	}
}

// TestNoCarrier: the other end of the cable is down.
func TestNoCarrier(t *testing.T) {
	ns := nstest.Enter(t)
	nstest.Run(t, ns, "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far")
	nstest.Run(t, ns, "ip", "link", "set", "eth0", "up", "multicast", "off")
	nstest.Run(t, ns, "ip", "address", "add", "192.0.2.1/24", "dev", "eth0")
	cfg := pair()
	cfg.Instances = cfg.Instances[:1]
	want := []string{
		"warning: interface: eth0 has no carrier; VI_1 waits in FAULT until it has",
		"warning: interface: eth0 does not do multicast; VI_1 needs unicast_peer there",
	}
	if diff := cmp.Diff(want, about(Check(cfg), "interface")); diff != "" {
		t.Error(diff)
	}
}

func TestFirewallFindings(t *testing.T) {
	load(t, host(t, "192.0.2.1/24", "fe80::1/64"), `table inet filter {
		chain input { type filter hook input priority 0; policy drop; ip saddr 192.0.2.2 accept; }
		chain output { type filter hook output priority 0; policy drop; meta l4proto vrrp accept; }
	}`)
	const fix = "accept protocol 112 (vrrp) there, or both routers become master"
	const why = "it drops what it does not accept, and no rule of it names protocol 112"
	want := []string{
		"warning: firewall: chain input of table inet filter may drop adverts that come in over eth0: " + why + "; " + fix,
		"warning: firewall: chain input of table inet filter may drop adverts to 224.0.0.18 that come in over eth0: " + why + "; " + fix,
		"warning: firewall: chain input of table inet filter drops adverts to ff02::12 that come in over eth0: no rule accepts them; " + fix,
		"warning: firewall: chain input of table inet filter may drop adverts to 224.0.0.18 that come in over eth9: " + why + "; " + fix,
	}
	if diff := cmp.Diff(want, about(Check(pair()), "firewall")); diff != "" {
		t.Error(diff)
	}
}

// TestWithoutConfiguration: what every host needs is looked at.
func TestWithoutConfiguration(t *testing.T) {
	nstest.Enter(t)
	for _, f := range Check(nil) {
		switch f.Check {
		case "kernel", "capabilities", "realtime", "users", "ipvs", "firewall":
		default:
			t.Errorf("%v", f)
		}
	}
}

func TestKernel(t *testing.T) {
	t.Parallel()
	for release, want := range map[string]string{
		"6.18.0-amd64": "", "5.18.0": "", "5.15.0-1-generic": "note", "4.18.0-553.el8": "note", "4.17.9": "warning", "3.10.0": "warning", "odd": "note",
	} {
		r := &report{}
		judgeKernel(r, release)
		got := ""
		if len(r.findings) > 0 {
			got = r.findings[0].Severity.String()
		}
		if got != want || len(r.findings) > 1 {
			t.Errorf("%s: %v, want %q", release, r.findings, want)
		}
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		uid  int
		eff  string
		want []string
	}{
		{"root", 0, "000001ffffffffff", nil},
		{"user", 1000, "0000000000000000", []string{"note: capabilities: looked at as user 1000"}},
		{"user with what is needed", 1000, "0000000000807000", nil},
		{"container", 0, "00000000a80425fb", []string{"error: capabilities: CAP_NET_ADMIN", "note: capabilities: CAP_SYS_NICE", "note: capabilities: CAP_IPC_LOCK"}},
		{"nothing", 0, "0", []string{
			"error: capabilities: CAP_NET_ADMIN", "error: capabilities: CAP_NET_RAW", "note: capabilities: CAP_SYS_NICE", "note: capabilities: CAP_IPC_LOCK",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := &report{}
			judgeCapabilities(r, c.uid, "Name:\tx\nCapPrm:\tffffffffffffffff\nCapEff:\t"+c.eff+"\n")
			if len(r.findings) != len(c.want) {
				t.Fatalf("got %v, want %q", r.findings, c.want)
			}
			for i, f := range r.findings {
				if !strings.HasPrefix(f.String(), c.want[i]) {
					t.Errorf("got %v, want %q", f, c.want[i])
				}
			}
		})
	}
}

// TestRealtimeLeavesTheThread: the trial does not make this process real-time.
func TestRealtimeLeavesTheThread(t *testing.T) {
	t.Parallel()
	checkRealtime(&report{})
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%s/stat", task.Name()))
		if err != nil {
			continue // it has ended
		}
		// After the name in brackets: state is field 3, policy field 41 (proc(5)).
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 38 && f[38] != "0" && f[0] != "X" && f[0] != "Z" {
			t.Errorf("thread %s has policy %s", task.Name(), f[38])
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal([]Finding{{Note, "a", "x"}, {Warning, "b", "y"}, {Error, "c", "z"}})
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"severity":"note","check":"a","text":"x"},{"severity":"warning","check":"b","text":"y"},{"severity":"error","check":"c","text":"z"}]`
	if string(got) != want {
		t.Errorf("%s", got)
	}
}
