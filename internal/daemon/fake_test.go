package daemon

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/wire"
)

// fakeElectors are electors of which a test says how they behave. They speak
// the real protocol over pipes.
type fakeElectors struct {
	mu      sync.Mutex // guards what follows
	all     []*fakeElector
	running *fakeElector         // listens; nil: nobody
	prepare func(*fakeElector)   // for each that is started
	starts  []time.Time          // when
	refuse  func() (error, bool) // start fails
}

var (
	_ electors = (*fakeElectors)(nil)
	_ process  = (*fakeElector)(nil)
)

// fakeElector is one of them.
type fakeElector struct {
	of      *fakeElectors
	id      int
	version int  // of the protocol
	dumb    bool // does not even say Hello
	mute    bool // answers nothing but Hello
	deaf    bool // ignores signals other than SIGKILL
	stuck   bool // does not leave when asked to
	dies    bool // ends before it has left
	stays   bool // executes no other program

	mu       sync.Mutex // guards what follows
	digest   string
	events   []wire.Event
	configs  []*wire.Config
	sent     []int // how many instances each configuration that it was sent has
	asked    int   // snapshots
	held     map[string]bool
	upgrades int
	told     []wire.Standby
	master   netip.Addr // of those that are held back
	stops    int        // Shutdown messages
	signals  []unix.Signal
	conns    []net.Conn
	hellos   []wire.Hello
	hold     chan struct{} // snapshots wait for it, if not nil
	once     sync.Once
	done     chan struct{}
}

func (f *fakeElectors) add(prepare func(*fakeElector)) *fakeElector {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := &fakeElector{of: f, id: 100 + len(f.all), version: wire.Version, done: make(chan struct{})}
	if prepare != nil {
		prepare(e)
	}
	f.all = append(f.all, e)
	f.running = e
	return e
}

func (f *fakeElectors) start() (process, error) {
	f.mu.Lock()
	prepare := f.prepare
	f.starts = append(f.starts, time.Now())
	refuse := f.refuse
	f.mu.Unlock()
	if refuse != nil {
		if err, dead := refuse(); err != nil {
			return nil, err
		} else if dead {
			e := f.add(prepare)
			e.end()
			return e, nil
		}
	}
	return f.add(prepare), nil
}

func (f *fakeElectors) dial(context.Context) (net.Conn, process, error) {
	f.mu.Lock()
	e := f.running
	f.mu.Unlock()
	if e == nil {
		return nil, nil, syscall.ECONNREFUSED
	}
	ours, theirs := net.Pipe()
	e.mu.Lock()
	e.conns = append(e.conns, theirs)
	e.mu.Unlock()
	go e.serve(theirs)
	return ours, e, nil
}

// latest is the elector that was started last.
func (f *fakeElectors) latest() *fakeElector {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.all) == 0 {
		return nil
	}
	return f.all[len(f.all)-1]
}

func (f *fakeElectors) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.starts)
}

func (f *fakeElectors) startTimes() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]time.Time(nil), f.starts...)
}

// end ends all of them, for the end of a test.
func (f *fakeElectors) end() {
	f.mu.Lock()
	all := append([]*fakeElector(nil), f.all...)
	f.mu.Unlock()
	for _, e := range all {
		e.end()
	}
}

// end is the end of the process.
func (e *fakeElector) end() {
	e.once.Do(func() {
		e.of.mu.Lock()
		if e.of.running == e {
			e.of.running = nil
		}
		e.of.mu.Unlock()
		e.mu.Lock()
		for _, c := range e.conns {
			c.Close()
		}
		e.mu.Unlock()
		close(e.done)
	})
}

func (e *fakeElector) pid() int { return e.id }

func (e *fakeElector) signal(sig unix.Signal) error {
	e.mu.Lock()
	e.signals = append(e.signals, sig)
	e.mu.Unlock()
	if sig == unix.SIGKILL || !e.deaf {
		e.end()
	}
	return nil
}

func (e *fakeElector) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-e.done:
		return true
	default:
	}
	select {
	case <-e.done:
		return true
	case <-t.C:
		return false
	}
}

func (e *fakeElector) how() string { return "fake end" }

func (e *fakeElector) lock(fn func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	fn()
}

// applied are the configurations that it was sent.
func (e *fakeElector) applied() []*wire.Config {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]*wire.Config(nil), e.configs...)
}

// emit sends an event to the latest main.
func (e *fakeElector) emit(ev wire.Event) error {
	e.mu.Lock()
	ev.Seq = uint64(len(e.events) + 1)
	e.events = append(e.events, ev)
	if len(e.conns) == 0 {
		e.mu.Unlock()
		return errors.New("no main")
	}
	c := e.conns[len(e.conns)-1]
	e.mu.Unlock()
	return wire.NewConn(c).Send(&wire.Message{Event: &ev})
}

func (e *fakeElector) serve(c net.Conn) {
	wc := wire.NewConn(c)
	m, err := wc.Receive()
	if err != nil || m.Hello == nil {
		c.Close()
		return
	}
	if e.dumb {
		<-e.done
		return
	}
	e.mu.Lock()
	e.hellos = append(e.hellos, *m.Hello)
	hello := &wire.Hello{Version: e.version, PID: e.id, Program: "fake", Seq: uint64(len(e.events)), Digest: e.digest, Bases: true}
	replay := append([]wire.Event(nil), e.events[min(int(m.Hello.Seq), len(e.events)):]...)
	e.mu.Unlock()
	if wc.Send(&wire.Message{Hello: hello}) != nil {
		return
	}
	go func() { // as the elector does: it reads while it tells
		for i := range replay {
			if wc.Send(&wire.Message{Event: &replay[i]}) != nil {
				return
			}
		}
	}()
	for {
		m, err := wc.Receive()
		if err != nil {
			return
		}
		e.answer(wc, m)
	}
}

func (e *fakeElector) answer(wc *wire.Conn, m *wire.Message) {
	switch {
	case m.Config != nil:
		var whole *wire.Config
		var err error
		e.lock(func() {
			var base *wire.Config
			if n := len(e.configs); n > 0 && e.configs[n-1].Digest == e.digest {
				base = e.configs[n-1]
			}
			e.sent = append(e.sent, len(m.Config.Instances))
			if whole, err = m.Config.On(base); err == nil {
				e.configs = append(e.configs, whole)
				e.standBy(m.Config.Standby, true)
			}
		})
		if err != nil {
			_ = wc.Send(&wire.Message{Applied: &wire.Applied{Digest: e.digest, OtherBase: true}})
			return
		}
		if e.mute {
			return
		}
		applied := &wire.Applied{Digest: m.Config.Digest}
		for _, in := range whole.Instances {
			applied.Added = append(applied.Added, in.Params.Name)
		}
		e.lock(func() { e.digest = m.Config.Digest })
		_ = wc.Send(&wire.Message{Applied: applied})
	case m.SnapshotRequest != nil:
		var hold chan struct{}
		e.lock(func() { e.asked++; hold = e.hold })
		if e.mute {
			return
		}
		if hold != nil {
			select {
			case <-hold:
			case <-e.done:
				return
			}
		}
		_ = wc.Send(&wire.Message{Snapshot: e.snapshot(m.SnapshotRequest.Number)})
	case m.Standby != nil:
		e.lock(func() {
			e.told = append(e.told, *m.Standby)
			e.standBy(m.Standby.Instances, m.Standby.On)
		})
	case m.Upgrade != nil:
		e.lock(func() { e.upgrades++ })
		if e.stays {
			_ = wc.Send(&wire.Message{NotUpgraded: &wire.NotUpgraded{Reason: "another state"}})
		} else {
			_ = wc.Close()
		}
	case m.Shutdown != nil:
		e.lock(func() { e.stops++ })
		switch {
		case e.stuck:
		case e.dies:
			e.end()
		default:
			_ = wc.Send(&wire.Message{Stopped: &wire.Stopped{}})
			e.end()
		}
	}
}

// standBy is called with mu locked.
func (e *fakeElector) standBy(names []string, on bool) {
	if e.held == nil {
		e.held = map[string]bool{}
	}
	for _, name := range names {
		e.held[name] = on
	}
}

// heldBack are those that it holds back.
func (e *fakeElector) heldBack() (names []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, on := range e.held {
		if on {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// snapshot says that every instance is master that is not held back.
func (e *fakeElector) snapshot(number uint64) *wire.Snapshot {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &wire.Snapshot{Number: number, PID: e.id, Time: time.Now(), Digest: e.digest, Realtime: true}
	if n := len(e.configs); n > 0 {
		for i := range e.configs[n-1].Instances {
			in := wire.InstanceStatus{Name: e.configs[n-1].Instances[i].Params.Name, State: "MASTER", Counters: wire.Counters{AdvertsSent: 7, BecameMaster: 1}}
			if e.held[in.Name] {
				in.State, in.Standby, in.Master = "BACKUP", true, e.master
			}
			s.Instances = append(s.Instances, in)
		}
	}
	return s
}
