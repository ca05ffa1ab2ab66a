package config

import (
	"strconv"
	"strings"
	"testing"
)

// TestRules are rules between keys and between instances that are kept: the
// texts have no problems at all, or the one that is named.
func TestRules(t *testing.T) {
	t.Parallel()
	const peers = "unicast_src_ip = \"192.0.2.1\"\nunicast_peer = [\"192.0.2.2\"]\n"
	instance := func(name, rest string) string {
		return "[[vrrp_instance]]\nname = \"" + name + "\"\nvirtual_router_id = 51\n" + rest + "\n"
	}
	onEth0 := func(name, vip, rest string) string {
		return instance(name, "interface = \"eth0\"\nvirtual_ipaddress = [\""+vip+"\"]\n"+rest)
	}
	tests := []struct {
		name string
		text string
		want string // part of the only problem, empty for none
	}{
		{"unicast without interface", instance("a", peers+`virtual_ipaddress = ["192.0.2.10/24 dev eth0"]`), ""},
		{"unicast without interface and source", instance("a", "unicast_peer = [\"192.0.2.2\"]\n"+`virtual_ipaddress = ["192.0.2.10/24 dev eth0"]`), "interface: missing"},
		{"unicast without addresses", instance("a", peers+"no_virtual_ipaddress = true"), ""},
		{"one table instead of an array", strings.Replace(onEth0("a", "192.0.2.10/24", ""), "[[vrrp_instance]]", "[vrrp_instance]", 1), ""},
		{"an inline array", `vrrp_instance = [{ name = "a", virtual_router_id = 1, interface = "eth0", virtual_ipaddress = ["192.0.2.1"] }]`, ""},
		{"same VRID, other family", onEth0("a", "192.0.2.10/24", "") + onEth0("b", "fe80::10/64", ""), ""},
		{"same VRID, other interface", onEth0("a", "192.0.2.10/24", "") + strings.ReplaceAll(onEth0("b", "192.0.2.11/24", ""), "eth0", "eth1"), ""},
		{"same VRID, other group", onEth0("a", "192.0.2.10/24", "") + onEth0("b", "192.0.2.11/24", `mcast_dst_ip = "224.0.0.19"`), ""},
		{"same VRID, unicast beside multicast", onEth0("a", "192.0.2.10/24", "") + onEth0("b", "192.0.2.11/24", peers), ""},
		{"same VRID and source, other peers", onEth0("a", "192.0.2.10/24", peers) + onEth0("b", "192.0.2.11/24", strings.ReplaceAll(peers, "192.0.2.2", "192.0.2.3")), ""},
		{"same VRID and peers, other source", onEth0("a", "192.0.2.10/24", peers) + onEth0("b", "192.0.2.11/24", strings.ReplaceAll(peers, "192.0.2.1", "192.0.2.4")), ""},
		{"same VRID and peers, no source, other interface", onEth0("a", "192.0.2.10/24", `unicast_peer = ["192.0.2.2"]`) + strings.ReplaceAll(onEth0("b", "192.0.2.11/24", `unicast_peer = ["192.0.2.2"]`), "eth0", "eth1"), ""},
		{"same VRID and peers, no source", onEth0("a", "192.0.2.10/24", `unicast_peer = ["192.0.2.2"]`) + onEth0("b", "192.0.2.11/24", `unicast_peer = ["192.0.2.2"]`), "virtual_router_id: 51 is also"},
		{"same address, other interface", onEth0("a", "fe80::10/64", "") + strings.ReplaceAll(onEth0("b", "fe80::10/64", ""), "eth0", "eth1"), ""},
		{"same address on the same interface by dev", onEth0("a", "192.0.2.10/24", "") + strings.ReplaceAll(onEth0("b", "192.0.2.10/24 dev eth0", ""), `interface = "eth0"`, `interface = "eth1"`), "also belongs to instance a"},
		{"owner with its address as source", onEth0("a", "192.0.2.1/24", peers+"priority = 255"), ""},
		{"IPv6 with the global version 2", "global_defs = { vrrp_version = 2 }\n" + onEth0("a", "fe80::10/64", ""), ""},
		{"IPv6 with a global address first", onEth0("a", "2001:db8::10/64", ""), "the first IPv6 address should be link-local"},
		{"IPv6 source decides the family", instance("a", "interface = \"eth0\"\nno_virtual_ipaddress = true\nmcast_src_ip = \"fe80::1\""), ""},
		{"IPv6 peer decides the family", instance("a", "interface = \"eth0\"\nno_virtual_ipaddress = true\nunicast_peer = [\"fe80::2\"]"), ""},
		{"strict with an empty list", instance("a", "interface = \"eth0\"\nvirtual_ipaddress = []\nno_virtual_ipaddress = true\nstrict_mode = true\naccept = true"), "strict mode needs at least one virtual address"},
		{"strict without saying accept", onEth0("a", "192.0.2.10/24", "strict_mode = true"), "will not answer, not even to ping"},
		{"strict with accept", onEth0("a", "192.0.2.10/24", "strict_mode = true\naccept = true"), ""},
		{"strict with no_accept", onEth0("a", "192.0.2.10/24", "strict_mode = true\nno_accept = true"), ""},
		{"owner with preempt_delay", onEth0("a", "192.0.2.10/24", "priority = 255\npreempt_delay = \"5s\""), "priority 255: the address owner takes over at once"},
		{"slow announcements of one address", "global_defs = { vrrp_garp_interval = \"10s\" }\n" + onEth0("a", "192.0.2.10/24", ""), ""},
		{"bad interface is said once", strings.Replace(onEth0("a", "192.0.2.10/24", ""), `"eth0"`, `"eth/0"`, 1), "cannot be the name of an interface"},
		{"misspelled required key is said once", strings.Replace(onEth0("a", "192.0.2.10/24", ""), "virtual_router_id", "virtual_routerid", 1), "did you mean virtual_router_id?"},
		{"an empty file", "", "nothing to do"},
		{"only comments", "# nothing\n", "nothing to do"},
		{"byte order mark", "\ufeff" + onEth0("a", "192.0.2.10/24", ""), ""},
		{"carriage returns", strings.ReplaceAll(onEth0("a", "192.0.2.10/24", ""), "\n", "\r\n"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, problems := Parse("f", []byte(tt.text))
			switch {
			case tt.want == "" && len(problems) > 0:
				t.Errorf("problems:\n%s", problems)
			case tt.want != "" && (len(problems) != 1 || !strings.Contains(problems[0].Message+problems[0].String(), tt.want)):
				t.Errorf("problems:\n%s\nwant one with %q", problems, tt.want)
			}
		})
	}
}

// TestLimit counts the addresses that fit into an advert of 1500 bytes.
func TestLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		first string
		count int
		want  int
	}{{"10.0.%d.1", 255, 255}, {"10.0.%d.1", 256, 255}, {"fe80::1:%d", 89, 89}, {"fe80::1:%d", 100, 89}} {
		var list []string
		for i := range tt.count {
			list = append(list, strconv.Quote(strings.Replace(tt.first, "%d", strconv.Itoa(i), 1)))
		}
		cfg, problems := Parse("f", []byte(base("", `virtual_ipaddress_excluded = ["192.0.2.1"]`, "virtual_ipaddress = ["+strings.Join(list, ",")+"]")))
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		in := cfg.Instances[0]
		if len(in.Addresses) != tt.want || len(in.Excluded) != tt.count-tt.want+1 {
			t.Errorf("%d of %s: %d advertised, %d excluded", tt.count, tt.first, len(in.Addresses), len(in.Excluded))
		}
		if last := in.Excluded[len(in.Excluded)-1]; last != addr4("192.0.2.1/32") {
			t.Errorf("the last excluded address is %v", last)
		}
	}
}

func TestSuggestions(t *testing.T) {
	t.Parallel()
	s := newSchema()
	for _, tt := range []struct {
		block Block
		key   string
		want  string
	}{
		{BlockInstance, "prioritty", "priority"},
		{BlockInstance, "priortiy", "priority"},
		{BlockInstance, "virtual-router-id", "virtual_router_id"},
		{BlockInstance, "VirtualRouterID", "virtual_router_id"},
		{BlockInstance, "virtual_ipaddresses", "virtual_ipaddress"},
		{BlockInstance, "no_preempt", "nopreempt"},
		{BlockInstance, "advert_interval", "advert_int"},
		{BlockInstance, "track_scripts", "track_script"},
		{BlockInstance, "x", ""},
		{BlockInstance, strings.Repeat("priority", 100), ""},
		{BlockRoot, "vrrp_instances", "vrrp_instance"},
		{BlockRoot, "global-defs", "global_defs"},
		{BlockGlobal, "vrrp_vesion", "vrrp_version"},
		{BlockPeer, "min-ttl", "min_ttl"},
	} {
		if got := s.nearest(tt.block, tt.key); got != tt.want {
			t.Errorf("%s: nearest is %q, want %q", tt.key, got, tt.want)
		}
	}
}
