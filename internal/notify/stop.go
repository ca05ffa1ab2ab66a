package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// stopTimeout bounds Stop when its context does not.
	stopTimeout = 10 * time.Second
	// mailGrace is how long a stop waits for mail: its server may be what went down.
	mailGrace = 3 * time.Second
)

// Stop lets what was told come to its end: scripts, above all those of Stop
// events, lines to FIFOs, and each mail once. Then the readers of FIFOs are
// ended, and Run returns. Scripts that are not for a Stop have half of the time
// that ctx gives (10 s without a deadline); when all of it is over everything is
// broken off, and the error names what that was. Stop then does not wait for the
// processes to die, Run does.
func (m *Manager) Stop(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, stopTimeout)
		defer cancel()
	}
	if !m.beginStop(ctx) {
		return nil
	}
	m.kick()
	select {
	case <-m.ended:
		return nil
	case <-ctx.Done():
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	left := m.unfinished()
	m.cancel()
	if len(left) == 0 {
		return nil // has just ended
	}
	return fmt.Errorf("stop notifications: broken off: %s: %w", strings.Join(left, ", "), ctx.Err())
}

// beginStop reports whether there is anything to wait for.
func (m *Manager) beginStop(ctx context.Context) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch m.phase {
	case fresh:
		m.phase = done
		close(m.ended)
		return false
	case working:
		m.phase = stopping
		deadline, _ := ctx.Deadline()
		left := time.Until(deadline)
		m.hurry = time.Now().Add(left / 2)
		m.mail.leave(min(mailGrace, left/2))
	}
	return true
}

// unfinished names what a stop waits for.
func (m *Manager) unfinished() []string {
	var left []string
	for t, l := range m.lanes {
		switch {
		case l.running != nil:
			left = append(left, l.running.hook.name+" of "+t.Name)
		case !l.idle():
			left = append(left, "scripts of "+t.Name)
		}
	}
	for path, f := range m.fifos {
		if !f.ended() {
			left = append(left, "FIFO "+path)
		}
	}
	if !m.mail.drained() {
		left = append(left, "mail")
	}
	slices.Sort(left)
	return left
}
