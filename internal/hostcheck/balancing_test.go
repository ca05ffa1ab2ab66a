package hostcheck

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakeep/internal/config"
)

// TestBalancing are hosts that cannot balance what is configured.
func TestBalancing(t *testing.T) {
	t.Parallel()
	const (
		noIPVS = "this kernel (6.1.0) shows no IPVS, neither loaded nor as a module"
		mh     = "[[virtual_server]]\naddress = \"192.0.2.10:80\"\nprotocol = \"TCP\"\nlvs_sched = \"mh\"\n[[virtual_server.real_server]]\naddress = \"10.0.0.11\"\n"
		mh6    = "[[virtual_server]]\naddress = \"[2001:db8::10]:80\"\nprotocol = \"TCP\"\nlvs_sched = \"mh\"\n[[virtual_server.real_server]]\naddress = \"2001:db8::11\"\n"
		dr     = "[[virtual_server]]\naddress = \"192.0.2.10:80\"\nprotocol = \"TCP\"\nlvs_method = \"DR\"\n[[virtual_server.real_server]]\naddress = \"10.0.0.11\"\n"
		again  = "[[virtual_server]]\naddress = \"192.0.2.11:80\"\nprotocol = \"TCP\"\nlvs_sched = \"rr\"\n[[virtual_server.real_server]]\naddress = \"10.0.0.11\"\n"
		nft    = "[global_defs]\nlvs_backend = \"nftables\"\n"
	)
	fine := balancer{release: "6.1.0", ipvs: true, forward4: true, forward6: true, connections: 262144, loose: true, liberal: true}
	with := func(change func(b *balancer)) balancer {
		b := fine
		change(&b)
		return b
	}
	bare := with(func(b *balancer) { b.ipvs = false })
	for _, tt := range []struct {
		name string
		host balancer
		text string
		want []string
	}{
		{"nothing to balance", fine, "", nil},
		{"nothing to balance, no IPVS", bare, "", []string{"note: ipvs: " + noIPVS + "; load balancing by IPVS is not possible"}},
		{"IPVS for DR", fine, dr, nil},
		{"no IPVS for DR", bare, dr, []string{"warning: ipvs: " + noIPVS + ", but the configuration needs it (192.0.2.10:80/tcp: lvs_method DR needs IPVS): hakeep will not start with it"}},
		{"no IPVS where it is asked for", bare, "[global_defs]\nlvs_backend = \"ipvs\"\n" + mh, []string{"warning: ipvs: " + noIPVS + ", but the configuration needs it (lvs_backend says so): hakeep will not start with it"}},
		{"no IPVS for what both do", bare, mh, []string{"note: ipvs: " + noIPVS + ", so load balancing is done by nftables (lvs_backend)"}},
		{"no IPVS, and a shared server", bare, mh + again, []string{
			"note: ipvs: " + noIPVS + ", so load balancing is done by nftables (lvs_backend)",
			"note: takeover: 192.0.2.10:80/tcp: connections do not survive a takeover: server 10.0.0.11:80 is also one of 192.0.2.11:80/tcp: its packets do not tell which of the two a client asked",
		}},
		{"no IPVS where nftables is asked for", bare, nft + mh, nil},
		{"does not forward, DR", with(func(b *balancer) { b.forward4 = false }), dr, nil},
		{"does not forward", with(func(b *balancer) { b.forward4 = false }), mh, []string{
			"warning: ip_forward: net.ipv4.ip_forward = 0: nothing gets from clients to the servers of 192.0.2.10:80/tcp and back; set it to 1",
		}},
		{"forwards the other family only", with(func(b *balancer) { b.forward6 = false }), mh, nil},
		{"does not forward IPv6", with(func(b *balancer) { b.forward6 = false }), mh6, []string{
			"warning: ip_forward: net.ipv6.conf.all.forwarding = 0: nothing gets from clients to the servers of [2001:db8::10]:80/tcp and back; set it to 1",
		}},
		{"few connections", with(func(b *balancer) { b.connections = 8192 }), nft + mh, []string{
			"warning: conntrack: net.netfilter.nf_conntrack_max = 8192: with more connections than that at a time, of which closed ones count for two more minutes, the kernel drops new ones; 262144 takes some 80 MB of memory",
		}},
		{"few connections, IPVS has its own table", with(func(b *balancer) { b.connections = 8192 }), dr, nil},
		{"not loose", with(func(b *balancer) { b.loose = false }), nft + mh, []string{
			"warning: conntrack: net.netfilter.nf_conntrack_tcp_loose = 0: connections of 192.0.2.10:80/tcp do not survive a takeover, because this host does not take them up in the middle; set it to 1",
		}},
		{"not liberal", with(func(b *balancer) { b.liberal = false }), nft + mh, []string{
			"warning: conntrack: net.netfilter.nf_conntrack_tcp_be_liberal = 0: connections of 192.0.2.10:80/tcp go over to another router, but do not come back to one that still remembers them; " +
				"on both routers: sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=1",
		}},
		{"not liberal, but nothing that would survive", with(func(b *balancer) { b.liberal = false }), nft + again, nil},
		{"not loose, but nothing that would survive", with(func(b *balancer) { b.loose = false }), nft + again, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg, problems := config.Parse("f", []byte(tt.text))
			if cfg == nil {
				t.Fatal(problems)
			}
			r := &report{}
			tt.host.judge(r, cfg)
			var got []string
			for _, f := range r.findings {
				got = append(got, f.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
