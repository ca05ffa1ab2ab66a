package notify

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hakeep/internal/nstest"
)

// mailServer is a small SMTP server on loopback. reply, if not nil, answers
// instead of "ok" when it returns something; "" closes the connection.
type mailServer struct {
	listener net.Listener
	reply    func(line string) (answer string, ok bool)

	mu    sync.Mutex
	said  []string // commands of all connections
	mails []string // headers and bodies
}

func serveMail(t *testing.T, reply func(line string) (string, bool)) *mailServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &mailServer{listener: l, reply: reply}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.talk(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return s
}

func (s *mailServer) talk(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	in := bufio.NewScanner(c)
	answer := func(line, usual string) bool {
		if s.reply != nil {
			if a, ok := s.reply(line); ok {
				usual = a
			}
		}
		if usual == "" {
			return false
		}
		_, err := fmt.Fprint(c, usual, "\r\n")
		return err == nil
	}
	if !answer("", "220 test ready") {
		return
	}
	var body []string
	for data := false; in.Scan(); {
		line := in.Text()
		switch {
		case data && line == ".":
			s.mu.Lock()
			s.mails = append(s.mails, strings.Join(body, "\n"))
			s.mu.Unlock()
			data, body = false, nil
			if !answer(".", "250 taken") {
				return
			}
		case data:
			body = append(body, line)
		default:
			s.mu.Lock()
			s.said = append(s.said, line)
			s.mu.Unlock()
			usual := map[string]string{"DATA": "354 go on", "QUIT": "221 bye"}[line]
			if usual == "" {
				usual = "250 ok"
			}
			if !answer(line, usual) {
				return
			}
			data = line == "DATA"
		}
	}
}

func (s *mailServer) commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.said)
}

func (s *mailServer) config(to ...string) Mail {
	return Mail{Server: s.listener.Addr().String(), HELO: "lb1.example", From: "hakeep@lb1.example", To: to, ConnectTimeout: 5 * time.Second}
}

func alert() *message {
	return compose("lb1", Event{Target: inst("VI_1"), State: Master, Priority: 150, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Reason: "master-timeout"}, Master)
}

func TestMailAsSent(t *testing.T) {
	noLeaks(t)
	s := serveMail(t, nil)
	cfg := s.config("a@x.example", "Bob <b@x.example>")
	if res := (smtpSender{}).send(t.Context(), cfg, alert(), cfg.To); !res.taken || res.err != nil || res.later != nil || res.refused != nil {
		t.Fatalf("%+v", res)
	}
	want := []string{"EHLO lb1.example", "MAIL FROM:<hakeep@lb1.example>", "RCPT TO:<a@x.example>", "RCPT TO:<b@x.example>", "DATA", "QUIT"}
	if got := s.commands(); !slices.Equal(got, want) {
		t.Errorf("said %q", got)
	}
	m, err := mail.ReadMessage(strings.NewReader(s.mails[0]))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"Subject": "[lb1] VRRP Instance VI_1 - Entering MASTER state", "From": "<hakeep@lb1.example>",
		"To": "<a@x.example>, \"Bob\" <b@x.example>", "Date": "Fri, 02 Jan 2026 03:04:05 +0000", "Auto-Submitted": "auto-generated",
	} {
		if got := m.Header.Get(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	for _, want := range []string{"VRRP instance VI_1 on lb1: this router is master now", "Time:     2026-01-02T03:04:05Z", "Priority: 150", "Reason:   master-timeout"} {
		if !strings.Contains(s.mails[0], want) {
			t.Errorf("no %q in\n%s", want, s.mails[0])
		}
	}
}

func TestMailServersAnswers(t *testing.T) {
	t.Parallel()
	to := []string{"a@x.example", "b@x.example"}
	answer := func(prefix, a string) func(string) (string, bool) {
		return func(line string) (string, bool) {
			return a, strings.HasPrefix(line, prefix) && (prefix != "" || line == "")
		}
	}
	for name, c := range map[string]struct {
		reply       func(string) (string, bool)
		taken       bool
		later       []string
		refused     int
		unreachable bool
	}{
		"no EHLO":               {reply: answer("EHLO", "502 no"), taken: true},
		"greeting refused":      {reply: answer("", "554 no service"), later: to, unreachable: true},
		"greeting and gone":     {reply: answer("", ""), later: to, unreachable: true},
		"sender never":          {reply: answer("MAIL", "550 no"), refused: 1},
		"sender later":          {reply: answer("MAIL", "451 no"), later: to},
		"shutting down":         {reply: answer("MAIL", "421 no"), later: to, unreachable: true},
		"one never":             {reply: answer("RCPT TO:<a@", "550 no"), taken: true, refused: 1},
		"one later":             {reply: answer("RCPT TO:<b@", "450 greylisted"), taken: true, later: to[1:]},
		"all never":             {reply: answer("RCPT", "550 no"), refused: 2},
		"all later":             {reply: answer("RCPT", "450 no"), later: to},
		"gone at recipient":     {reply: answer("RCPT TO:<b@", ""), later: to, unreachable: true},
		"message never":         {reply: answer(".", "554 spam"), refused: 1},
		"message later":         {reply: answer(".", "452 disk full"), later: to},
		"gone after message":    {reply: answer(".", ""), later: to, unreachable: true},
		"data later":            {reply: answer("DATA", "451 no"), later: to},
		"gone at end":           {reply: answer("QUIT", ""), taken: true},
		"answers without sense": {reply: answer("MAIL", "hello?"), later: to, unreachable: true},
		"endless answer":        {reply: answer("MAIL", strings.Repeat("250-x\r\n", replyLimit/7+1)), later: to, unreachable: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := serveMail(t, c.reply).config(to...)
			res := smtpSender{}.send(t.Context(), cfg, alert(), to)
			if res.taken != c.taken || !slices.Equal(res.later, c.later) || len(res.refused) != c.refused || res.unreachable != c.unreachable {
				t.Errorf("%+v", res)
			}
			if (res.err != nil) != (len(c.later) > 0) {
				t.Errorf("error %v", res.err)
			}
		})
	}
}

func TestMailAddresses(t *testing.T) {
	t.Parallel()
	s := serveMail(t, nil)
	cfg := s.config("nonsense", "a@x.example")
	if res := (smtpSender{}).send(t.Context(), cfg, alert(), cfg.To); !res.taken || len(res.refused) != 1 || !strings.Contains(res.refused[0], "nonsense") {
		t.Errorf("%+v", res)
	}
	cfg.From = "nonsense"
	if res := (smtpSender{}).send(t.Context(), cfg, alert(), cfg.To); res.taken || len(res.refused) != 1 || res.later != nil {
		t.Errorf("%+v", res)
	}
	// Nothing of the configuration gets into the protocol.
	cfg = s.config("a@x.example\r\nDATA")
	if res := (smtpSender{}).send(t.Context(), cfg, alert(), cfg.To); res.taken {
		t.Errorf("%+v", res)
	}
	m := alert()
	m.subject = "a\r\nBcc: c@x.example"
	cfg = s.config("a@x.example")
	if res := (smtpSender{}).send(t.Context(), cfg, m, cfg.To); res.taken && strings.Contains(s.mails[len(s.mails)-1], "\nBcc:") {
		t.Error("a header came from the subject")
	}
}

// TestMailServerHangs: a server that says nothing holds up mail only as long as
// the context.
func TestMailServerHangs(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	cfg := Mail{Server: l.Addr().String(), From: "a@x.example", To: []string{"a@x.example"}}
	if res := (smtpSender{}).send(ctx, cfg, alert(), cfg.To); !res.unreachable || len(res.later) != 1 {
		t.Errorf("%+v", res)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestMailThroughManager: from the event to the server, also at a stop.
func TestMailThroughManager(t *testing.T) {
	noLeaks(t)
	s := serveMail(t, nil)
	m := New(Options{Logger: discard()})
	m.Apply(Spec{RouterID: "lb1", Hooks: []Hooks{{Target: inst("A"), SMTPAlert: true}, {Target: inst("B")}}, Mail: s.config("a@x.example")})
	started(t, m)
	m.tell(inst("A"), Master, 1)
	m.tell(inst("B"), Master, 1) // without smtp_alert
	nstest.Eventually(t, 5*time.Second, func() error {
		if got := m.Status().Mail; got.Sent != 1 {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	m.tell(inst("A"), Stop, 1)
	if err := m.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mails) != 2 || !strings.Contains(s.mails[1], "Subject: [lb1] VRRP Instance A - Stopping") {
		t.Errorf("%q", s.mails)
	}
}
