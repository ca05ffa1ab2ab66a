package notify

import (
	"context"
	"errors"
	"os"
	"time"

	"hakeep/internal/reconcile"
)

// writer is the goroutine that writes to a FIFO.
type writer struct {
	f     *fifo
	pipe  *pipe
	owner FIFO // what the owner of the pipe was taken from
	// held is the line in work; begun says that a part of it was written.
	held  []byte
	begun bool
	retry reconcile.Backoff
	last  *pipe // that was closed
}

// remove takes the FIFO away if it was made here.
func (w *writer) remove() {
	if w.last != nil {
		w.last.remove()
	}
}

// serve writes lines until the context ends, or until it has to leave and
// nothing can be written. The FIFO is closed then.
func (w *writer) serve(ctx context.Context) {
	defer func() {
		w.close()
		if w.held != nil {
			w.f.untake(w.held)
		}
	}()
	for {
		line, cfg, leaving := w.f.take(w.held == nil)
		if line != nil {
			w.held = line
		}
		pause := w.prepare(cfg)
		if pause == 0 && w.held != nil {
			if w.write() {
				continue
			}
			if !leaving && ctx.Err() == nil {
				continue // it waited for room
			}
		}
		if leaving || !w.sleep(ctx, pause) {
			return
		}
	}
}

// prepare opens the FIFO, or does what changed. It returns how long to wait when
// that does not work, and 0 when lines can be written.
func (w *writer) prepare(cfg FIFO) time.Duration {
	if w.pipe != nil && !w.pipe.inPlace() {
		w.f.log.Warn("notify FIFO was removed by another program, it is made again")
		w.close()
	}
	err := w.ensure(cfg)
	w.f.fail(err)
	if err != nil {
		return w.retry.Fail()
	}
	w.retry.Succeed()
	return 0
}

func (w *writer) ensure(cfg FIFO) error {
	if w.pipe == nil {
		p, err := openPipe(cfg)
		if err != nil {
			return err
		}
		w.pipe, w.owner = p, cfg
		w.f.setOpen(true)
		return nil
	}
	if w.owner.User == cfg.User && w.owner.Group == cfg.Group {
		return nil
	}
	if err := w.pipe.chown(cfg); err != nil {
		return err
	}
	w.owner = cfg
	return nil
}

// write writes the line in work. It reports whether all of it was written;
// otherwise it has waited for room.
func (w *writer) write() bool {
	err := w.pipe.file.SetWriteDeadline(time.Now().Add(fifoPatience))
	n := 0
	if err == nil {
		n, err = w.pipe.file.Write(w.held)
	}
	if n == len(w.held) {
		w.held, w.begun = nil, false
		w.f.wrote()
		return true
	}
	w.held, w.begun = w.held[n:], w.begun || n > 0
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		w.f.log.Warn("notify FIFO cannot be written, it is opened again", "err", err)
		w.close()
	}
	return false
}

// close closes the FIFO. A line that was begun is lost: what comes next must
// start a line.
func (w *writer) close() {
	if w.begun {
		w.held, w.begun = nil, false
		w.f.lost()
	}
	if w.pipe == nil {
		return
	}
	w.pipe.file.Close()
	w.last, w.pipe = w.pipe, nil
	w.f.setOpen(false)
}

// sleep waits until there may be something to do; false means that ctx ended.
func (w *writer) sleep(ctx context.Context, pause time.Duration) bool {
	if pause == 0 {
		pause = fifoCheck
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-w.f.wake:
	case <-t.C:
	}
	return true
}
