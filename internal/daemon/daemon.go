package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"hakeep/checks"
	"hakeep/internal/config"
	"hakeep/internal/config/keepalived"
	"hakeep/internal/control"
	"hakeep/internal/firewall"
	"hakeep/internal/metrics"
	"hakeep/internal/notify"
	"hakeep/internal/status"
	"hakeep/internal/track"
	"hakeep/internal/version"
	"hakeep/internal/wire"
)

const (
	// stopTimeout bounds an orderly stop beside the time for the addresses: the
	// elector's leave, and once more if another one has to remove what it left
	// behind.
	stopTimeout = 25 * time.Second
	// notifyPatience bounds the scripts for STOP, which keepalived gives a second.
	notifyPatience = 10 * time.Second
	// statusTimeout is how long status waits for the elector.
	statusTimeout = 3 * time.Second
)

// keeper is the firewall as the daemon uses it.
type keeper interface {
	Set(firewall.Rules) error
	Run(ctx context.Context) error
	Stats() firewall.Stats
	Close(remove bool) error
}

var (
	_ keeper          = (*firewall.Firewall)(nil)
	_ control.Backend = (*daemon)(nil)
	_ control.Dumper  = (*daemon)(nil)
)

// daemon is the main process. loop owns its state, and publishes it in current
// for those who only read.
type daemon struct {
	opts       Options
	log        *slog.Logger
	started    time.Time
	host       string
	supervisor *supervisor
	firewall   keeper
	tracker    *track.Manager
	checks     *checks.Runner
	notifier   *notify.Manager
	rules      *ruleset
	balancer   *balancer
	healer     *healer
	notify     *notifier
	history    *history
	standbys   *standbys
	dumper     *dumper
	hostOf     func(*config.Config) config.Host
	signals    <-chan os.Signal
	job        func(context.Context) (string, error) // askJob
	executable string                                // where this program was started from
	trial      func(context.Context) (string, error) // tryBinary
	upgrades   chan struct{}
	patience   time.Duration // with an elector that shall apply a configuration
	current    atomic.Pointer[inForce]
	// httpProblem is what keeps http_listen from being served, or empty.
	httpProblem atomic.Pointer[string]

	requests  chan reloadRequest
	outcomes  chan outcome
	snapshots chan *wire.Snapshot // room for one, the latest
	listen    chan netip.AddrPort // likewise: where HTTP is served
	stopped   chan struct{}       // closed when the loop ends

	// Owned by loop.
	ready     bool                  // the first configuration is in force
	reloading bool                  // a start or a reload is under way
	waiting   []chan *status.Reload // for that one
	queued    []chan *status.Reload // for the next one; not nil if one is wanted
	counts    map[string]int        // instances by state; nil before the first snapshot
	slow      int                   // the elector that was reported not to be real-time
}

// reloadRequest asks the loop for a reload.
type reloadRequest struct{ reply chan *status.Reload }

// Run is the main process in the foreground: it returns nil after an orderly
// stop by SIGTERM, SIGINT or the end of ctx, in which the addresses were
// removed. Errors are a *ConfigError, a *RunningError, a *PermissionError, or
// any other when the daemon cannot go on.
func Run(ctx context.Context, o Options) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	cfg, problems, err := keepalived.LoadWith(o.ConfigFile, o.load())
	if err != nil {
		return &ConfigError{Err: err}
	}
	if problems.HasErrors() {
		return &ConfigError{Problems: problems}
	}
	if err := enterNamespace(cmp.Or(o.Namespace, cfg.Global.NetNamespace)); err != nil {
		return err
	}
	logProblems(o.Logger, problems)
	if err := checkPermission(); err != nil {
		return err
	}
	if err := makeRuntimeDir(o.RuntimeDir); err != nil {
		return err
	}
	// Before there is a file with the process's number: who reads it may send any.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, SignalData, SignalStats, SignalJSON, SignalStatsClear)
	if o.IgnoreInterrupt {
		signal.Ignore(syscall.SIGINT)
	} else {
		signal.Notify(signals, syscall.SIGINT)
	}
	defer signal.Stop(signals)
	held, err := lock(o.RuntimeDir)
	if err != nil {
		return err
	}
	defer held.Close()
	pids, err := writePIDFiles(o.PIDFiles)
	if err != nil {
		return err
	}
	fw, err := firewall.Open(firewall.Options{Table: cfg.Global.NFTable, Logger: o.Logger})
	if err != nil {
		removePIDFiles(pids)
		return err
	}
	d := newDaemon(o, cfg, &ownBinary{dir: o.RuntimeDir, realtime: cfg.Global.Realtime}, fw)
	d.signals = signals
	if d.executable, err = os.Executable(); err != nil {
		return fmt.Errorf("find own binary: %w", err)
	}
	renew := upgraded()
	d.supervisor.renew = func(h *wire.Hello) bool {
		again := renew || h.Program != version.String()
		renew = false
		return again
	}
	d.supervisor.suits = func(h *wire.Hello) error {
		if h.Realtime != cfg.Global.Realtime {
			return fmt.Errorf("it was started with realtime = %v", h.Realtime)
		}
		return nil
	}
	err = d.run(ctx)
	if errors.Is(err, errUpgrade) {
		// Until the new program asks for them they would end it.
		signal.Ignore(SignalData, SignalStats, SignalJSON, SignalStatsClear)
		return execute(d.executable) // which writes the pid files anew
	}
	removePIDFiles(pids)
	return err
}

func newDaemon(o Options, cfg *config.Config, e electors, fw keeper) *daemon {
	d := &daemon{
		opts: o, log: o.Logger, started: time.Now(),
		supervisor: newSupervisor(o.Logger, e), firewall: fw, notify: newNotifier(o.Logger), history: newHistory(), dumper: newDumper(o.RuntimeDir),
		hostOf:   HostOf,
		patience: applyTimeout, job: askJob,
		upgrades: make(chan struct{}), requests: make(chan reloadRequest), outcomes: make(chan outcome, 1),
		listen:    make(chan netip.AddrPort, 1),
		snapshots: make(chan *wire.Snapshot, 1), stopped: make(chan struct{}),
	}
	if err := d.dumper.load(); err != nil {
		d.log.Warn("counters are not as they were cleared", "err", err)
	}
	d.trial = func(ctx context.Context) (string, error) { return tryBinary(ctx, d.executable, o.ConfigFile) }
	if host, err := os.Hostname(); err == nil {
		d.host = host
	}
	d.tracker = track.New(track.Options{Logger: o.Logger, Update: d.tracked})
	d.checks = checks.NewRunner(checks.Options{Changed: d.checked})
	d.notifier = notify.New(notify.Options{Logger: o.Logger})
	d.healer = newHealer(d.healed)
	d.rules = &ruleset{firewall: fw}
	d.balancer = d.newBalancer()
	d.current.Store(&inForce{config: cfg, wire: &wire.Config{}, rules: rules(cfg), loaded: d.started})
	s := d.supervisor
	if w := d.notify.watchdog; w > 0 {
		// Answers have to be younger than the watchdog's time.
		s.askEvery = max(min(askEvery, int(w/4/lookInterval)), 1)
	}
	var err error
	if d.standbys, err = openStandbys(o.RuntimeDir, stateDir(o.RuntimeDir)); err != nil {
		// Taking part is the safer way to go on.
		o.Logger.Error("standby of an earlier run is not known", "err", err)
	}
	s.held = d.standbys.names
	s.logged = readProgress(o.RuntimeDir)
	s.save = func(p progress) error { return writeProgress(o.RuntimeDir, p) }
	s.event, s.note = d.electorEvent, d.electorNote
	s.snapshot = func(snap *wire.Snapshot) {
		select {
		case <-d.snapshots: // an older one
		default:
		}
		d.snapshots <- snap
	}
	return d
}

var (
	// errOrderly ends the tasks after an orderly stop, errHandOver before another
	// main takes the elector over.
	errOrderly  = errors.New("stopped in order")
	errHandOver = errors.New("handed over")
	errUpgrade  = fmt.Errorf("%w: upgraded", errHandOver)
)

// run runs startup_script, then all tasks until the daemon has stopped, and
// shutdown_script after an orderly stop.
func (d *daemon) run(ctx context.Context) error {
	if !d.startup(ctx) {
		return d.firewall.Close(true)
	}
	cfg := d.current.Load().config
	logProblems(d.log, cfg.CheckOn(d.hostOf(cfg)))
	orderly, err := d.tasks(ctx)
	if orderly {
		d.shutdown(context.WithoutCancel(ctx))
	}
	return err
}

// tasks runs all tasks until the daemon has stopped, and reports whether it has
// done so in order.
func (d *daemon) tasks(ctx context.Context) (orderly bool, err error) {
	listener, err := control.Listen(d.opts.Socket)
	if errors.Is(err, control.ErrInUse) {
		return false, &RunningError{What: d.opts.Socket}
	}
	if err != nil {
		return false, refused(d.opts.Socket+" cannot be made by this user", err)
	}
	server := control.NewServer(listener, d, d, d, d.log)
	g, tasks := errgroup.WithContext(context.WithoutCancel(ctx))
	g.Go(func() error { return d.supervisor.run(tasks) })
	g.Go(func() error { return d.firewall.Run(tasks) })
	g.Go(func() error { return d.tracker.Run(tasks) })
	g.Go(func() error { return d.checks.Run(tasks) })
	g.Go(func() error { return d.notifier.Run(tasks) })
	g.Go(func() error { return d.balancer.run(tasks) })
	g.Go(func() error { return server.Run(tasks) })
	g.Go(func() error {
		return metrics.Follow(tasks, d.listen, metrics.Handler(d.Status, d.health), d.httpOutcome)
	})
	g.Go(func() error { return d.watchStandbys(tasks) })
	g.Go(func() error { return d.writeDumps(tasks) })
	g.Go(func() error { return d.watchPeers(tasks) })
	g.Go(func() error { return d.loop(tasks, ctx.Done(), g) })
	if os.Getpid() == 1 {
		g.Go(func() error { return reapOrphans(tasks, reapInterval) })
	}
	err = g.Wait()
	orderly = errors.Is(err, errOrderly)
	switch {
	case errors.Is(err, errUpgrade):
		if tidied := d.tidy(false); tidied != nil {
			d.log.Warn("not everything is tidy before the upgrade", "err", tidied)
		}
		return false, err
	case orderly || errors.Is(err, errHandOver):
		err = nil
	}
	return orderly, errors.Join(err, d.tidy(orderly))
}

// tidy removes what must not outlive the daemon. What an unorderly end leaves
// is for the next main: the elector goes on meanwhile.
func (d *daemon) tidy(orderly bool) error {
	d.balancer.save()
	// An orderly stop has ended it already.
	errs := []error{control.Remove(d.opts.Socket), d.balancer.release(context.Background(), false), d.firewall.Close(orderly)}
	if orderly {
		errs = append(errs, removeFiles(d.opts.RuntimeDir))
	}
	return errors.Join(errs...)
}

// loop owns the daemon's state: it starts, reloads and stops. Nothing in it
// waits, so that it can tell the service manager that it is alive.
func (d *daemon) loop(ctx context.Context, stop <-chan struct{}, g *errgroup.Group) error {
	defer close(d.stopped)
	d.log.Info("hakeep starts", "version", version.String(), "pid", os.Getpid(), "config", d.opts.ConfigFile,
		"instances", len(d.current.Load().config.Instances))
	d.remember(status.KindDaemon, slog.LevelInfo, "main process started, version "+version.String())
	d.reloading = true
	g.Go(func() error { d.outcomes <- d.start(ctx, d.current.Load()); return nil })
	var watchdog <-chan time.Time
	if w := d.notify.watchdog; w > 0 {
		t := time.NewTicker(w / 2) // as sd_watchdog_enabled(3) recommends
		defer t.Stop()
		watchdog = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil // another task has failed
		case <-stop:
			return d.leave(ctx, "asked to")
		case sig := <-d.signals:
			if d.dumper.wants(sig) {
				continue
			}
			if sig != syscall.SIGHUP {
				return d.signalled(ctx, sig)
			}
			d.wantReload(ctx, g, nil)
		case <-d.upgrades:
			return d.upgrade(ctx)
		case req := <-d.requests:
			d.wantReload(ctx, g, req.reply)
		case out := <-d.outcomes:
			if err := d.outcome(ctx, g, out); err != nil {
				return err
			}
		case snap := <-d.snapshots:
			d.count(snap)
		case <-watchdog:
			d.watchdog()
		}
	}
}

// wantReload begins a reload, or remembers that another one is wanted: the file
// may have changed since the one under way has read it.
func (d *daemon) wantReload(ctx context.Context, g *errgroup.Group, reply chan *status.Reload) {
	d.queued = append(d.queued, reply)
	if d.reloading {
		return
	}
	d.reloading = true
	d.waiting, d.queued = d.queued, nil
	d.notify.reloading()
	cur := d.current.Load()
	g.Go(func() error { d.outcomes <- d.reload(ctx, cur); return nil })
}

// outcome takes over the result of a start or a reload.
func (d *daemon) outcome(ctx context.Context, g *errgroup.Group, out outcome) error {
	d.reloading = false
	if !d.ready {
		if out.err != nil {
			return d.abandon(ctx, out.err)
		}
		d.current.Store(out.next)
		d.ready = true
		d.log.Info("hakeep is ready")
		if d.opts.Ready != nil {
			d.opts.Ready()
		}
	} else {
		d.finish(out)
		for _, reply := range d.waiting {
			if reply != nil {
				reply <- out.reload
			}
		}
		d.waiting = nil
	}
	d.serveHTTP()
	if out.next != nil {
		d.forgetStandbys(out.next.wire)
	}
	d.describe()
	d.notify.ready()
	if len(d.queued) > 0 {
		again := d.queued
		d.queued = again[1:]
		d.wantReload(ctx, g, again[0])
	}
	return nil
}

// abandon ends a start that has failed.
func (d *daemon) abandon(ctx context.Context, cause error) error {
	bounded, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := d.supervisor.shutdown(bounded); err != nil {
		d.log.Error("elector has not left in order", "err", err)
	}
	return cause
}

// leave is the orderly stop. It returns errOrderly.
func (d *daemon) leave(ctx context.Context, why string) error {
	d.log.Info("hakeep stops", "reason", why)
	d.remember(status.KindDaemon, slog.LevelInfo, "stops: "+why)
	d.notify.stopping()
	patience := stopTimeout + 2*leaveAddress*time.Duration(len(d.current.Load().wire.Leftovers))
	bounded, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the elector does not answer for %v", patience))
	defer cancel()
	if err := d.supervisor.shutdown(bounded); err != nil {
		d.log.Error("elector has not left in order", "err", err)
		return fmt.Errorf("stop: %w", err)
	}
	// The addresses are gone, no new connection comes.
	if err := d.balancer.stop(bounded, d.opts.KeepIPVS); err != nil {
		d.log.Error("services are not removed", "err", err)
	}
	d.endNotifications(ctx)
	d.log.Info("hakeep has stopped")
	return errOrderly
}

// count notes how many instances are in which state.
func (d *daemon) count(snap *wire.Snapshot) {
	d.counts = map[string]int{}
	for i := range snap.Instances {
		d.counts[strings.ToLower(snap.Instances[i].State)]++
		d.balancer.followSync(snap.Instances[i].Name, snap.Instances[i].State)
	}
	if !snap.Realtime && d.current.Load().config.Global.Realtime && d.slow != snap.PID {
		d.slow = snap.PID
		d.log.Warn("elector is not real-time", "pid", snap.PID, "reason", snap.RealtimeReason)
	}
	d.describe()
}

// describe tells the service manager how things are.
func (d *daemon) describe() {
	if d.counts == nil {
		return
	}
	text := fmt.Sprintf("%d master, %d backup, %d fault", d.counts["master"], d.counts["backup"], d.counts["fault"])
	if n := d.counts["init"]; n > 0 {
		text += fmt.Sprintf(", %d init", n)
	}
	if last := d.current.Load().last; last != nil && !last.OK {
		text += "; last reload refused: " + last.Summary()
	}
	d.notify.describe(text)
}

// watchdog tells the service manager that both processes are well. That this
// is called says it of main.
func (d *daemon) watchdog() {
	if age := time.Since(time.Unix(0, d.supervisor.lastAnswer.Load())); age < d.notify.watchdog {
		d.notify.alive()
	}
}

// remember adds an event of main to the history.
func (d *daemon) remember(kind string, lvl slog.Level, text string) {
	d.history.add(status.Event{Time: time.Now(), Kind: kind, Level: strings.ToLower(lvl.String()), Text: text})
}

// electorEvent and electorNote are called by the supervisor.
func (d *daemon) electorEvent(ev *wire.Event, replayed bool) {
	d.history.add(status.FromElector(ev))
	d.notifyOf(ev, replayed)
	if ev.Kind == wire.EventTransition {
		d.balancer.followSync(ev.Instance, ev.To)
	}
	if !replayed {
		logEvent(d.log, ev)
	}
}

func (d *daemon) electorNote(lvl slog.Level, text string) {
	d.log.Log(context.Background(), lvl, "elector", "text", text)
	d.remember(status.KindElector, lvl, text)
}
