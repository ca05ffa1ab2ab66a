package elector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sync/errgroup"

	"hakeep/arp"
	"hakeep/internal/acd"
	"hakeep/internal/cpus"
	"hakeep/internal/netif"
	"hakeep/internal/wire"
	"hakeep/vrrp/vrrpnet"
)

// Options are what the elector is started with. Everything else it is told by
// main.
type Options struct {
	// RuntimeDir holds the socket.
	RuntimeDir string
	// Realtime asks for real-time scheduling and locked memory.
	Realtime bool
}

// Run is the elector process. It returns when it has left in a planned way, or
// when it cannot work. It executes the program once more; see enterRealtime.
func Run(o Options) error {
	rt, err := enterRealtime(o.Realtime)
	if err != nil {
		return err
	}
	quietCollector()
	// Ctrl-C reaches both processes; what follows from it is main's decision. The
	// signals for dumps are main's as well, and "killall -USR1" sends them to both:
	// USR1, USR2, SIGRTMIN+2 and SIGRTMAX-1 with glibc's numbers.
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.Signal(34+2), syscall.Signal(64-1))
	kept := giveUpRights()
	e, err := open(o, rt)
	if err != nil {
		return err
	}
	if kept != nil {
		e.loop.log("warn", "the elector has more rights than it needs: "+kept.Error())
	}
	return e.run()
}

// elector is the process's parts.
type elector struct {
	loop    *loop
	addrs   *addrThread
	watcher *watcher
	control *control
	// conflicts is nil where its sockets cannot be opened.
	conflicts *acd.Watch

	left chan struct{} // closed when the planned leave is complete
}

// open makes all parts; nothing runs yet.
func open(o Options, rt realtime) (*elector, error) {
	c, err := newClock()
	if err != nil {
		return nil, err
	}
	box, err := newInbox()
	if err != nil {
		return nil, err
	}
	slot, err := newDesiredSlot()
	if err != nil {
		return nil, err
	}
	sockets, err := vrrpnet.Open()
	if err != nil {
		return nil, fmt.Errorf("open VRRP sockets: %w", err)
	}
	sender, err := arp.NewSender()
	if err != nil {
		return nil, fmt.Errorf("open socket for announcements: %w", err)
	}
	watch, err := netif.OpenWatch()
	if err != nil {
		return nil, err
	}
	reader, err := netif.OpenKernel()
	if err != nil {
		return nil, err
	}
	writer, err := netif.OpenKernel()
	if err != nil {
		return nil, err
	}
	before, listener, err := inherited()
	if err == nil && listener == nil {
		listener, err = listen(o.RuntimeDir)
	}
	if err != nil {
		return nil, err
	}
	m, found, err := openMarks(o.RuntimeDir)
	j := newJournal()
	if err != nil {
		j.add(wire.Event{Kind: wire.EventLog, Level: "info", Text: "no instance would go on as master after a crash: " + err.Error()})
	}
	e := &elector{left: make(chan struct{})}
	e.loop = newLoop(c, sockets, sender, box, j, slot)
	e.loop.rt = rt
	e.loop.waits.keep = runtime.GOMAXPROCS(0) >= procs && cpus.Relieved()
	if rt.granted && cpus.Relieved() {
		if e.loop.relief, err = newRelief(); err != nil {
			return nil, err
		}
	}
	e.loop.marks, e.loop.found = m, found
	e.loop.onDone = func() {
		if e.loop.marks != nil {
			e.loop.marks.remove()
		}
		close(e.left)
	}
	e.watcher = &watcher{watch: watch, kernel: reader, table: newLinkTable(), inbox: box, addrs: slot}
	if e.conflicts, err = acd.Open(e.watcher); err == nil {
		e.loop.guard = e.conflicts.Set
	} else {
		j.add(wire.Event{Kind: wire.EventLog, Level: "warn", Text: err.Error()})
	}
	e.addrs = newAddrThread(c, writer, box, slot, rt)
	e.addrs.static, e.addrs.items.follow = e.watcher.static, watch.FollowItems
	e.control = newControl(box, j, listener, &e.loop.waits)
	e.control.realtime = rt.wanted
	if before != nil {
		e.watcher.table.static = staticKeys(before.Config)
		e.loop.takeOver(before)
		e.control.config, e.control.mainTimeout = before.Config, before.MainTimeout
	}
	return e, e.watcher.first()
}

// run starts the threads and waits for the planned leave, or for a failure.
func (e *elector) run() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(e.loop.run)
	g.Go(e.loop.relieve)
	g.Go(func() error { return e.addrs.run(ctx) })
	g.Go(func() error { return e.watcher.run(ctx) })
	g.Go(func() error { return e.watchConflicts(ctx) })
	g.Go(func() error { return e.control.run(ctx) })
	context.AfterFunc(ctx, func() { e.loop.inbox.post(quitMsg{}) })
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	go func() {
		for range terms {
			e.loop.inbox.post(shutdownMsg{})
		}
	}()
	go func() {
		select {
		case <-e.left:
			e.control.stopped()
		case <-ctx.Done():
		}
		cancel()
	}()
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}
