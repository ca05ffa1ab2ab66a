package daemon

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/firewall"
	"hakeep/lvs"
	"hakeep/lvs/nft"
)

// balancePatience bounds the wait for the kernel at a start and at a reload: the
// services should be there before the addresses are, but failover does not depend
// on them.
const balancePatience = 10 * time.Second

// newBalancer makes the daemon's load balancing.
func (d *daemon) newBalancer() *balancer {
	b := newBalancer(d.log, filepath.Join(d.opts.RuntimeDir, balanceName), d.tracker)
	b.tell, b.remember = d.notifier.NotifyServer, d.history.add
	b.ipvsHere, b.local = kernelHasIPVS, localAddresses
	b.open = func(cfg *config.Config, kind config.Backend, owned []lvs.ID) (backend, error) {
		if kind == config.BackendIPVS {
			return newIPVSBackend(cfg, owned)
		}
		table, _ := d.firewall.(*firewall.Firewall)
		conns, err := nft.OpenConntrack()
		if err != nil {
			d.log.Warn("connections of servers that are gone are not forgotten", "err", err)
		}
		return &nftBackend{rules: d.rules, table: table, conns: conns}, nil
	}
	b.load()
	return b
}

// awaitBalancing waits until the kernel has the services, for a while. What it says
// is a warning: they are tried again all the time, and status says so.
func (d *daemon) awaitBalancing(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, balancePatience, fmt.Errorf("not within %v", balancePatience))
	defer cancel()
	if err := d.balancer.await(ctx); err != nil {
		return fmt.Errorf("load balancing: %w", err)
	}
	return nil
}

// serverChanges says which virtual servers a reload adds, changes and removes.
func serverChanges(before, after *config.Config) (added, changed, removed []string, unchanged int) {
	old := make(map[string]*config.VirtualServer, len(before.VirtualServers))
	for i := range before.VirtualServers {
		old[before.VirtualServers[i].Name] = &before.VirtualServers[i]
	}
	for i := range after.VirtualServers {
		v := &after.VirtualServers[i]
		switch was := old[v.Name]; {
		case was == nil:
			added = append(added, v.Name)
		case sameVirtual(was, v):
			unchanged++
		default:
			changed = append(changed, v.Name)
		}
		delete(old, v.Name)
	}
	for i := range before.VirtualServers {
		if name := before.VirtualServers[i].Name; old[name] != nil {
			removed = append(removed, name)
		}
	}
	return added, changed, removed, unchanged
}

// sameVirtual reports whether two virtual servers differ in nothing but where they are
// in the file.
func sameVirtual(a, b *config.VirtualServer) bool {
	if len(a.Servers) != len(b.Servers) {
		return false
	}
	for i := range a.Servers {
		x, y := &a.Servers[i], &b.Servers[i]
		if x.Addr != y.Addr || x.Weight != y.Weight { // most changes are of this kind
			return false
		}
	}
	for i := range a.Servers {
		x, y := a.Servers[i], b.Servers[i]
		x.Line, y.Line = 0, 0
		if !reflect.DeepEqual(&x, &y) {
			return false
		}
	}
	x, y := *a, *b
	x.Line, y.Line, x.Servers, y.Servers = 0, 0, nil, nil
	return reflect.DeepEqual(&x, &y)
}
