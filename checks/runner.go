package checks

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const (
	// defaultLimit is how many attempts go on at the same time at most, as far as
	// there are descriptors. One that waits for an answer costs a goroutine and a
	// socket, some 10 KB.
	defaultLimit = 8192
	// connectLimit is the same for TCP checks, which cost a socket and 200 bytes.
	connectLimit = 1 << 16
	// lateAfter is how much later than its time an attempt may start before it
	// counts as late: the shortest interval.
	lateAfter = MinInterval
	// stall is how long after its time limit an attempt must end for that to be the
	// machine's fault: a paused one must not wake up to checks that all have failed.
	stall = 50 * time.Millisecond
)

// Spec is one check of a Runner.
type Spec struct {
	// Name is unique.
	Name   string
	Target Target
	Policy Policy
	// Paused keeps the check and its outcome, but does no attempts (keepalived:
	// ha_suspend while the address is elsewhere).
	Paused bool
}

// Event is an outcome that changed, or is known for the first time; or a weight
// that did; or, with [Policy] TellFailures, an attempt that failed.
type Event struct {
	Name string
	// Up is the outcome, Changed says that it changed or is known for the first time.
	Up, Changed bool
	// Result is that of the attempt which decided.
	Result Result
}

// Options are what a Runner needs.
type Options struct {
	// Changed is called for every Event, from one goroutine, one after the other,
	// while Run runs.
	Changed func(Event)
	// Limit is how many attempts go on at the same time at most, those of TCP apart;
	// 0 means 8192, or half of what RLIMIT_NOFILE allows. Attempts beyond it wait, and
	// count as late.
	Limit int
}

// Runner does the attempts of any number of checks. Its methods may be called
// from any goroutine, also before Run.
type Runner struct {
	changed func(Event)
	limit   int
	pinger  *Pinger
	// lightLimit is the limit of light.
	lightLimit int
	poke       chan struct{} // room for one: the loop has to look at the queue
	done       chan *attempt
	conns      *connector // nil until Run needs it; Run's

	mu    sync.Mutex
	begin time.Time // of the judges' clock
	items map[string]*item
	queue queue // items that wait for their time
	busy  int   // attempts going on, but for those of conns
	light int   // those of conns
	slots int   // checks started so far
}

// item is one check. Runner.mu guards it.
type item struct {
	spec    Spec
	checker Checker
	judge   Judge
	status  Status
	due     time.Time
	place   int                // in the queue, -1 if not there
	current *attempt           // nil while none goes on
	cancel  context.CancelFunc // of current
	excused bool               // the attempt before did not count, by stall
	hurry   bool               // the next attempt follows at once
	weight  *int               // of the last attempt that was well; see Result
	add     int
}

// attempt is one call of Check.
type attempt struct {
	it     *item
	start  time.Time
	light  bool // of Runner.conns
	result Result
}

// NewRunner makes a runner without checks. It starts nothing: see Run.
func NewRunner(o Options) *Runner {
	files := FileLimit()
	if o.Limit <= 0 {
		o.Limit = min(defaultLimit, files/2)
	}
	return &Runner{
		changed: o.Changed, limit: o.Limit, lightLimit: min(connectLimit, files/4*3), pinger: NewPinger(), begin: time.Now(),
		poke: make(chan struct{}, 1), done: make(chan *attempt, o.Limit), items: map[string]*item{},
	}
}

// Apply replaces all checks. One that is the same as before goes on. One whose
// policy changed keeps its outcome; one whose target changed keeps it until the
// first attempt, which decides. An error means that a description is wrong, and
// that nothing was changed.
func (r *Runner) Apply(specs []Spec) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	checkers := make([]Checker, len(specs))
	names := make(map[string]bool, len(specs))
	var errs []error
	for i, s := range specs {
		if names[s.Name] {
			errs = append(errs, fmt.Errorf("check %s: twice", s.Name))
		}
		names[s.Name] = true
		if it := r.items[s.Name]; it != nil && reflect.DeepEqual(it.spec.Target, s.Target) {
			continue
		}
		var err error
		if checkers[i], err = s.Target.Checker(r.pinger); err != nil {
			errs = append(errs, fmt.Errorf("check %s: %w", s.Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for name, it := range r.items {
		if !names[name] {
			r.stop(it)
			delete(r.items, name)
		}
	}
	now := time.Now()
	for i, s := range specs {
		r.adopt(s, checkers[i], now)
	}
	r.wake()
	return nil
}

// adopt takes a check that is new or was there before, with a new checker unless
// its target is the same. The caller holds the mutex.
func (r *Runner) adopt(s Spec, c Checker, now time.Time) {
	it := r.items[s.Name]
	if it == nil {
		it = &item{judge: NewJudge(s.Policy), place: -1, status: Status{Name: s.Name, Since: now}}
		r.items[s.Name] = it
	} else {
		if it.spec.Policy != s.Policy {
			it.judge.Adopt(s.Policy)
			if next := now.Add(s.Policy.complete().Interval); it.place >= 0 && it.due.After(next) {
				it.due = next
				heap.Fix(&r.queue, it.place)
			}
		}
		if c == nil && it.spec.Paused == s.Paused {
			it.spec = s
			return
		}
		r.stop(it)
		if c == nil {
			c = it.checker
		} else {
			it.judge.Restart()
		}
	}
	it.spec, it.checker = s, c
	if s.Paused {
		return
	}
	r.slots++
	// Multiples of the golden ratio lie far apart however many there are.
	_, frac := math.Modf(float64(r.slots) * math.Phi)
	it.due = now.Add(time.Duration(frac * float64(s.Policy.Warmup)))
	heap.Push(&r.queue, it)
}

// stop takes a check out of the queue and breaks off its attempt, whose result
// will not count.
func (r *Runner) stop(it *item) {
	if it.place >= 0 {
		heap.Remove(&r.queue, it.place)
	}
	if it.current != nil {
		it.cancel()
		it.current = nil
	}
}

func (r *Runner) wake() {
	select {
	case r.poke <- struct{}{}:
	default: // it will look anyway
	}
}

// Run does the attempts until ctx is done, and returns nil then, when the last
// has ended. It is called once.
func (r *Runner) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.pinger.Run(ctx) })
	g.Go(func() error {
		var attempts sync.WaitGroup
		defer attempts.Wait()
		timer := time.NewTimer(0)
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-timer.C:
			case <-r.poke:
			case a := <-r.done:
				r.take(a)
				for more := true; more; {
					select {
					case a := <-r.done:
						r.take(a)
					default:
						more = false
					}
				}
			}
			ended, wait, ok := r.startDue(ctx, &attempts)
			for _, a := range ended {
				r.take(a)
			}
			switch {
			case len(ended) > 0:
				timer.Reset(0) // look again
			case ok:
				timer.Reset(wait)
			default:
				timer.Stop()
			}
		}
	})
	if err := g.Wait(); err != nil {
		return fmt.Errorf("run checks: %w", err)
	}
	return nil
}

// startDue starts the attempts whose time has come, as far as the limits let it,
// and says how long to wait for the next one. ended are those that failed at once.
func (r *Runner) startDue(ctx context.Context, wg *sync.WaitGroup) (ended []*attempt, wait time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for len(r.queue) > 0 {
		it := r.queue[0]
		if it.due.After(now) {
			return ended, it.due.Sub(now), true
		}
		t, light := it.checker.(TCP)
		if light && r.light >= r.lightLimit || !light && r.busy >= r.limit {
			break
		}
		heap.Pop(&r.queue)
		it.status.begin(now.Sub(it.due))
		it.current = &attempt{it: it, start: now, light: light}
		if !light {
			r.startBusy(ctx, wg, it)
		} else if err := r.startLight(ctx, wg, it, t); err != nil {
			it.current.result = Result{Err: err}
			ended = append(ended, it.current)
		}
	}
	return ended, 0, false
}

// startBusy gives an attempt a goroutine. The caller holds the mutex.
func (r *Runner) startBusy(ctx context.Context, wg *sync.WaitGroup, it *item) {
	own, cancel := context.WithTimeout(ctx, it.limit())
	it.cancel = cancel
	a, checker := it.current, it.checker
	r.busy++
	wg.Go(func() {
		defer cancel()
		a.result = checker.Check(own)
		a.result.Duration = time.Since(a.start)
		r.done <- a // there is room: never more attempts than the limit
	})
}

// startLight gives an attempt to the connector. The caller holds the mutex.
func (r *Runner) startLight(ctx context.Context, wg *sync.WaitGroup, it *item, t TCP) error {
	r.light++
	it.cancel = func() {}
	if r.conns == nil {
		conns, err := newConnector(func(a *attempt) {
			select {
			case r.done <- a:
			case <-ctx.Done():
			}
		})
		if err != nil {
			return err
		}
		r.conns = conns
		wg.Go(func() { conns.run(ctx) })
	}
	cancel, err := r.conns.start(it.current, t, it.limit())
	if err != nil {
		return err
	}
	it.cancel = func() { // under the mutex, by stop
		if cancel() {
			r.light--
		}
	}
	return nil
}

// take judges an attempt, and calls back if the outcome changed.
func (r *Runner) take(a *attempt) {
	r.mu.Lock()
	if a.light {
		r.light--
	} else {
		r.busy--
	}
	it := a.it
	if it.current != a { // removed or changed meanwhile
		r.mu.Unlock()
		return
	}
	it.current = nil
	now := time.Now()
	if errors.Is(a.result.Err, unix.EMFILE) || errors.Is(a.result.Err, unix.ENFILE) {
		// It is this host that has no descriptors left: that says nothing of the other.
		it.status.end(a, false)
		it.due = following(it.due, now, it.spec.Policy.complete().Interval)
		heap.Push(&r.queue, it)
		r.mu.Unlock()
		return
	}
	// Once in a row: a checker that ignores its limit must not go on for ever.
	it.excused = !a.result.OK && !a.result.final && a.result.Duration > it.limit()+stall && !it.excused
	if it.excused {
		it.due = now
		heap.Push(&r.queue, it)
		r.mu.Unlock()
		return
	}
	changed, wait, retry := it.judge.Step(now.Sub(r.begin), a.result.OK)
	it.status.end(a, changed)
	it.due = following(it.due, now, wait)
	if retry {
		it.due = now.Add(wait)
	}
	if it.hurry {
		it.hurry, it.due = false, now
	}
	heap.Push(&r.queue, it)
	tell := changed || it.weighs(a.result) || !a.result.OK && it.spec.Policy.TellFailures
	ev := Event{Name: it.spec.Name, Up: it.judge.Up(), Changed: changed, Result: a.result}
	r.mu.Unlock()
	if tell {
		r.changed(ev)
	}
}

// limit is how long an attempt may take.
func (it *item) limit() time.Duration {
	limit := it.spec.Policy.complete().Timeout
	if s, ok := it.checker.(stepper); ok {
		limit *= time.Duration(max(s.Steps(), 1))
	}
	return limit
}

// weighs reports whether an attempt says another weight than the one before, and
// keeps it. One that failed says nothing about it.
func (it *item) weighs(res Result) bool {
	if !res.OK {
		return false
	}
	changed := res.Add != it.add
	it.add = res.Add
	if (res.Weight == nil) != (it.weight == nil) || res.Weight != nil && *it.weight != *res.Weight {
		changed, it.weight = true, res.Weight
	}
	return changed
}

// Hurry lets a check do its next attempt now, or at the end of the one that is
// going on. One that is paused or unknown is let alone.
func (r *Runner) Hurry(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	it := r.items[name]
	if it == nil {
		return
	}
	it.hurry = it.current != nil
	if now := time.Now(); it.place >= 0 && it.due.After(now) {
		it.due = now
		heap.Fix(&r.queue, it.place)
		r.wake()
	}
}

// FileLimit is how many descriptors the process may have (RLIMIT_NOFILE). A Runner
// uses three quarters of them at most.
func FileLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int(min(limit.Cur, 1<<20))
}

// following is the time after one that was due. Those that have passed meanwhile
// are left out.
func following(due, now time.Time, interval time.Duration) time.Time {
	next := due.Add(interval)
	if late := now.Sub(next); late > 0 {
		next = next.Add((late/interval + 1) * interval)
	}
	return next
}
