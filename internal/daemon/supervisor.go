package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/config"
	"hakeep/internal/wire"
)

const (
	helloTimeout = 3 * time.Second
	sendTimeout  = 10 * time.Second

	// startTimeout is how long an elector may take until it listens: it locks
	// its memory and reads the kernel's links first.
	startTimeout  = 10 * time.Second
	startInterval = 5 * time.Millisecond

	// At each look the supervisor makes sure that the elector answers: it is asked
	// at every askEvery-th look, and killed when it has not answered after
	// hungLooks more, when its peers have taken over long ago. Looks are counted
	// and not time, because this process may have been stopped itself, with the
	// answers waiting.
	lookInterval = time.Second
	askEvery     = 5
	hungLooks    = 5
	// configLooks is the same for a configuration: 4,080 instances with 255
	// addresses each take seconds.
	configLooks = 60

	// leaveTimeout is how long an elector may take for a planned leave, and
	// leaveAddress more for each address that it removes; termTimeout is for its
	// end after a signal.
	leaveTimeout = 5 * time.Second
	leaveAddress = time.Millisecond
	termTimeout  = 2 * time.Second

	// stableAfter is how long an elector has to live for its end not to count
	// as another failure in a row; the delay before the next start doubles from
	// restartFirst to restartMax, and is 0 after the first failure.
	stableAfter  = 10 * time.Second
	restartFirst = 100 * time.Millisecond
	restartMax   = 5 * time.Second
)

// errStopping answers requests that come too late.
var errStopping = errors.New("the daemon is stopping")

// supervisor keeps an elector running and talks with it. run owns its state
// and is the only one that talks; the other methods ask it.
type supervisor struct {
	log      *slog.Logger
	electors electors
	// sinceBoot tells how long the host has been up.
	sinceBoot func() time.Duration
	// event is called for each event of the elector, in order; replayed ones were
	// logged by an earlier main. snapshot is called with each snapshot, note for
	// what happens to the elector. All are called by run and must not wait.
	event    func(ev *wire.Event, replayed bool)
	snapshot func(*wire.Snapshot)
	note     func(level slog.Level, text string)
	// askEvery is how many looks there are from one question to the next.
	askEvery int
	// renew reports whether the elector that was found shall execute this program.
	renew func(*wire.Hello) bool
	// suits says why the elector that was found cannot be used.
	suits func(*wire.Hello) error
	// held names the instances that are held back.
	held func() []string
	// save keeps progress for the next main.
	save func(progress) error

	// totals is what tracking adds up to.
	totals *totals

	requests chan any
	stop     chan stopRequest
	ended    chan struct{} // closed when run has returned

	// For other goroutines.
	starts     atomic.Uint64
	lastAnswer atomic.Int64 // Unix nanoseconds; 0 never
	problem    atomic.Pointer[string]

	// Owned by run.
	readers  sync.WaitGroup
	desired  *target
	applying *applyRequest // waits for desired to be applied
	last     process       // the latest elector, dead or alive
	logged   progress      // of an earlier main
	seen     progress
	saved    progress
}

// target is the configuration that the elector shall run.
type target struct {
	config *wire.Config
	global config.Global
}

// What is asked of run.
type (
	applyRequest struct {
		target *target
		reply  chan applyReply
	}
	applyReply struct {
		applied *wire.Applied
		err     error
	}
	snapshotRequest struct{ reply chan *wire.Snapshot }
	// holdRequest says that other instances are held back now.
	holdRequest struct{ reply chan struct{} }
	stopRequest struct{ reply chan error }
)

func newSupervisor(log *slog.Logger, e electors) *supervisor {
	return &supervisor{
		log: log, electors: e,
		sinceBoot: sinceBoot,
		event:     func(*wire.Event, bool) {},
		snapshot:  func(*wire.Snapshot) {},
		askEvery:  askEvery,
		note:      func(slog.Level, string) {},
		renew:     func(*wire.Hello) bool { return false },
		suits:     func(*wire.Hello) error { return nil },
		held:      func() []string { return nil },
		save:      func(progress) error { return nil },
		totals:    newTotals(),
		requests:  make(chan any),
		stop:      make(chan stopRequest),
		ended:     make(chan struct{}),
	}
}

// sinceBoot is how long the host has been up, suspended time included.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return time.Duration(1<<63 - 1) // no such clock: no delay
	}
	return time.Duration(ts.Nano())
}

// apply makes the elector run a configuration and returns what it did. An
// error means that it is not known to run it; it will get it all the same.
func (s *supervisor) apply(ctx context.Context, t *target) (*wire.Applied, error) {
	reply := make(chan applyReply, 1)
	if err := s.ask(ctx, &applyRequest{t, reply}); err != nil {
		return nil, err
	}
	select {
	case r := <-reply:
		return r.applied, r.err
	case <-s.ended:
		return nil, errStopping
	case <-ctx.Done():
		return nil, s.silent(ctx)
	}
}

// state asks the elector for a snapshot.
func (s *supervisor) state(ctx context.Context) (*wire.Snapshot, error) {
	reply := make(chan *wire.Snapshot, 1)
	if err := s.ask(ctx, snapshotRequest{reply}); err != nil {
		return nil, err
	}
	select {
	case snap, ok := <-reply:
		if !ok {
			return nil, errors.New("it has just ended")
		}
		return snap, nil
	case <-s.ended:
		return nil, errStopping
	case <-ctx.Done():
		return nil, s.silent(ctx)
	}
}

// shutdown makes the elector leave in a planned way. run returns afterwards.
func (s *supervisor) shutdown(ctx context.Context) error {
	reply := make(chan error, 1)
	select {
	case s.stop <- stopRequest{reply}:
	case <-s.ended:
		return errStopping
	case <-ctx.Done():
		return s.silent(ctx)
	}
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return s.silent(ctx)
	}
}

func (s *supervisor) ask(ctx context.Context, request any) error {
	select {
	case s.requests <- request:
		return nil
	case <-s.ended:
		return errStopping
	case <-ctx.Done():
		return s.silent(ctx)
	}
}

// silent says why nobody answered.
func (s *supervisor) silent(ctx context.Context) error {
	if p := s.problem.Load(); p != nil {
		return errors.New(*p)
	}
	return fmt.Errorf("no answer: %w", context.Cause(ctx))
}

// run keeps an elector running until shutdown, or until ctx ends; then the
// elector is left alone.
func (s *supervisor) run(ctx context.Context) error {
	defer s.readers.Wait()
	defer close(s.ended)
	failures := 0
	for {
		began := time.Now()
		err := s.round(ctx)
		if err == nil || ctx.Err() != nil {
			s.saveProgress()
			return nil
		}
		text := err.Error()
		s.problem.Store(&text)
		if time.Since(began) >= stableAfter {
			failures = 0
		}
		delay := restartDelay(failures)
		failures++
		when := "now"
		if delay > 0 {
			when = "in " + delay.String()
		}
		s.note(slog.LevelError, fmt.Sprintf("%s; another is started %s", text, when))
		select {
		case <-ctx.Done():
			return nil
		case req := <-s.stop:
			req.reply <- s.cleanUp(ctx)
			return nil
		case <-time.After(delay):
		}
	}
}

// restartDelay is the wait before a start after so many failures in a row.
func restartDelay(failures int) time.Duration {
	if failures == 0 {
		return 0
	}
	d := restartFirst
	for range failures - 1 {
		if d *= 2; d >= restartMax {
			return restartMax
		}
	}
	return d
}

// round is the life of one elector as main sees it. It returns nil after a
// shutdown, or when ctx ended.
func (s *supervisor) round(ctx context.Context) error {
	sess, err := s.obtain(ctx)
	if err != nil {
		return err
	}
	defer sess.close()
	s.problem.Store(nil)
	t := &talk{s: s, session: sess}
	err = t.run(ctx)
	t.end()
	return err
}

// open begins to listen to a session.
func (s *supervisor) open(sess *session) *session {
	if s.seen.Elector != sess.proc.pid() {
		s.seen = progress{Elector: sess.proc.pid()}
	}
	s.setLast(sess.proc)
	s.readers.Go(sess.read)
	return sess
}

func (s *supervisor) setLast(p process) {
	if old, ok := s.last.(*stranger); ok && old != p {
		old.release()
	}
	s.last = p
}

// obtain finds the elector that runs, or starts one.
func (s *supervisor) obtain(ctx context.Context) (*session, error) {
	conn, proc, err := s.electors.dial(ctx)
	if err == nil {
		if own, ok := s.last.(*child); ok && own.pid() == proc.pid() {
			if p, ok := proc.(*stranger); ok {
				p.release()
			}
			proc = own
		}
		sess, err := greet(conn, proc, s.known(proc))
		if err == nil {
			err = s.usable(sess.hello)
			if err == nil && s.renew(sess.hello) {
				sess, err = s.upgrade(ctx, sess)
			}
			if err == nil {
				s.note(slog.LevelInfo, fmt.Sprintf("attached to elector %d", proc.pid()))
				return s.open(sess), nil
			}
			if sess != nil {
				s.note(slog.LevelWarn, fmt.Sprintf("elector %d (%s) is replaced: %v", proc.pid(), sess.hello.Program, err))
				err = s.leave(ctx, s.open(sess))
				sess.close()
				if err == nil {
					return s.startOne(ctx)
				}
			}
		}
		conn.Close()
		s.note(slog.LevelWarn, fmt.Sprintf("elector %d is replaced: %v", proc.pid(), err))
		s.setLast(proc)
	} else if errors.Is(err, errForeign) {
		return nil, fmt.Errorf("talk to elector: %w", err)
	}
	// The one before may have lost its socket only. Two must not run at once.
	if s.last != nil && !s.last.wait(termTimeout/4) {
		s.kill(s.last, unix.SIGTERM)
	}
	return s.startOne(ctx)
}

// known is the last event that main knows of an elector.
func (s *supervisor) known(p process) uint64 {
	if s.seen.Elector == p.pid() {
		return s.seen.Seq
	}
	return 0 // also what was logged already: `hakeep events` shows it
}

// startOne starts an elector and waits until it talks.
func (s *supervisor) startOne(ctx context.Context) (*session, error) {
	proc, err := s.electors.start()
	if err != nil {
		return nil, err
	}
	s.starts.Add(1)
	s.logged = progress{} // its number may be that of an earlier one
	s.setLast(proc)
	born := time.Now()
	for {
		conn, peer, err := s.electors.dial(ctx)
		if err == nil {
			if p, ok := peer.(*stranger); ok {
				defer p.release()
			}
			if peer.pid() != proc.pid() {
				conn.Close()
				s.kill(proc, unix.SIGTERM)
				return nil, fmt.Errorf("start elector: process %d listens in its place", peer.pid())
			}
			return s.begin(conn, proc, born)
		}
		if proc.wait(0) {
			return nil, fmt.Errorf("start elector: it ended at once (%s)", proc.how())
		}
		if time.Since(born) > startTimeout {
			s.kill(proc)
			return nil, fmt.Errorf("start elector: it does not listen after %v: %w", startTimeout, err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(startInterval):
		}
	}
}

// begin greets an elector that was just started.
func (s *supervisor) begin(conn net.Conn, proc process, born time.Time) (*session, error) {
	sess, err := greet(conn, proc, 0)
	if err == nil && sess.hello.Version != wire.Version {
		err = fmt.Errorf("it speaks version %d, and this is version %d: restart hakeep", sess.hello.Version, wire.Version)
	}
	if err != nil {
		conn.Close()
		s.kill(proc)
		return nil, fmt.Errorf("start elector: %w", err)
	}
	sess.born = born
	s.note(slog.LevelInfo, fmt.Sprintf("started elector %d", proc.pid()))
	return s.open(sess), nil
}

// kill ends an elector that does not do what it is asked for. SIGTERM makes it
// leave in a planned way, if it can.
func (s *supervisor) kill(p process, signals ...unix.Signal) {
	for _, sig := range append(signals, unix.SIGKILL) {
		if err := p.signal(sig); err != nil {
			s.log.Error("elector cannot be ended", "pid", p.pid(), "err", err)
		}
		if p.wait(termTimeout) {
			return
		}
	}
	s.log.Error("elector does not end", "pid", p.pid())
}

// leaveTime is how long a planned leave may take.
func (s *supervisor) leaveTime() time.Duration {
	d := leaveTimeout
	if s.desired != nil {
		d += time.Duration(len(s.desired.config.Leftovers)) * leaveAddress
	}
	return d
}

// leave asks an elector to leave in a planned way, and waits for its end.
func (s *supervisor) leave(ctx context.Context, sess *session) error {
	if err := sess.send(&wire.Message{Shutdown: &wire.Shutdown{}}); err != nil {
		return fmt.Errorf("ask elector to leave: %w", err)
	}
	patience := s.leaveTime()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case m, ok := <-sess.incoming:
			switch {
			case !ok && sess.hello.Version != wire.Version && sess.proc.wait(leaveTimeout):
				return nil // another version may say goodbye in another way
			case !ok:
				return fmt.Errorf("elector ended before it had left: %w", sess.err)
			case m.Event != nil:
				s.heard(m.Event)
			case m.Stopped != nil:
				if !sess.proc.wait(termTimeout) {
					s.kill(sess.proc)
				}
				return nil
			}
		case <-timeout.C:
			return fmt.Errorf("elector has not left after %v", patience)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// cleanUp starts an elector only to remove what a dead one has left in the
// kernel.
func (s *supervisor) cleanUp(ctx context.Context) error {
	if s.desired == nil {
		return nil
	}
	sess, err := s.obtain(ctx)
	if err != nil {
		return fmt.Errorf("remove what is left: %w", err)
	}
	defer sess.close()
	empty := &wire.Config{MainTimeout: s.desired.config.MainTimeout, Leftovers: s.desired.config.Leftovers, LeftItems: s.desired.config.LeftItems}
	empty.Digest = digest(empty)
	if err := sess.send(&wire.Message{Config: empty}); err != nil {
		return fmt.Errorf("remove what is left: %w", err)
	}
	if err := s.leave(ctx, sess); err != nil {
		s.kill(sess.proc)
		return fmt.Errorf("remove what is left: %w", err)
	}
	return nil
}
