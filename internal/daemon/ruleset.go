package daemon

import (
	"sync"

	"hakeep/internal/firewall"
)

// ruleset puts together what goes into the nftables table: the rules of instances,
// which come with a configuration, and those of load balancing, which change with
// the health of servers.
type ruleset struct {
	firewall keeper

	mu        sync.Mutex // held while the kernel is asked, guards what follows
	base      firewall.Rules
	balancing []firewall.Contribution
}

// set replaces the rules of instances.
func (r *ruleset) set(base firewall.Rules) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.base = base
	return r.firewall.Set(r.all())
}

// balance replaces those of load balancing.
func (r *ruleset) balance(c ...firewall.Contribution) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.balancing = c
	return r.firewall.Set(r.all())
}

func (r *ruleset) all() firewall.Rules {
	all := r.base
	all.Contributions = append(all.Contributions[:len(all.Contributions):len(all.Contributions)], r.balancing...)
	return all
}
