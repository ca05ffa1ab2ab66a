package track

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// scanFast is how often all processes are looked at where there are no events,
	// scanSlow where there are: a safety net.
	scanFast = time.Second
	scanSlow = 30 * time.Second
	// scanPause is the least time between two looks after events were lost.
	scanPause = 100 * time.Millisecond
	// proofTime is how long the kernel may take to confirm that it sends events.
	proofTime = time.Second
	// maxPidfds bounds the descriptors that tell at once of the end of a process
	// where there are no events. The ends of others are seen by the next scan.
	maxPidfds = 512
)

// procWatcher counts processes.
type procWatcher struct {
	log    *slog.Logger
	report func(p Process, count int, ok bool, source string)
	fs     procfs
	// open is openConnector, fast is scanFast; tests have their own.
	open func() (*connector, error)
	fast time.Duration
	poke chan struct{} // room for one

	mu   sync.Mutex
	want []Process
	wake int // eventfd while watch runs, else -1
}

func newProcWatcher(log *slog.Logger, report func(Process, int, bool, string)) *procWatcher {
	return &procWatcher{log: log, report: report, fs: "/proc", open: openConnector, fast: scanFast, poke: make(chan struct{}, 1), wake: -1}
}

// set replaces what is counted.
func (w *procWatcher) set(want []Process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.want = want
	select {
	case w.poke <- struct{}{}:
	default:
	}
	w.ring()
}

// ring ends a poll. The caller holds the mutex.
func (w *procWatcher) ring() {
	if w.wake >= 0 {
		_, _ = unix.Write(w.wake, []byte{1, 0, 0, 0, 0, 0, 0, 1}) // full is rung already
	}
}

// run counts until ctx is done. While nothing is to be counted it costs
// nothing.
func (w *procWatcher) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.poke:
		}
		if len(w.wanted()) == 0 {
			continue
		}
		if err := w.watch(ctx); err != nil {
			return err
		}
	}
}

func (w *procWatcher) wanted() []Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.want
}

// watch counts until nothing is to be counted.
func (w *procWatcher) watch(ctx context.Context) error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("count processes: %w", err)
	}
	w.mu.Lock()
	w.wake = fd
	w.mu.Unlock()
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ring()
	})
	s := &procSession{w: w, begin: time.Now(), pidfds: map[int]int{}, wake: fd}
	defer func() {
		stop()
		s.close()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.wake = -1
		_ = unix.Close(fd)
	}()
	s.subscribe()
	for ctx.Err() == nil {
		if want := w.wanted(); !s.adopt(want) {
			return nil
		}
		s.judge()
		if err := s.poll(); err != nil {
			return err
		}
	}
	return nil
}

// counted is a tracked process and its judge.
type counted struct {
	spec   Process
	quorum Quorum
	told   bool
	count  int
	ok     bool
}

// procSession is one time of watching; one goroutine owns it.
type procSession struct {
	w      *procWatcher
	begin  time.Time
	wake   int
	conn   *connector // nil where there are no events
	source string
	table  *procTable
	list   []*counted
	pidfds map[int]int   // process → descriptor; only without conn
	scan   time.Duration // when to look at all processes
	// scanned is when that was done last.
	scanned time.Duration
}

func (s *procSession) now() time.Duration { return time.Since(s.begin) }

// subscribe asks for events.
func (s *procSession) subscribe() {
	conn, err := s.w.open()
	if err != nil {
		s.withoutEvents(err)
		return
	}
	s.conn, s.source = conn, "process events"
}

// withoutEvents goes on by looking at all processes.
func (s *procSession) withoutEvents(why error) {
	if s.conn != nil {
		s.conn.close()
		s.conn = nil
	}
	s.source = fmt.Sprintf("all processes every %v: %v", s.w.fast, why)
	s.scan = 0
	s.w.log.Info("tracked processes are polled", "interval", s.w.fast, "err", why)
	for _, c := range s.list {
		c.told = false // the source changed
	}
}

// adopt takes what is to be counted, keeping the judges of what is the same. It
// reports whether there is anything.
func (s *procSession) adopt(want []Process) bool {
	if s.table != nil && sameProcesses(s.table.want, want) {
		return true
	}
	old := s.list
	s.list = nil
	for _, p := range want {
		c := &counted{spec: p, quorum: Quorum{Min: p.Quorum, Max: p.QuorumMax, Gain: p.ForkDelay, Loss: p.TerminateDelay}}
		for _, o := range old {
			if o.spec.equal(p) {
				c = o
			}
		}
		s.list = append(s.list, c)
	}
	s.table = newProcTable(want)
	s.scan = 0
	return len(want) > 0
}

func sameProcesses(a, b []Process) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].equal(b[i]) {
			return false
		}
	}
	return true
}

// judge looks at all processes if that is due, and tells what has changed.
func (s *procSession) judge() {
	now := s.now()
	if now >= s.scan {
		if err := s.w.fs.scan(s.table); err != nil {
			s.w.log.Warn("processes not counted", "err", err)
		}
		s.scanned = s.now()
		s.scan = s.scanned + s.w.fast
		if s.conn != nil {
			s.scan = s.scanned + scanSlow
		}
	}
	if s.conn == nil {
		s.openPidfds()
	}
	for i, c := range s.list {
		n := s.table.count[i]
		c.quorum.Count(now, n)
		if c.told && c.count == n && c.ok == c.quorum.OK() {
			continue
		}
		c.told, c.count, c.ok = true, n, c.quorum.OK()
		s.w.report(c.spec, n, c.ok, s.source)
	}
}

// poll waits for the next event or deadline.
func (s *procSession) poll() error {
	fds := []unix.PollFd{{Fd: int32(s.wake), Events: unix.POLLIN}}
	var pids []int
	if s.conn != nil {
		fds = append(fds, unix.PollFd{Fd: int32(s.conn.fd), Events: unix.POLLIN})
	}
	for pid, fd := range s.pidfds {
		pids = append(pids, pid)
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	// Rounded up: a deadline must have passed when it is looked at.
	wait := int((max(s.deadline()-s.now(), 0) + time.Millisecond - 1) / time.Millisecond)
	if _, err := unix.Poll(fds, wait); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for process events: %w", err)
	}
	var drain [8]byte
	_, _ = unix.Read(s.wake, drain[:])
	if s.conn != nil {
		s.readEvents()
		return nil
	}
	for i, pid := range pids {
		if fds[1+i].Revents != 0 {
			s.closePidfd(pid)
			s.table.exit(pid)
		}
	}
	return nil
}

// deadline is when poll must end.
func (s *procSession) deadline() time.Duration {
	next := s.scan
	if s.conn != nil && !s.conn.proof {
		next = min(next, proofTime)
	}
	for _, c := range s.list {
		if due, ok := c.quorum.Next(); ok {
			next = min(next, due)
		}
	}
	return next
}

// readEvents steps the events that have come.
func (s *procSession) readEvents() {
	lost, err := s.conn.read(func(ev procEvent) {
		switch ev.what {
		case procFork:
			s.table.fork(ev.parent, ev.pid)
		case procExec, procComm:
			s.w.fs.look(s.table, ev.pid)
		case procExit:
			s.table.exit(ev.pid)
		}
	})
	if lost {
		s.scan = min(s.scan, s.scanned+scanPause)
	}
	if err == nil && !s.conn.proof && s.now() >= proofTime {
		err = errors.New("the kernel sends none in this namespace")
	}
	if err != nil {
		s.withoutEvents(err)
	}
}

// openPidfds opens descriptors of the processes that count, and closes those of
// others.
func (s *procSession) openPidfds() {
	for pid := range s.pidfds {
		if s.table.have[pid] == nil {
			s.closePidfd(pid)
		}
	}
	for pid := range s.table.have {
		if len(s.pidfds) >= maxPidfds {
			return
		}
		if _, ok := s.pidfds[pid]; ok {
			continue
		}
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			s.pidfds[pid] = fd
		}
	}
}

func (s *procSession) closePidfd(pid int) {
	_ = unix.Close(s.pidfds[pid])
	delete(s.pidfds, pid)
}

func (s *procSession) close() {
	for pid := range s.pidfds {
		s.closePidfd(pid)
	}
	if s.conn != nil {
		s.conn.close()
	}
}
