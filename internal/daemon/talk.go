package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/wire"
)

// talk is the supervisor's side of one session.
type talk struct {
	s *supervisor
	*session

	// silent counts looks since something was asked for that was not answered.
	silent      int
	quiet       int  // looks since a snapshot was asked for
	brief       bool // what was asked for last is a sign of life only
	moved       bool // something has changed since the last full snapshot
	configuring int  // configurations that are under way

	// sent is the configuration that the elector has, or will have when it has read
	// all that was sent; nil if it is not known in whole.
	sent *wire.Config

	saved time.Time // when the progress of events was saved

	// At most one snapshot is under way, for those in asked. Who asks meanwhile
	// waits for the next one: what was under way may be older than the question.
	asking      bool
	number      uint64
	asked, next []chan *wire.Snapshot
}

// run talks until the session ends, which is an error, or until a shutdown or
// the end of ctx.
func (t *talk) run(ctx context.Context) error {
	if err := t.configure(); err != nil {
		return t.gone(err)
	}
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case req := <-t.s.stop:
			req.reply <- t.leave(ctx)
			return nil
		case req := <-t.s.requests:
			err = t.request(req)
		case m, ok := <-t.incoming:
			if !ok {
				return t.gone(t.session.err)
			}
			err = t.message(m)
		case <-t.s.totals.wake:
			err = t.sendTracked(false)
		case <-look.C:
			err = t.look()
		}
		if err != nil {
			return t.gone(err)
		}
	}
}

// leave makes the elector leave in a planned way. If that fails, another one
// removes what it has left behind.
func (t *talk) leave(ctx context.Context) error {
	err := t.s.leave(ctx, t.session)
	if err == nil {
		return nil
	}
	t.s.note(slog.LevelError, err.Error())
	t.session.close()
	t.s.kill(t.proc)
	return t.s.cleanUp(ctx)
}

// gone ends an elector that cannot be talked to any more, and says what
// happened to it.
func (t *talk) gone(err error) error {
	t.session.close()
	if errors.Is(err, errHung) || !t.proc.wait(termTimeout/4) {
		// It may live on, real-time and deaf: two must not run at once.
		t.s.note(slog.LevelError, fmt.Sprintf("elector %d is killed: %v", t.proc.pid(), err))
		if errors.Is(err, errHung) {
			t.s.kill(t.proc)
		} else {
			t.s.kill(t.proc, unix.SIGTERM)
		}
	}
	gone := fmt.Errorf("elector %d is gone (%s)", t.proc.pid(), t.proc.how())
	if errors.Is(err, errHung) || errors.Is(err, errLeft) {
		return fmt.Errorf("%w: %w", gone, err)
	}
	return gone
}

// end answers those who still wait for a snapshot, and keeps the progress.
func (t *talk) end() {
	for _, reply := range append(t.asked, t.next...) {
		close(reply)
	}
	t.asked, t.next = nil, nil
	t.s.saveProgress()
}

func (t *talk) request(req any) error {
	switch r := req.(type) {
	case *applyRequest:
		t.s.desired, t.s.applying = r.target, r
		return t.configure()
	case snapshotRequest:
		t.next = append(t.next, r.reply)
		return t.askSnapshot()
	case holdRequest:
		err := t.hold()
		close(r.reply)
		return err
	}
	panic(fmt.Sprintf("daemon: unknown request %T", req))
}

// configure sends the configuration, unless the elector runs it already.
func (t *talk) configure() error {
	want := t.s.desired
	if want == nil {
		return nil
	}
	if want.config.Digest == t.digest && t.configuring == 0 {
		t.sent = want.config
		names := make([]string, 0, len(want.config.Instances))
		for i := range want.config.Instances {
			names = append(names, want.config.Instances[i].Params.Name)
		}
		t.applied(&wire.Applied{Digest: t.digest, Kept: names})
		return t.catchUp()
	}
	c := *want.config
	if t.sent != nil && t.hello.Bases {
		c = *want.config.Since(t.sent)
	}
	t.sent = want.config
	c.Leftovers = minus(c.Leftovers, keys(want.config))
	since := stableAfter + want.global.StartupDelay // found running: not a start
	if !t.born.IsZero() {
		since = time.Since(t.born)
	}
	c.StartupDelay = startupDelay(&want.global, since, t.s.sinceBoot())
	c.Standby = t.s.held()
	t.configuring++
	return t.send(&wire.Message{Config: &c})
}

// sendTracked tells the elector what tracking adds up to. One that has no
// configuration yet is told with it.
func (t *talk) sendTracked(everything bool) error {
	if want := t.s.desired; want == nil || t.configuring > 0 || t.digest != want.config.Digest {
		return nil
	}
	tracked := t.s.totals.take(everything)
	if len(tracked) == 0 {
		return nil
	}
	return t.send(&wire.Message{Tracked: tracked})
}

// applied answers who asked for the configuration that is in force now.
func (t *talk) applied(a *wire.Applied) {
	t.digest = a.Digest
	t.quiet = t.s.askEvery
	if want := t.s.desired; want == nil || a.Digest != want.config.Digest {
		return // one before
	}
	if req := t.s.applying; req != nil {
		req.reply <- applyReply{applied: a}
		t.s.applying = nil
	}
}

func (t *talk) askSnapshot() error {
	if t.asking || len(t.next) == 0 {
		return nil
	}
	t.asked, t.next = t.next, nil
	return t.sendSnapshotRequest(false)
}

// sendSnapshotRequest asks for the state, or, brief, only for a sign of life.
func (t *talk) sendSnapshotRequest(brief bool) error {
	t.number++
	t.asking, t.quiet = true, 0
	t.brief = brief
	t.moved = t.moved && brief
	return t.send(&wire.Message{SnapshotRequest: &wire.SnapshotRequest{Number: t.number, Brief: brief}})
}

// message takes what the elector says.
func (t *talk) message(m *wire.Message) error {
	switch {
	case m.Event != nil:
		t.s.heard(m.Event)
		if m.Event.Kind == wire.EventTransition {
			t.quiet, t.moved = t.s.askEvery, true // the service manager is told the new state soon
		}
		if time.Since(t.saved) >= lookInterval {
			t.saved = time.Now()
			t.s.saveProgress()
		}
	case m.Snapshot != nil:
		if m.Snapshot.Number != t.number {
			return nil
		}
		t.answered()
		t.asking = false
		for _, reply := range t.asked {
			reply <- m.Snapshot
		}
		t.asked = nil
		if !t.brief {
			t.s.snapshot(m.Snapshot)
		}
		return t.askSnapshot()
	case m.Applied != nil:
		t.answered()
		t.configuring--
		if m.Applied.OtherBase {
			t.digest, t.sent = m.Applied.Digest, nil
			return t.configure()
		}
		t.applied(m.Applied)
		return t.catchUp()
	case m.Stopped != nil:
		// It was told by somebody else, or was without main for too long.
		return errLeft
	}
	return nil
}

func (t *talk) answered() {
	t.silent = 0
	t.s.lastAnswer.Store(time.Now().UnixNano())
}

var (
	// errHung says that an elector does not answer.
	errHung = errors.New("it does not answer")
	// errLeft says that it has left without having been asked to.
	errLeft = errors.New("it has left in a planned way")
)

// look makes sure that the elector answers.
func (t *talk) look() error {
	t.s.saveProgress()
	t.quiet++
	if !t.asking && t.configuring == 0 {
		t.silent = 0
		if t.quiet >= t.s.askEvery {
			return t.sendSnapshotRequest(!t.moved)
		}
		return nil
	}
	t.silent++
	limit := hungLooks
	if t.configuring > 0 { // it answers in order
		limit = configLooks
	}
	if t.silent > limit {
		return errHung
	}
	return nil
}

// heard notes an event.
func (s *supervisor) heard(ev *wire.Event) {
	s.seen.Seq = ev.Seq
	replayed := s.logged.Elector == s.seen.Elector && ev.Seq <= s.logged.Seq
	s.event(ev, replayed)
}

// saveProgress keeps for the next main which events were logged.
func (s *supervisor) saveProgress() {
	if s.seen == s.saved || s.seen.Seq == 0 {
		return
	}
	s.saved = s.seen
	if err := s.save(s.seen); err != nil {
		s.log.Warn("progress of events is not kept", "err", err)
	}
}
