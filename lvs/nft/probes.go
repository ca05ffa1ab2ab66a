package nft

import (
	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"

	"hakeep/internal/firewall"
	"hakeep/lvs"
)

// Probes keeps packets of this host's sockets with a mark out of connection tracking:
// what they send by the packet's mark, the answers by the socket that they are for,
// since the kernel would take an answer in the middle of a connection for a
// new one. Packets to the services, which are NAT's business, are tracked all the
// same. The kernel needs nft_socket (CONFIG_NFT_SOCKET).
//
// Both chains are before connection tracking (priority raw). Answers to ICMP echo
// requests need no rule: without the request the kernel makes no entry of them.
func Probes(mark uint32, services []lvs.ID) firewall.Contribution {
	var c firewall.Contribution
	sent := firewall.Chain{
		Name: "lb_probes_output", Type: nftables.ChainTypeFilter,
		Hook: *nftables.ChainHookOutput, Priority: *nftables.ChainPriorityRaw,
	}
	marked := exprs{&expr.Cmp{Op: expr.CmpOpEq, Register: r0, Data: binaryutil.NativeEndian.PutUint32(mark)}}
	untracked := exprs{&expr.Notrack{}}
	for _, f := range families() {
		set := firewall.Set{Name: "lb_probes_not" + f.suffix, Key: f.serviceType(), Concat: true}
		for _, id := range services {
			if id.Family == f.Family && id.Mark == 0 {
				set.Elements = append(set.Elements, nftables.SetElement{Key: serviceKey(id.Addr, id.Protocol, id.Port)})
			}
		}
		c.Sets = append(c.Sets, set)
		notService := exprs{&expr.Lookup{SourceRegister: r0, SetName: set.Name, Invert: true}}
		sent.Rules = append(sent.Rules, rule("probe",
			exprs{&expr.Meta{Key: expr.MetaKeyMARK, Register: r0}}, marked, f.match(), f.loadService(false), notService, untracked))
	}
	answers := firewall.Chain{
		Name: "lb_probes_input", Type: nftables.ChainTypeFilter,
		Hook: *nftables.ChainHookPrerouting, Priority: *nftables.ChainPriorityRaw,
		Rules: []firewall.Rule{rule("answer to a probe", exprs{&expr.Socket{Key: expr.SocketKeyMark, Register: r0}}, marked, untracked)},
	}
	c.Chains = []firewall.Chain{sent, answers}
	return c
}
