package nft

import (
	"strings"
	"testing"

	"hakeep/internal/firewall"
	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	"hakeep/lvs"
)

// openIn opens the firewall of a namespace; it is closed with the test.
func openIn(t *testing.T, ns *lab.Namespace) *firewall.Firewall {
	t.Helper()
	var fw *firewall.Firewall
	err := ns.Do(func() (err error) {
		fw, err = firewall.Open(firewall.Options{Table: "hakeep"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fw.Close(false) })
	return fw
}

// load puts the services into the namespace's table.
func load(t *testing.T, fw *firewall.Firewall, services ...lvs.Service) *Tables {
	t.Helper()
	tables, err := Build(services)
	if err != nil {
		t.Fatal(err)
	}
	if err := fw.Set(firewall.Rules{Contributions: []firewall.Contribution{tables.Contribution}}); err != nil {
		t.Fatal(err)
	}
	return tables
}

// The kernel takes every kind of service, and nft can list what it took: a listing
// that fails would be the administrator's problem.
func TestKernelLoadsAndLists(t *testing.T) {
	ns := nstest.Host(t, "a")
	fw := openIn(t, ns)
	load(t, fw, mixed()...)
	text := nstest.Run(t, ns, "nft", "list", "ruleset")
	for _, want := range []string{
		"fib daddr type local jump lb ",
		"ip daddr . meta l4proto . th dport vmap @lb_services4",
		"dnat ip to numgen inc mod 3 map @lb_tcp_192.0.2.10_80_slots",
		"dnat ip to numgen random mod 6 map @lb_sctp_192.0.2.11_80_ranges_",
		"jhash",
		"192.0.2.10 . tcp . 80 . 10.0.0.4 . 80 counter packets 0 bytes 0",
		"255.255.255.0 == @lb_tcp_192.0.2.14_80_to_10.0.4.1_80",
		"update @lb_tcp_192.0.2.14_80_to_10.0.4.1_80 { ip saddr & 255.255.255.0 timeout 5m }",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	services := mixed()
	for i := range services {
		services[i].Servers = services[i].Servers[1:]
		services[i].Masquerade = !services[i].Masquerade
	}
	load(t, fw, services...)
	load(t, fw, services[:2]...)
	load(t, fw)
	if text := nstest.Run(t, ns, "nft", "list", "ruleset"); text != "" {
		t.Errorf("left behind: %s", text)
	}
}
