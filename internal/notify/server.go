package notify

import (
	"fmt"
	"strings"
	"time"

	"hakeep/internal/reconcile"
)

// ServerEvent is a virtual server, or a real server of it, that came up or went
// down.
type ServerEvent struct {
	Virtual Service
	// Real is nil for the virtual server itself.
	Real *Service
	Up   bool
	// Check says that it is about one check of several of a server, whose own state
	// has not changed: only mail tells of it.
	Check bool
	// Keyword is that of Command, which is run as a script of an instance is: one at
	// a time for each server, and the last state wins. There may be none.
	Keyword string
	Command Command
	// Mail sends mail.
	Mail bool
	// Final says that hakeep stops: the script is given its time.
	Final bool
	// Time is when it happened, zero for now; Reason says why, for people.
	Time   time.Time
	Reason string
}

// ServerTarget is whose scripts those of a virtual server are, or with real those
// of a real server.
func ServerTarget(virtual Service, real *Service) Target {
	if real == nil {
		return Target{VirtualServer, virtual.String()}
	}
	return Target{RealServer, real.String() + " " + virtual.String()}
}

func (e *ServerEvent) state() State {
	if e.Up {
		return Up
	}
	return Down
}

// ServerLine is what FIFOs receive for a ServerEvent. keepalived 2.2.7 ends it
// with a newline and nothing else.
func ServerLine(e ServerEvent) []byte {
	if e.Real == nil {
		return fmt.Appendf(nil, "VS %s %s\n", e.Virtual, e.state())
	}
	return fmt.Appendf(nil, "RS %s %s %s\n", *e.Real, e.Virtual, e.state())
}

// NotifyServer tells scripts, FIFOs and mail of a virtual or real server.
func (m *Manager) NotifyServer(e ServerEvent) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.phase == done {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if e.Mail {
		m.mail.push(composeServer(m.spec.RouterID, &e))
	}
	if e.Check {
		return
	}
	m.writeLine(ServerLine(e), lvsLines)
	if e.Command.IsZero() {
		return
	}
	t := ServerTarget(e.Virtual, e.Real)
	l := m.lanes[t]
	if l == nil {
		// It stays until its server is configured no more; see Apply.
		l = &lane{hooks: Hooks{Target: t}, removed: !m.servers[t]}
		m.lanes[t] = l
	}
	m.push(l, job{
		event: Event{Target: t, State: e.state(), Time: e.Time, Reason: e.Reason}, state: e.state(), final: e.Final,
		own: []hook{{e.Keyword, e.Command}},
	})
	m.kick()
}

// composeServer writes the mail about a server. The subject is keepalived's.
func composeServer(routerID string, e *ServerEvent) *message {
	what := fmt.Sprintf("Virtualserver %s", e.Virtual)
	if e.Real != nil {
		what = fmt.Sprintf("Realserver %s of virtual server %s", *e.Real, e.Virtual)
	}
	is := "down"
	if e.Up {
		is = "up"
	}
	about := what + " is " + is
	switch {
	case e.Check:
		about = "A check of " + strings.ToLower(what[:1]) + what[1:] + " is " + is + "; the server's state has not changed"
	case e.Real == nil:
		about = what + " has " + map[bool]string{true: "gained", false: "lost"}[e.Up] + " its quorum"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, says %s.\n\n", about, routerID)
	fmt.Fprintf(&b, "Time:     %s\n", e.Time.Format(time.RFC3339))
	if e.Reason != "" {
		fmt.Fprintf(&b, "Reason:   %s\n", e.Reason)
	}
	return &message{
		subject: fmt.Sprintf("[%s] %s - %s", routerID, what, e.state()), body: b.String(), at: e.Time,
		pause: reconcile.Backoff{Min: mailRetryMin, Max: mailRetryMax},
	}
}
