package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"hakeep/checks"
	"hakeep/internal/config"
	"hakeep/internal/notify"
	"hakeep/internal/reconcile"
	"hakeep/internal/status"
	"hakeep/lvs"
)

const (
	// balanceRetryMin and balanceRetryMax bound the pauses after the kernel refused
	// the services.
	balanceRetryMin = 500 * time.Millisecond
	balanceRetryMax = 30 * time.Second
	// balanceRest is how many times as long as a change of the kernel's tables took
	// the next one waits at least, up to balanceRestMax: with thousands of servers a
	// change keeps the kernel busy, in which no other process runs on that processor.
	// The first change of many comes at once, the others are put together.
	balanceRest    = 9
	balanceRestMax = 3 * time.Second
	// balanceSave is how soon the file of what has to outlive main follows.
	balanceSave = time.Second
)

// backend puts services into the kernel. apply is called by one goroutine at a time,
// the others by any.
type backend interface {
	// configure takes what [global_defs] says about it, for the next apply.
	configure(cfg *config.Config)
	// apply makes the kernel have the services, and no others that are ours. It
	// returns when to be called again although nothing has changed; 0 for never.
	apply(ctx context.Context, services []lvs.Service) (again time.Duration, err error)
	// describe adds what the back end knows: digests, and what breaks at a takeover.
	describe(in *status.BalancingInput)
	// warnings are what an operator should know of this host.
	warnings() []string
	// counters reads what has passed.
	counters(ctx context.Context) ([]lvs.ServiceCounters, error)
	// close lets go of the kernel. With remove the services go first.
	close(ctx context.Context, remove bool) error
}

// balancer is load balancing: it owns the pool of virtual servers, runs the checks
// of their servers, and has a backend put into the kernel what the pool wants.
// Its methods may be called from any goroutine.
type balancer struct {
	log      *slog.Logger
	runner   *checks.Runner
	values   checks.Values
	tell     func(notify.ServerEvent)
	remember func(status.Event)
	open     func(*config.Config, config.Backend, []lvs.ID) (backend, error)
	ipvsHere func() bool
	local    func() (map[netip.Addr]bool, error)
	file     string        // balanceFile
	wake     chan struct{} // room for one: services have changed
	hurry    chan struct{} // room for one: somebody waits for what wake is about
	look     chan struct{} // room for one: local addresses may matter

	counts counterCache

	mu       sync.Mutex // guards what follows
	cfg      *config.Config
	pool     lvs.Pool
	hooks    serverHooks
	probes   []checks.Spec
	started  map[string]checks.Start // what the checks that run were started as
	backend  backend
	kind     config.Backend
	reason   string // of kind
	earlier  balanceFile
	loaded   bool   // there was a first configuration
	changes  uint64 // counts what the pool wanted
	applied  uint64 // the one that was tried last
	settled  chan struct{}
	err      error // of the last attempt
	when     time.Time
	took     time.Duration
	may      map[lvs.ID]bool // services that may be in IPVS's table
	unsaved  bool
	stopped  bool
	addrs    map[netip.Addr]bool
	addrsErr error
}

func newBalancer(log *slog.Logger, file string, values checks.Values) *balancer {
	b := &balancer{
		log: log, values: values, file: file, wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), look: make(chan struct{}, 1), settled: make(chan struct{}),
		started: map[string]checks.Start{}, hooks: serverHooks{}, cfg: &config.Config{},
	}
	b.runner = checks.NewRunner(checks.Options{Changed: b.checked})
	return b
}

// run does the work until the context ends.
func (b *balancer) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.runner.Run(ctx) })
	g.Go(func() error { return b.applyAll(ctx) })
	g.Go(func() error { return b.watchAddresses(ctx) })
	return g.Wait()
}

// applyAll brings what the pool wants into the kernel. Changes that come
// meanwhile are put together.
func (b *balancer) applyAll(ctx context.Context) error {
	pause := reconcile.Backoff{Min: balanceRetryMin, Max: balanceRetryMax}
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	saver := time.NewTicker(balanceSave)
	defer saver.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-saver.C:
			b.save()
			continue
		case <-b.wake:
		case <-timer.C:
		}
		select {
		case <-b.hurry: // what is taken now has it
		default:
		}
		kernel, services, change := b.take()
		if kernel == nil {
			continue
		}
		begin := time.Now()
		again, err := kernel.apply(ctx, services)
		if ctx.Err() != nil {
			return nil
		}
		b.settle(change, time.Since(begin), err)
		if err != nil {
			again = pause.Fail()
		} else {
			pause.Succeed()
		}
		timer.Stop()
		if again > 0 {
			timer.Reset(again)
		}
		if !b.rest(ctx, time.Since(begin)) {
			return nil
		}
	}
}

// rest waits after a change that took some time; false if the context ends. A
// configuration does not wait: there are not many.
func (b *balancer) rest(ctx context.Context, took time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-b.hurry:
		return true
	case <-time.After(min(balanceRest*took, balanceRestMax)):
		return true
	}
}

// take is what is to be applied; without a backend nothing is.
func (b *balancer) take() (backend, []lvs.Service, uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.backend == nil || b.stopped {
		return nil, nil, 0
	}
	return b.backend, b.pool.Services(), b.changes
}

// settle notes how an attempt went, and logs what is new.
func (b *balancer) settle(change uint64, took time.Duration, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err != nil && (b.err == nil || b.err.Error() != err.Error()):
		b.log.Error("services are not in force, they are tried again", "backend", b.kind.String(), "err", err)
	case err == nil && b.err != nil:
		b.log.Info("services are in force again", "backend", b.kind.String())
	}
	b.applied, b.err, b.when, b.took = change, err, time.Now(), took
	if err == nil && change == b.changes && b.kind == config.BackendIPVS {
		b.may = idsOf(b.pool.Services())
		b.unsaved = true
	}
	close(b.settled)
	b.settled = make(chan struct{})
}

// await waits until what is wanted now was tried, and returns how it went.
func (b *balancer) await(ctx context.Context) error {
	b.mu.Lock()
	change := b.changes
	for b.applied < change && b.backend != nil && !b.stopped {
		settled := b.settled
		b.mu.Unlock()
		select {
		case <-settled:
		case <-ctx.Done():
			return fmt.Errorf("services are not in force yet: %w", context.Cause(ctx))
		}
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	return b.err
}

// changed says that the pool wants something else. The caller holds the mutex.
func (b *balancer) changed() {
	b.changes++
	b.unsaved = true
	kick(b.wake)
}

func kick(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// configure brings a configuration into force, all of it or nothing. That the
// kernel has it is another matter: see await.
func (b *balancer) configure(cfg *config.Config) error {
	specs := serverProbes(cfg, b.values)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.choose(cfg); err != nil {
		return err
	}
	next := b.pool // what Configure changes are maps of its own
	c := lvs.Config{
		Virtual: balanced(cfg, specs), Alpha: specs.alpha(), InitNotifies: cfg.Global.LVS.InitNotifies,
	}
	if !b.loaded {
		c.Failed = b.earlier.failed()
	}
	now := time.Now()
	events := next.Configure(now, c)
	if !b.loaded {
		events = append(events, b.earlier.restore(&next, now)...)
	}
	next.SetLocal(b.isLocal)
	before := b.started
	list := b.starts(specs.specs, next.Checks())
	if err := b.runner.Apply(list); err != nil {
		b.started = before
		return fmt.Errorf("checks of servers: %w", err)
	}
	if b.backend != nil {
		b.backend.configure(cfg)
	}
	old := b.hooks
	b.pool, b.cfg, b.hooks, b.probes, b.loaded = next, cfg, balancingHooks(cfg), specs.specs, true
	for i := range events {
		b.event(&events[i], old)
	}
	if b.kind == config.BackendIPVS {
		maps.Copy(b.may, idsOf(b.pool.Services()))
		// Before they are there: what a killed process leaves is found by it.
		if err := writeJSON(b.file, b.fileNow()); err != nil {
			b.log.Error("services that a killed hakeep leaves behind will not be found", "err", err)
		}
	}
	b.changed()
	kick(b.hurry)
	kick(b.look)
	return nil
}

func idsOf(services []lvs.Service) map[lvs.ID]bool {
	ids := make(map[lvs.ID]bool, len(services))
	for i := range services {
		ids[services[i].ID] = true
	}
	return ids
}

// starts says of each check what it counts as when it starts to run, and which are
// paused. Those that run already keep what they were started as. The caller holds
// the mutex.
func (b *balancer) starts(specs []checks.Spec, wanted map[string]lvs.Outcome) []checks.Spec {
	list := slices.Clone(specs)
	started := make(map[string]checks.Start, len(list))
	for i := range list {
		s := &list[i]
		o, ok := wanted[s.Name]
		s.Paused = !ok
		start, runs := b.started[s.Name]
		switch {
		case runs:
		case ok && !o.Up, !ok && s.Policy.Start == checks.StartDown:
			start = checks.StartDown
		default:
			start = checks.StartUp
		}
		s.Policy.Start, started[s.Name] = start, start
	}
	b.started = started
	return list
}

// choose finds the back end at the first configuration with virtual servers; later
// ones have to suit it. The caller holds the mutex.
func (b *balancer) choose(cfg *config.Config) error {
	if b.backend != nil {
		if err := suits(cfg, b.kind); err != nil {
			return fmt.Errorf("%w; the back end is %v since the start (%s), a restart of hakeep chooses again", err, b.kind, b.reason)
		}
		return nil
	}
	if len(cfg.VirtualServers) == 0 && len(b.earlier.IPVS) == 0 {
		return nil
	}
	kind, reason := cfg.ChooseBackend(b.ipvsHere())
	if was := b.earlier.Backend; was != 0 && was != kind && cfg.Global.LVS.Backend == config.BackendAuto && suits(cfg, was) == nil {
		kind, reason = was, "the process before this one had it: "+b.earlier.Reason
	}
	if err := suits(cfg, kind); err != nil {
		return err
	}
	kernel, err := b.open(cfg, kind, b.earlier.IPVS)
	if err != nil {
		return err
	}
	b.backend, b.kind, b.reason, b.may = kernel, kind, reason, map[lvs.ID]bool{}
	for _, id := range b.earlier.IPVS {
		b.may[id] = true
	}
	b.log.Info("load balancing", "backend", kind.String(), "reason", reason)
	return nil
}

// suits says what of a configuration a back end cannot do.
func suits(cfg *config.Config, kind config.Backend) error {
	why := cfg.NeedsIPVS()
	if kind == config.BackendIPVS {
		why = cfg.NeedsNFT()
	}
	if why != "" {
		return errors.New(why)
	}
	return nil
}

// checked takes the outcome of a check. It is called by the runner.
func (b *balancer) checked(ev checks.Event) {
	text := probeFailure(ev.Name, ev.Result)
	if !ev.Result.OK && !ev.Changed {
		b.log.Info("check of servers fails", "check", ev.Name, "result", ev.Result.String())
	}
	o := lvs.Outcome{Up: ev.Up, Reason: text}
	if ev.Result.OK {
		switch {
		case ev.Result.Weight != nil:
			o.Dynamic, o.Value = lvs.SetWeight, *ev.Result.Weight
		case ev.Result.Add != 0:
			o.Dynamic, o.Value = lvs.AddWeight, ev.Result.Add
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if ev.Up && !ev.Result.OK {
		return // it is not out yet, and its weight stays
	}
	b.report(b.pool.Report(time.Now(), ev.Name, o))
}

// report tells of events, and has what they change applied. The caller holds the
// mutex.
func (b *balancer) report(events []lvs.Event) {
	for i := range events {
		b.event(&events[i], nil)
	}
	b.changed()
}

// event tells of an event of the pool: log, history, scripts, FIFOs and mail. What
// is configured no more is found in old. The caller holds the mutex.
func (b *balancer) event(ev *lvs.Event, old serverHooks) {
	v := b.hooks[ev.Virtual]
	if was := old[ev.Virtual]; was != nil && (v == nil || ev.Removed) {
		v = was
	}
	if v == nil {
		return
	}
	lvl := slog.LevelInfo
	if !ev.Kind.Up() && !ev.Removed && !ev.Stop {
		lvl = slog.LevelWarn
	}
	attrs := []any{"virtual_server", ev.Virtual}
	if ev.Server.Addr.IsValid() {
		attrs = append(attrs, "real_server", status.ServerName(ev.Server))
	}
	b.log.Log(context.Background(), lvl, eventWords(ev), append(attrs, "reason", ev.Reason)...)
	b.remember(serverEvent(ev, lvl))
	b.tell(v.event(ev, !b.cfg.Global.LVS.NoCheckerMails))
}

// eventWords is the message for the log.
func eventWords(ev *lvs.Event) string {
	switch ev.Kind {
	case lvs.ServerUp:
		return "real server is up"
	case lvs.ServerDown:
		return "real server is down"
	case lvs.QuorumUp:
		return "quorum gained"
	case lvs.QuorumDown:
		return "quorum lost"
	case lvs.CheckUp:
		return "check of real server passes"
	}
	return "check of real server fails"
}

// serverEvent is an event for the history.
func serverEvent(ev *lvs.Event, lvl slog.Level) status.Event {
	text := eventWords(ev)
	if ev.Reason != "" {
		text += ": " + ev.Reason
	}
	out := status.Event{
		Time: time.Now(), Kind: status.KindServer, Level: status.Level(lvl), VirtualServer: ev.Virtual, Text: text, Reason: ev.Kind.String(),
	}
	if ev.Server.Addr.IsValid() {
		out.RealServer = status.ServerName(ev.Server)
	}
	return out
}

// followSync tells the sync daemon of IPVS whether its instance is master; every
// transition and every snapshot of the elector comes here.
func (b *balancer) followSync(instance, state string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kernel, ok := b.backend.(*ipvsBackend)
	if !ok || b.cfg.Global.LVS.Sync.Instance != instance || instance == "" {
		return
	}
	if kernel.follow(state == "MASTER") {
		b.changed()
	}
}

// stop ends load balancing: virtual servers with omega are told of as down, and the
// services go unless keep says otherwise.
func (b *balancer) stop(ctx context.Context, keep bool) error {
	b.mu.Lock()
	events := b.pool.Stop()
	for i := range events {
		b.event(&events[i], nil)
	}
	b.mu.Unlock()
	return b.release(ctx, !keep)
}

// release lets go of the kernel.
func (b *balancer) release(ctx context.Context, remove bool) error {
	b.mu.Lock()
	kernel := b.backend
	already := b.stopped
	b.stopped = true
	b.mu.Unlock()
	if kernel == nil || already {
		return nil
	}
	return kernel.close(ctx, remove)
}
