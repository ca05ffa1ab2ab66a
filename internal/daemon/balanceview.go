package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"hakeep/checks"
	"hakeep/internal/config"
	"hakeep/internal/control"
	"hakeep/internal/status"
	"hakeep/lvs"
)

// orderTimeout bounds the wait for the kernel after something was said by hand.
const orderTimeout = 3 * time.Second

// Order does what an operator says about a server.
func (d *daemon) Order(ctx context.Context, o *control.ServerOrder) (*status.ServerAnswer, error) {
	return d.balancer.order(ctx, o)
}

var _ control.Servers = (*daemon)(nil)

// order changes what is said by hand about a server, and waits for the kernel.
func (b *balancer) order(ctx context.Context, o *control.ServerOrder) (*status.ServerAnswer, error) {
	name, endpoint, err := b.say(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, orderTimeout, fmt.Errorf("not within %v", orderTimeout))
	defer cancel()
	answer := &status.ServerAnswer{VirtualServer: name}
	if err := b.await(ctx); err != nil {
		answer.Warning = err.Error()
	}
	b.save()
	section := status.Balance(b.view())
	for i := range section.VirtualServers {
		v := &section.VirtualServers[i]
		for j := range v.Servers {
			if v.Name == name && v.Servers[j].Address == status.ServerName(endpoint) {
				answer.RealServer = v.Servers[j]
			}
		}
	}
	return answer, nil
}

// say takes the order over and tells of it.
func (b *balancer) say(o *control.ServerOrder) (string, lvs.Endpoint, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name, err := findVirtual(b.cfg.VirtualServers, o.VirtualServer)
	if err != nil {
		return "", lvs.Endpoint{}, err
	}
	endpoint, err := parseEndpoint(o.RealServer)
	if err == nil {
		endpoint, err = b.pool.Find(name, endpoint)
	}
	if err != nil {
		return "", endpoint, fmt.Errorf("%w: %s has no real server %q", control.ErrUnknownServer, name, o.RealServer)
	}
	was, err := b.pool.Hand(name, endpoint)
	if err != nil {
		return "", endpoint, err
	}
	hand := was
	switch o.Action {
	case control.ActDisable:
		hand.Disabled = true
	case control.ActDrain:
		hand.Drained = true
	case control.ActEnable:
		hand.Disabled, hand.Drained = false, false
	case control.ActWeight:
		hand.Weighted, hand.Weight = o.Weight != nil, 0
		if o.Weight != nil {
			hand.Weight = *o.Weight
		}
		if hand.Weight < 0 || hand.Weight > lvs.MaxWeight {
			return "", endpoint, fmt.Errorf("weight %d: allowed are 0 to %d", hand.Weight, lvs.MaxWeight)
		}
	default:
		return "", endpoint, fmt.Errorf("%q is nothing that can be done with a server", o.Action)
	}
	if hand == was {
		return name, endpoint, nil
	}
	text := "by hand: " + string(o.Action)
	if hand.Weighted && o.Action == control.ActWeight {
		text += fmt.Sprintf(" %d", hand.Weight)
	}
	b.log.Warn("real server changed by hand", "virtual_server", name, "real_server", status.ServerName(endpoint), "action", string(o.Action), "now", hand.String())
	b.remember(status.Event{
		Time: time.Now(), Kind: status.KindServer, Level: status.Level(slog.LevelWarn), VirtualServer: name, RealServer: status.ServerName(endpoint),
		Reason: "by-hand", Text: text,
	})
	events, err := b.pool.Set(time.Now(), name, endpoint, hand)
	if err != nil {
		return "", endpoint, err
	}
	b.report(events)
	return name, endpoint, nil
}

// findVirtual finds a virtual server by its name, or by one without protocol if
// only one is meant.
func findVirtual(all []config.VirtualServer, name string) (string, error) {
	var found []string
	for i := range all {
		switch n := all[i].Name; {
		case n == name:
			return n, nil
		case strings.HasPrefix(n, name+"/"):
			found = append(found, n)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%w: there is no virtual server %q", control.ErrUnknownServer, name)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%w: %q may be %s", control.ErrUnknownServer, name, strings.Join(found, " or "))
}

// parseEndpoint reads ADDR:PORT, or ADDR alone where servers have no port of their
// own.
func parseEndpoint(text string) (lvs.Endpoint, error) {
	if a, err := netip.ParseAddrPort(text); err == nil {
		return lvsEndpoint(a), nil
	}
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return lvs.Endpoint{Addr: a}, err
}

// view is load balancing without what the kernel has counted.
func (b *balancer) view() *status.BalancingInput {
	b.mu.Lock()
	in := &status.BalancingInput{Reason: b.reason, Pool: b.pool.Snapshot()}
	kernel := b.backend
	if kernel != nil {
		in.Backend = b.kind.String()
		if b.err != nil {
			in.Error = b.err.Error()
		}
	}
	b.mu.Unlock()
	in.Checks = b.runner.Snapshot()
	if kernel != nil {
		kernel.describe(in)
	}
	return in
}

// status is all of load balancing, and what an operator should know of it.
func (b *balancer) status(ctx context.Context) (*status.BalancingInput, []string) {
	in := b.view()
	b.mu.Lock()
	kernel, kind, reason, auto := b.backend, b.kind, b.reason, b.cfg.Global.LVS.Backend == config.BackendAuto
	tables := usesTables(b.cfg)
	addrsErr, probes := b.addrsErr, len(b.probes)
	b.mu.Unlock()
	if kernel == nil {
		return in, nil
	}
	var warnings []string
	counters, err := b.counts.read(func() ([]lvs.ServiceCounters, error) { return kernel.counters(ctx) })
	if err != nil {
		warnings = append(warnings, "load balancing: "+err.Error())
	}
	in.Counters = counters
	if in.Error != "" {
		warnings = append(warnings, "load balancing is not in force: "+in.Error)
	}
	if addrsErr != nil {
		warnings = append(warnings, "ha_suspend: "+addrsErr.Error())
	}
	if w := fewFiles(probes, checks.FileLimit()); w != "" {
		warnings = append(warnings, w)
	}
	if auto && tables && chosenByKernel(reason) {
		warnings = append(warnings, fmt.Sprintf("lvs_backend is auto and chose %s since %s: the tables of sh and mh agree with the other router's only if it has %s too; set lvs_backend on both",
			kind, reason, kind))
	}
	return in, append(warnings, kernel.warnings()...)
}

// fewFiles says that checks have to wait for each other while servers do not answer,
// or nothing. Each attempt has a descriptor; a quarter is left for everything else.
func fewFiles(probes, files int) string {
	if probes <= files/4*3 {
		return ""
	}
	return fmt.Sprintf("%d checks of servers, but this process may have %d files open: while servers do not answer, attempts wait for each other; raise RLIMIT_NOFILE (LimitNOFILE= in the unit of systemd) to %d or more",
		probes, files, probes/3*4+4)
}

// counterRest is how many times as long as reading the counters took they are told
// again instead of being read, up to counterRestMax: the counters of thousands of
// servers keep a processor busy inside the kernel, whoever asks how often.
const (
	counterRest    = 9
	counterRestMax = time.Second
)

// counterCache is what was read last. The zero value is ready.
type counterCache struct {
	mu    sync.Mutex // held while the kernel is asked, guards what follows
	last  []lvs.ServiceCounters
	until time.Time
}

// read calls fn, unless it was called just before. Errors are not remembered.
func (c *counterCache) read(fn func() ([]lvs.ServiceCounters, error)) ([]lvs.ServiceCounters, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	began := time.Now()
	if began.Before(c.until) {
		return c.last, nil
	}
	counters, err := fn()
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	c.last, c.until = counters, time.Now().Add(min(counterRest*took, counterRestMax))
	return counters, nil
}

// usesTables reports whether two routers are meant to choose the same server.
func usesTables(cfg *config.Config) bool {
	for i := range cfg.VirtualServers {
		if s := cfg.VirtualServers[i].Scheduler; s == "sh" || s == "mh" {
			return true
		}
	}
	return false
}

// chosenByKernel reports whether the other router may have chosen otherwise with
// the same configuration.
func chosenByKernel(reason string) bool { return strings.Contains(reason, "the kernel has") }
