package elector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/metrics"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/version"
	"hakeep/internal/wire"
)

const (
	// SocketName is the elector's socket in the runtime directory.
	SocketName = "elector.sock"

	// defaultMainTimeout is how long the elector waits for main before it has
	// been told main_timeout.
	defaultMainTimeout = 10 * time.Second

	// helloTimeout bounds the wait for the first message of a connection.
	helloTimeout = 5 * time.Second

	// collectAfter is how many bytes are allocated between two runs of the garbage
	// collector, which does not run by itself. What has been resident once stays
	// so, as memory is locked.
	collectAfter = 8 << 20
)

// control holds the conversation with main. One main is talked to at a time; a
// new one replaces the old.
type control struct {
	inbox    *inbox
	journal  *journal
	listener *net.UnixListener
	realtime bool // wanted
	waits    *waits

	collecting sync.Mutex // guards collected
	collected  uint64     // what had been allocated at the last collection, in bytes

	mu          sync.Mutex // guards what follows
	current     net.Conn
	config      *wire.Config // in force, or about to be
	mainTimeout time.Duration
	away        *time.Timer // runs while there is no main
}

func listen(dir string) (*net.UnixListener, error) {
	path := filepath.Join(dir, SocketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove stale socket: %w", err)
	}
	old := unix.Umask(0o177)
	defer unix.Umask(old)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen for main: %w", err)
	}
	return l, nil
}

func newControl(b *inbox, j *journal, l *net.UnixListener, w *waits) *control {
	return &control{inbox: b, journal: j, listener: l, waits: w, config: &wire.Config{}, mainTimeout: defaultMainTimeout}
}

// run accepts mains until ctx ends. When there is none for main_timeout the
// elector leaves.
func (c *control) run(ctx context.Context) error {
	c.mainAway()
	stop := context.AfterFunc(ctx, func() { _ = c.listener.Close() })
	defer stop()
	for {
		conn, err := c.listener.AcceptUnix()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("accept main: %w", err)
		}
		if err := checkPeer(conn); err != nil {
			c.log("error", err.Error())
			_ = conn.Close()
			continue
		}
		go c.converse(ctx, conn)
	}
}

// checkPeer refuses processes of other users.
func checkPeer(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("look at peer: %w", err)
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return fmt.Errorf("look at peer: %w", err)
	}
	if credErr != nil {
		return fmt.Errorf("look at peer: %w", credErr)
	}
	if uid := int(cred.Uid); uid != 0 && uid != os.Geteuid() {
		return fmt.Errorf("refuse process %d of user %d", cred.Pid, uid)
	}
	return nil
}

func (c *control) log(level, text string) {
	c.journal.add(wire.Event{Kind: wire.EventLog, Level: level, Text: text})
}

// mainAway starts the time after which the elector leaves without main.
func (c *control) mainAway() {
	c.mu.Lock()
	defer c.mu.Unlock()
	timeout := c.mainTimeout
	c.away = time.AfterFunc(timeout, func() {
		c.log("warn", "no main process for "+timeout.String()+": leaving")
		c.inbox.post(shutdownMsg{})
	})
}

// attach makes conn the main that is talked to.
func (c *control) attach(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away != nil {
		c.away.Stop()
		c.away = nil
	}
	if c.current != nil {
		_ = c.current.Close()
	}
	c.current = conn
}

// detach notes that conn is gone.
func (c *control) detach(conn net.Conn) {
	c.mu.Lock()
	last := c.current == conn
	if last {
		c.current = nil
	}
	c.mu.Unlock()
	if last {
		c.mainAway()
	}
}

// converse talks with one main until it goes.
func (c *control) converse(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	wc := wire.NewConn(conn)
	_ = conn.SetReadDeadline(time.Now().Add(helloTimeout))
	m, err := wc.Receive()
	if err != nil || m.Hello == nil {
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	c.mu.Lock()
	digest := c.config.Digest
	c.mu.Unlock()
	hello := &wire.Hello{Version: wire.Version, PID: os.Getpid(), Program: version.String(), Seq: c.journal.lastSeq(), Digest: digest, Realtime: c.realtime, Bases: true}
	if err := wc.Send(&wire.Message{Hello: hello}); err != nil {
		return
	}
	c.attach(conn)
	defer c.detach(conn)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if m.Hello.Version == wire.Version {
		go c.tell(ctx, wc, m.Hello.Seq)
	}
	for {
		m, err := wc.Receive()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				c.log("warn", err.Error())
			}
			return
		}
		if err := c.serve(wc, m); err != nil {
			return
		}
	}
}

// tell sends events to main as they come.
func (c *control) tell(ctx context.Context, wc *wire.Conn, seq uint64) {
	for {
		events := c.journal.after(seq, 256)
		for i := range events {
			if wc.Send(&wire.Message{Event: &events[i]}) != nil {
				return
			}
			seq = events[i].Seq
		}
		if len(events) > 0 {
			c.collect()
			continue
		}
		select {
		case <-c.journal.wake:
		case <-ctx.Done():
			return
		}
	}
}

// serve answers one message.
func (c *control) serve(wc *wire.Conn, m *wire.Message) error {
	switch {
	case m.Config != nil:
		return wc.Send(&wire.Message{Applied: c.configure(m.Config)})
	case m.SnapshotRequest != nil:
		reply := make(chan *wire.Snapshot, 1)
		c.inbox.post(snapshotMsg{brief: m.SnapshotRequest.Brief, reply: reply})
		s := <-reply
		s.Number, s.PID = m.SnapshotRequest.Number, os.Getpid()
		c.collect()
		return wc.Send(&wire.Message{Snapshot: s})
	case m.Standby != nil:
		c.inbox.post(standbyMsg{m.Standby})
	case len(m.Tracked) > 0:
		c.inbox.post(trackedMsg{m.Tracked})
	case m.Upgrade != nil:
		err := c.upgrade(m.Upgrade)
		return wc.Send(&wire.Message{NotUpgraded: &wire.NotUpgraded{Reason: err.Error()}})
	case m.Shutdown != nil:
		c.inbox.post(shutdownMsg{})
	}
	return nil
}

// configure puts a configuration in force.
func (c *control) configure(part *wire.Config) *wire.Applied {
	c.mu.Lock()
	whole, err := part.On(c.config)
	if err != nil { // a main before this one was still heard
		digest := c.config.Digest
		c.mu.Unlock()
		c.log("warn", err.Error())
		return &wire.Applied{Digest: digest, OtherBase: true}
	}
	c.config = whole
	if whole.MainTimeout > 0 {
		c.mainTimeout = whole.MainTimeout
	}
	// In this order also if another main takes over.
	reply := make(chan *wire.Applied, 1)
	c.inbox.post(configMsg{config: whole, reply: reply})
	c.mu.Unlock()
	applied := <-reply
	c.collect()
	return applied
}

// stopped tells main that the elector has left.
func (c *control) stopped() {
	c.mu.Lock()
	conn := c.current
	c.mu.Unlock()
	if conn == nil {
		return
	}
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_ = wire.NewConn(conn).Send(&wire.Message{Stopped: &wire.Stopped{}})
}

// collect runs the garbage collector when much was allocated since the last time,
// by whatever part of the process. Main asks for something every few seconds, so
// it is called often enough.
func (c *control) collect() {
	sample := [1]metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample[:])
	total := sample[0].Value.Uint64()
	if !c.collecting.TryLock() {
		return // it is being done
	}
	defer c.collecting.Unlock()
	if total-c.collected <= collectAfter {
		return
	}
	defer c.waits.untell()
	if c.waits.tell() { // else the next time
		c.collected = total
		collectGarbage()
	}
}
