package notify

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"hakeep/internal/reconcile"
)

const (
	// fifoQueue bounds the lines that wait while a FIFO is full or cannot be opened.
	fifoQueue = 4096
	// fifoPatience is how long a write waits for room before the FIFO is looked at
	// again, and how long the end waits.
	fifoPatience = 500 * time.Millisecond
	// fifoCheck is how often an idle FIFO is looked at: somebody may have removed it.
	fifoCheck = 10 * time.Second
	// fifoRetryMin and fifoRetryMax bound the pauses between attempts to open it.
	fifoRetryMin = time.Second
	fifoRetryMax = time.Minute
	// readerGrace is how long a reader has after the FIFO was closed, before it is
	// asked to end.
	readerGrace = time.Second
)

// fifo writes lines to a named pipe and keeps its reader running. Its goroutines
// live from start until leave, or until the context ends.
type fifo struct {
	log  *slog.Logger
	run  runner
	kick func() // tells the Manager that it has ended
	wake chan struct{}

	mu     sync.Mutex
	cfg    FIFO
	policy Policy
	queue  [][]byte
	// started, leaving and over are the phases of its life.
	started, leaving, over bool
	// rest is how many lines are written before it ends; later ones are for a
	// successor.
	rest   int
	open   bool
	reader *reader
	status FIFOStatus
	// full is the number of lines dropped before this spell, while one lasts.
	full *uint64
}

func newFIFO(log *slog.Logger, run runner, kick func(), cfg FIFO, policy Policy) *fifo {
	f := &fifo{log: log.With("fifo", cfg.Path), run: run, kick: kick, wake: make(chan struct{}, 1), cfg: cfg, policy: policy}
	f.reader = newReader(f)
	return f
}

// successor is a FIFO at the path of one that has ended, with its lines.
func (f *fifo) successor(cfg FIFO) *fifo {
	n := newFIFO(f.log, f.run, f.kick, cfg, f.policy)
	n.log = f.log
	f.mu.Lock()
	defer f.mu.Unlock()
	n.queue, f.queue = f.queue, nil
	return n
}

func (f *fifo) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// push queues a line. When there is no room the oldest one goes: the newest
// state has to arrive.
func (f *fifo) push(line []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == fifoQueue {
		if f.full == nil {
			before := f.status.Dropped
			f.full = &before
			f.log.Warn("notify FIFO is full and nobody reads it: the oldest lines are dropped", "waiting", fifoQueue)
		}
		f.queue, f.rest = f.queue[1:], max(0, f.rest-1)
		f.status.Dropped++
	}
	f.queue = append(f.queue, line)
	f.poke()
}

// apply changes owner, lines and reader; the path stays.
func (f *fifo) apply(cfg FIFO, policy Policy) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.leaving || f.cfg.equal(cfg) && f.policy == policy {
		return
	}
	other := !f.cfg.Script.equal(cfg.Script) || f.policy != policy
	f.cfg, f.policy = cfg, policy
	f.poke()
	if other {
		f.reader.restart()
	}
}

// start starts its goroutines, once.
func (f *fifo) start(ctx context.Context, wg *sync.WaitGroup) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.started || f.over {
		return
	}
	f.started = true
	wg.Go(func() { f.serve(ctx) })
}

// leave ends it when what waits was written, or is not read.
func (f *fifo) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.leaving {
		f.leaving, f.rest = true, len(f.queue)
	}
	f.over = f.over || !f.started
	f.poke()
	f.reader.poke()
}

func (f *fifo) ended() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.over
}

// serve writes until the end; then the reader sees the end of the FIFO, and is
// ended if that is not enough for it.
func (f *fifo) serve(ctx context.Context) {
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.reader.serve(reading)
	}()
	w := writer{f: f, retry: reconcile.Backoff{Min: fifoRetryMin, Max: fifoRetryMax}}
	w.serve(ctx)
	f.setOpen(false)
	select {
	case <-ended:
	case <-ctx.Done():
	case <-time.After(readerGrace):
	}
	cancel()
	<-ended
	w.remove()
	f.mu.Lock()
	f.over = true
	f.mu.Unlock()
	f.kick()
}

func (f *fifo) setOpen(open bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = open
	f.reader.poke()
}

// take removes the oldest line from the queue, and tells what is configured.
func (f *fifo) take(wanted bool) (line []byte, cfg FIFO, leaving bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if wanted && len(f.queue) > 0 && (!f.leaving || f.rest > 0) {
		line, f.queue, f.rest = f.queue[0], f.queue[1:], max(0, f.rest-1)
	}
	return line, f.cfg, f.leaving
}

// untake puts a line back that was not written.
func (f *fifo) untake(line []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = slices.Insert(f.queue, 0, line)
}

// wrote counts a line, and says so when a FIFO that was full is read again.
func (f *fifo) wrote() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Written++
	if f.full != nil && len(f.queue) == 0 {
		f.log.Info("notify FIFO is read again", "dropped", f.status.Dropped-*f.full)
		f.full = nil
	}
}

// lost counts a line of which only a part was written.
func (f *fifo) lost() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Dropped++
}

// fail records why the FIFO cannot be used, and logs what is new; nil is success.
func (f *fifo) fail(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if text == f.status.Error {
		return
	}
	f.status.Error = text
	if err != nil {
		f.log.Error("notify FIFO cannot be used, it is tried again", "err", err)
		return
	}
	f.log.Info("notify FIFO can be used again")
}

func (f *fifo) snapshot() FIFOStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.status
	s.Path, s.Open, s.Waiting = f.cfg.Path, f.open && !f.leaving, len(f.queue)
	f.reader.fill(&s)
	return s
}
