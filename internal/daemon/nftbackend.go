package daemon

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/firewall"
	"hakeep/internal/status"
	"hakeep/lvs"
	"hakeep/lvs/nft"
)

// nftBackend balances by nftables, in the table that the firewall keeps.
type nftBackend struct {
	rules *ruleset
	// table is where counters are read; nil in tests without a kernel.
	table *firewall.Firewall
	// conns are the connections; nil likewise.
	conns *nft.Conntrack

	mu       sync.Mutex // guards what follows
	tables   *nft.Tables
	services []lvs.Service
	closed   bool
	expire   config.Choice
	// last are the services that were in force last, forgetErr is why connections of
	// servers that are gone were not forgotten.
	last      []lvs.Service
	forgetErr error
}

var _ backend = (*nftBackend)(nil)

func (n *nftBackend) configure(cfg *config.Config) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.expire = cfg.Global.LVS.ExpireNodest
}

func (n *nftBackend) apply(_ context.Context, services []lvs.Service) (time.Duration, error) {
	tables, err := nft.Build(services)
	if err != nil {
		return 0, err
	}
	n.mu.Lock()
	closed := n.closed
	n.mu.Unlock()
	if closed {
		return 0, nil
	}
	err = n.rules.balance(tables.Contribution)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil {
		// What the kernel has is not known; the firewall tries again, too.
		n.tables, n.services = nil, nil
		return 0, err
	}
	n.tables, n.services = tables, services
	n.forgetErr = n.forget(forgotten(nft.Gone(n.last, services), n.expire))
	n.last = services
	return 0, nil
}

// forget removes connections of servers that are gone. The caller holds the mutex.
func (n *nftBackend) forget(gone []nft.Pair) error {
	if len(gone) == 0 || n.conns == nil {
		return nil
	}
	_, err := n.conns.Forget(gone)
	return err
}

// forgotten are the servers whose connections go with them (lvs_expire_nodest_conn).
// Unless something is said they are those of UDP, where a connection is all that a
// client sends from one port and has no end: it would go to the dead server for ever.
// TCP notices, and the connection may be one that the server has not lost.
func forgotten(gone []nft.Pair, expire config.Choice) []nft.Pair {
	switch expire {
	case config.ChoiceOn:
		return gone
	case config.ChoiceOff:
		return nil
	}
	return slices.DeleteFunc(gone, func(p nft.Pair) bool { return p.ID.Protocol != lvs.UDP })
}

// describe tells of the tables that are in force.
func (n *nftBackend) describe(in *status.BalancingInput) {
	n.mu.Lock()
	tables, services := n.tables, n.services
	n.mu.Unlock()
	if tables == nil {
		return
	}
	in.Digest = lvs.Digest(services)
	in.Digests = make(map[lvs.ID]string, len(services))
	for i := range services {
		in.Digests[services[i].ID] = tables.Digest(services[i].ID)
	}
	if host, err := nft.ReadHost(); err == nil {
		in.Breaks = nft.Survival(services, host)
	}
}

func (n *nftBackend) warnings() (out []string) {
	n.mu.Lock()
	tables, services, forgetErr := n.tables, n.services, n.forgetErr
	n.mu.Unlock()
	if forgetErr != nil {
		out = append(out, fmt.Sprintf("load balancing: clients of servers that are gone stay with them until they pause: %v", forgetErr))
	}
	if tables == nil {
		return out
	}
	for _, note := range tables.Notes {
		out = append(out, "load balancing: "+note.String())
	}
	host, err := nft.ReadHost()
	if err != nil {
		return append(out, "load balancing: "+err.Error())
	}
	for _, p := range host.Problems(services) {
		out = append(out, "load balancing: "+p)
	}
	return out
}

func (n *nftBackend) counters(context.Context) ([]lvs.ServiceCounters, error) {
	if n.table == nil {
		return nil, nil
	}
	counts, err := nft.ReadCounters(n.table)
	if err != nil {
		return nil, fmt.Errorf("counters are not known: %w", err)
	}
	all := make([]lvs.ServiceCounters, 0, len(counts))
	for i := range counts {
		c := lvs.ServiceCounters{ID: counts[i].ID, Counters: nftCounters(counts[i].Counts)}
		for _, s := range counts[i].Servers {
			c.Servers = append(c.Servers, lvs.ServerCounters{Server: lvs.Server{Endpoint: s.Endpoint}, Counters: nftCounters(s.Counts)})
		}
		all = append(all, c)
	}
	return all, nil
}

func nftCounters(c nft.Counts) lvs.Counters {
	return lvs.Counters{Connections: c.Connections, InPackets: c.InPackets, InBytes: c.InBytes, OutPackets: c.OutPackets, OutBytes: c.OutBytes}
}

// close removes the rules, or leaves them to the next main.
func (n *nftBackend) close(_ context.Context, remove bool) error {
	n.mu.Lock()
	n.closed = true
	if n.conns != nil {
		n.conns.Close()
		n.conns = nil
	}
	n.mu.Unlock()
	if !remove {
		return nil
	}
	return n.rules.balance()
}
