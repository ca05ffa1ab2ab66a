package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/config/keepalived"
	"hakeep/internal/firewall"
	"hakeep/internal/metrics"
	"hakeep/internal/netif"
	"hakeep/internal/status"
	"hakeep/internal/wire"
)

// applyTimeout bounds the wait for the elector at a start and at a reload.
const applyTimeout = 20 * time.Second

// inForce is the configuration in force and what is known of it. The loop
// makes and publishes it; it is never changed afterwards.
type inForce struct {
	config *config.Config
	wire   *wire.Config
	rules  firewall.Rules
	loaded time.Time
	// before are addresses of the configuration before this one: an elector that
	// dies early may leave them behind.
	before []netif.Key
	// beforeItems are its routes and rules.
	beforeItems wire.LeftItems
	// problems are what is not in force, such as a socket that the elector could
	// not open.
	problems []string

	last             *status.Reload
	reloads, refused uint64
}

// outcome is the result of a start or a reload.
type outcome struct {
	reload *status.Reload
	next   *inForce // nil if nothing has changed
	err    error    // of a start
}

// start brings the first configuration into force.
func (d *daemon) start(ctx context.Context, cur *inForce) outcome {
	owned, ownedItems, err := readOwned(d.opts.RuntimeDir)
	if err != nil {
		// Better some address stays behind than that nobody answers for the others.
		d.log.Error("leftovers of an earlier run are not known", "err", err)
	}
	next := *cur
	next.wire = compile(cur.config, owned)
	next.wire.LeftItems = unionItems(ownedItems, next.wire.LeftItems)
	next.before, next.beforeItems = owned, ownedItems
	if err := writeOwned(d.opts.RuntimeDir, next.wire.Leftovers, next.wire.LeftItems); err != nil {
		return outcome{err: err}
	}
	if err := d.rules.set(next.rules); err != nil {
		// It is tried again all the time; being master without it is better than
		// not being there. Status says so.
		d.log.Error("no_accept is not in force", "err", err)
	}
	if err := d.applySurroundings(cur.config); err != nil {
		return outcome{err: fmt.Errorf("start: %w", err)}
	}
	if err := d.balancer.configure(cur.config); err != nil {
		return outcome{err: fmt.Errorf("start: %w", err)}
	}
	if err := d.awaitBalancing(ctx); err != nil {
		d.log.Error("services are not in force", "err", err)
	}
	applied, err := d.applyConfig(ctx, &next)
	if err != nil {
		return outcome{err: fmt.Errorf("start: %w", err)}
	}
	next.problems = applied.Problems
	for _, p := range next.problems {
		d.log.Warn("not everything is in force", "problem", p)
	}
	return outcome{next: &next}
}

// reload loads the configuration and brings it into force as a whole, or
// changes nothing and says why.
func (d *daemon) reload(ctx context.Context, cur *inForce) outcome {
	out := &status.Reload{Time: time.Now()}
	refuse := func(err error) outcome {
		out.Error = err.Error()
		return outcome{reload: out}
	}
	read := d.announceReading(cur.config, out)
	cfg, problems, err := keepalived.LoadWith(d.opts.ConfigFile, d.opts.load())
	read()
	if err != nil {
		return refuse(err)
	}
	out.Problems = status.Problems(problems)
	logProblems(d.log, problems)
	if problems.HasErrors() {
		return outcome{reload: out}
	}
	if len(cfg.Instances) == 0 && len(cur.config.Instances) > 0 {
		// A file that was cut short looks like this.
		return refuse(fmt.Errorf("%s has no [[vrrp_instance]], but %d run: stop hakeep if nothing is wanted any more",
			d.opts.ConfigFile, len(cur.config.Instances)))
	}
	host := cfg.CheckOn(d.hostOf(cfg))
	logProblems(d.log, host)
	out.Problems = append(out.Problems, status.Problems(host)...)
	if names := restartKeys(&cur.config.Global, &cfg.Global); len(names) > 0 {
		out.Warnings = append(out.Warnings, "needs a restart of hakeep: "+strings.Join(names, ", "))
	}
	owned := union(keys(cur.wire), cur.before)
	next := &inForce{
		config: cfg, wire: compile(cfg, owned), rules: rules(cfg), loaded: out.Time, before: keys(cur.wire), beforeItems: items(cur.wire),
	}
	next.wire.LeftItems = unionItems(next.wire.LeftItems, unionItems(items(cur.wire), cur.beforeItems))
	// Rules that are new have to be there before their addresses are.
	if err := d.rules.set(bothRules(cur.rules, next.rules)); err != nil && !sameRules(cur.rules, next.rules) {
		d.restoreRules(cur)
		return refuse(err)
	}
	if err := writeOwned(d.opts.RuntimeDir, next.wire.Leftovers, next.wire.LeftItems); err != nil {
		d.restoreRules(cur)
		return refuse(err)
	}
	if err := d.balancer.configure(cfg); err != nil {
		d.restoreRules(cur)
		return refuse(err)
	}
	if err := d.applySurroundings(cfg); err != nil {
		out.Warnings = append(out.Warnings, err.Error())
	}
	if err := d.awaitBalancing(ctx); err != nil {
		out.Warnings = append(out.Warnings, err.Error())
	}
	applied, err := d.applyConfig(ctx, next)
	if err != nil {
		// The elector will get it: there is no way back that is safer.
		out.Warnings = append(out.Warnings, "the elector does not answer ("+err.Error()+") and will run this configuration when it does")
		applied = &wire.Applied{}
	}
	next.problems = applied.Problems
	out.Warnings = append(out.Warnings, next.problems...)
	if err := d.rules.set(next.rules); err != nil {
		out.Warnings = append(out.Warnings, err.Error())
	}
	// What the configuration before the last one had is gone for good.
	if err := writeOwned(d.opts.RuntimeDir, union(keys(next.wire), next.before), unionItems(items(next.wire), next.beforeItems)); err != nil {
		out.Warnings = append(out.Warnings, err.Error())
	}
	if addr := cfg.Global.HTTPListen; addr.IsValid() && (addr != cur.config.Global.HTTPListen || d.httpTrouble() != "") {
		if err := metrics.Check(ctx, addr); err != nil {
			out.Warnings = append(out.Warnings, "http_listen: "+err.Error()+"; it is tried again all the time")
		}
	}
	out.OK = true
	out.Added, out.Changed, out.Removed, out.Unchanged = changes(cur.wire, next.wire)
	out.Keys = config.Changes(cur.config, cfg)
	added, changed, removed, unchanged := serverChanges(cur.config, cfg)
	out.Added, out.Changed, out.Removed = append(out.Added, added...), append(out.Changed, changed...), append(out.Removed, removed...)
	out.Unchanged += unchanged
	return outcome{reload: out, next: next}
}

// applySurroundings hands trackers and notifications their part. It comes before
// the elector's: the first results and events are not lost.
func (d *daemon) applySurroundings(cfg *config.Config) error {
	setUmask(cfg)
	d.notifier.Apply(notifySpec(cfg, d.host))
	names := make([]string, 0, len(cfg.Instances))
	for i := range cfg.Instances {
		names = append(names, cfg.Instances[i].Name)
	}
	d.supervisor.totals.keep(names)
	return errors.Join(d.tracker.Apply(trackSpecs(cfg)), d.checks.Apply(checkSpecs(cfg)))
}

// applyConfig hands a configuration to the elector and waits until it is in
// force.
func (d *daemon) applyConfig(ctx context.Context, next *inForce) (*wire.Applied, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d.patience, fmt.Errorf("the elector does not answer for %v", d.patience))
	defer cancel()
	return d.supervisor.apply(ctx, &target{config: next.wire, global: next.config.Global})
}

func (d *daemon) restoreRules(cur *inForce) {
	if err := d.rules.set(cur.rules); err != nil {
		d.log.Error("former firewall rules are not in force", "err", err)
	}
}

func sameRules(a, b firewall.Rules) bool {
	return len(a.NoAccept) == len(b.NoAccept) && len(bothRules(a, b).NoAccept) == len(a.NoAccept) && a.Priority == b.Priority &&
		reflect.DeepEqual(a.Contributions, b.Contributions)
}

// finish takes over the outcome of a reload. The loop calls it.
func (d *daemon) finish(out outcome) {
	next := d.current.Load()
	if out.next != nil {
		out.next.reloads, out.next.refused = next.reloads, next.refused
		next = out.next
	} else {
		same := *next
		next = &same
	}
	next.last = out.reload
	lvl := slog.LevelInfo
	if out.reload.OK {
		next.reloads++
	} else {
		next.refused++
		lvl = slog.LevelError
	}
	d.current.Store(next)
	logReload(d.log, out.reload)
	text := out.reload.Summary()
	if !out.reload.OK {
		text = "refused: " + text
	}
	d.remember(status.KindReload, lvl, text)
}
