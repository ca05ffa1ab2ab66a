package notify

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"hakeep/internal/reconcile"
)

const (
	// mailQueue bounds the messages that wait; then the oldest is dropped.
	mailQueue = 256
	// mailRetryMin and mailRetryMax bound the pauses between attempts.
	mailRetryMin = 5 * time.Second
	mailRetryMax = 5 * time.Minute
	// mailAge is how long a message is tried. RFC 5321, 4.5.4.1, wants four days of
	// a mail server; an alert is of no use then.
	mailAge = 24 * time.Hour
)

// message is a mail in the queue.
type message struct {
	subject, body string
	at            time.Time // of the event
	seq           uint64    // the order of events
	// to are those who have not got it; nil means all that are configured.
	to    []string
	due   time.Time // the next attempt
	pause reconcile.Backoff
}

// sender hands a message to a server: SMTP, or a test's.
type sender interface {
	send(ctx context.Context, m Mail, msg *message, to []string) sent
}

// sent is the outcome of an attempt.
type sent struct {
	// taken says that the server took the message for at least one recipient; later
	// are the recipients to try again, refused those that will never get it, with
	// the reason.
	taken          bool
	later, refused []string
	// err is why some are to be tried again. Unreachable says that the server does
	// not talk, so that other messages would fare no better.
	err         error
	unreachable bool
}

// compose writes the mail about an event. The subject is keepalived's.
func compose(routerID string, e Event, s State) *message {
	what, kind := "Entering "+s.String()+" state", "Instance"
	switch s {
	case Stop:
		what = "Stopping"
	case Deleted:
		what = "Deleted"
	}
	if e.Target.Kind == Group {
		kind = "Group"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "VRRP %s %s on %s: %s.\n\n", strings.ToLower(kind), e.Target.Name, routerID, sentence(s))
	fmt.Fprintf(&b, "Time:     %s\n", e.Time.Format(time.RFC3339))
	if e.Target.Kind == Instance {
		fmt.Fprintf(&b, "Priority: %d\n", e.Priority)
	}
	if e.Reason != "" {
		fmt.Fprintf(&b, "Reason:   %s\n", e.Reason)
	}
	return &message{
		subject: fmt.Sprintf("[%s] VRRP %s %s - %s", routerID, kind, e.Target.Name, what),
		body:    b.String(), at: e.Time,
		pause: reconcile.Backoff{Min: mailRetryMin, Max: mailRetryMax},
	}
}

func sentence(s State) string {
	switch s {
	case Master:
		return "this router is master now and holds the virtual addresses"
	case Backup:
		return "this router is backup now"
	case Fault:
		return "this router cannot be master, something that it depends on has failed"
	case Stop:
		return "hakeep is being stopped on this router"
	}
	return "it is not configured any more on this router"
}

// mailer sends messages one after the other.
type mailer struct {
	log    *slog.Logger
	sender sender
	done   func() // called when a message has left the queue
	wake   chan struct{}

	mu      sync.Mutex
	cfg     Mail
	queue   []*message // in the order of seq
	seq     uint64
	sending bool
	// hold is when the server may be tried again, pause how long that takes.
	hold  time.Time
	pause reconcile.Backoff
	// leaving says that everything is tried once more and then dropped, expired
	// that there is no time for even that.
	leaving, expired bool
	cancel           context.CancelFunc // of the attempt under way
	status           MailStatus
}

func newMailer(log *slog.Logger, s sender, done func()) *mailer {
	return &mailer{
		log: log, sender: s, done: done, wake: make(chan struct{}, 1),
		pause: reconcile.Backoff{Min: mailRetryMin, Max: mailRetryMax},
	}
}

func (m *mailer) kick() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// apply changes the server and the recipients, also of mail that waits.
func (m *mailer) apply(cfg Mail) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if cfg.Server != m.cfg.Server {
		m.hold = time.Time{}
		m.pause.Succeed()
	}
	m.cfg = cfg
	if n := len(m.queue); n > 0 && !cfg.enabled() {
		m.drop(n, "mail is not configured any more")
	}
	m.kick()
}

// push queues a message.
func (m *mailer) push(msg *message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.cfg.enabled() {
		return
	}
	if len(m.queue) == mailQueue {
		m.drop(1, "too many mails wait")
	}
	m.seq++
	msg.seq = m.seq
	m.queue = append(m.queue, msg)
	m.kick()
}

// drop gives up the oldest n messages.
func (m *mailer) drop(n int, why string) {
	m.log.Warn("mail dropped", "count", n, "subject", m.queue[0].subject, "err", why, "last", m.status.LastError)
	m.status.Dropped += uint64(n)
	m.queue = slices.Delete(m.queue, 0, n)
}

// leave makes the mailer try what it has once, at most for that long.
func (m *mailer) leave(patience time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.leaving {
		m.leaving = true
		time.AfterFunc(patience, m.expire)
	}
	m.kick()
}

// expire ends a stop's patience.
func (m *mailer) expire() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expired = true
	if m.cancel != nil {
		m.cancel()
	}
	m.kick()
}

// drained reports whether nothing is left.
func (m *mailer) drained() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.queue) == 0 && !m.sending
}

func (m *mailer) run(ctx context.Context) {
	for {
		msg, wait := m.next(time.Now())
		if msg != nil {
			m.attempt(ctx, msg)
			m.done()
			continue
		}
		var again <-chan time.Time
		if wait > 0 {
			again = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-m.wake:
		case <-again:
		}
	}
}

// next takes the message that is due, or says when to ask again (0: when woken).
func (m *mailer) next(now time.Time) (*message, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.expired && len(m.queue) > 0 {
		m.drop(len(m.queue), "hakeep is being stopped")
		m.done()
	}
	for len(m.queue) > 0 && now.Sub(m.queue[0].at) > mailAge {
		m.drop(1, "too old")
	}
	var wait time.Duration
	for i, msg := range m.queue {
		due := msg.due
		if m.hold.After(due) {
			due = m.hold
		}
		if m.leaving || !due.After(now) {
			m.queue = slices.Delete(m.queue, i, i+1)
			m.sending = true
			return msg, 0
		}
		if left := due.Sub(now); wait == 0 || left < wait {
			wait = left
		}
	}
	return nil, wait
}

// attempt tries to send a message.
func (m *mailer) attempt(ctx context.Context, msg *message) {
	m.mu.Lock()
	cfg := m.cfg
	ctx, m.cancel = context.WithCancel(ctx)
	if m.expired {
		m.cancel()
	}
	m.mu.Unlock()
	to := msg.to
	if to == nil {
		to = cfg.To
	}
	res := m.sender.send(ctx, cfg, msg, to)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cancel()
	m.sending, m.cancel = false, nil
	m.record(msg, res)
	if len(res.later) == 0 {
		return
	}
	now := time.Now()
	msg.to = res.later
	if res.unreachable {
		msg.to = to
		m.hold = now.Add(m.pause.Fail())
	} else {
		m.pause.Succeed()
		msg.due = now.Add(msg.pause.Fail())
	}
	m.requeue(msg, res.unreachable)
}

// requeue puts a message back where it was, in the order of events.
func (m *mailer) requeue(msg *message, unreachable bool) {
	i := slices.IndexFunc(m.queue, func(o *message) bool { return o.seq > msg.seq })
	if i < 0 {
		i = len(m.queue)
	}
	m.queue = slices.Insert(m.queue, i, msg)
	switch {
	case m.leaving && unreachable:
		m.drop(len(m.queue), "hakeep is being stopped")
	case m.leaving || !m.cfg.enabled():
		m.log.Warn("mail dropped", "count", 1, "subject", msg.subject, "err", "it was refused for now", "last", m.status.LastError)
		m.status.Dropped++
		m.queue = slices.Delete(m.queue, i, i+1)
	case len(m.queue) > mailQueue:
		m.drop(1, "too many mails wait")
	}
}

// record counts, and logs what is new.
func (m *mailer) record(msg *message, res sent) {
	for _, r := range res.refused {
		m.status.Refused++
		m.log.Warn("mail refused", "subject", msg.subject, "err", r)
	}
	if res.taken {
		m.status.Sent++
		m.log.Debug("mail sent", "subject", msg.subject)
	}
	if res.err == nil {
		m.pause.Succeed()
		m.hold = time.Time{}
		if m.status.LastError != "" {
			m.log.Info("mail can be sent again")
			m.status.LastError = ""
		}
		return
	}
	if text := res.err.Error(); text != m.status.LastError {
		m.log.Warn("mail could not be sent, it is tried again", "subject", msg.subject, "err", text)
		m.status.LastError = text
	}
	m.status.Failed++
}

func (m *mailer) snapshot() MailStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.status
	s.Queued = len(m.queue)
	if m.sending {
		s.Queued++
	}
	return s
}
