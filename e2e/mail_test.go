package e2e

import (
	"bufio"
	"fmt"
	"net"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// mailSink is an SMTP server that takes everything.
type mailSink struct {
	mu    sync.Mutex
	mails []string // whole messages
}

func (s *mailSink) add(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, text)
}

// subjects are those of the mails that came, in order.
func (s *mailSink) subjects(t *testing.T) (out []string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range s.mails {
		m, err := netmail.ReadMessage(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		out = append(out, m.Header.Get("Subject"))
	}
	return out
}

// startMailSink listens in a namespace, on loopback.
func startMailSink(t *testing.T, ns *lab.Namespace) (s *mailSink, port int) {
	t.Helper()
	var ln net.Listener
	err := ns.Do(func() (err error) {
		ln, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s = &mailSink{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() { ln.Close() })
	return s, ln.Addr().(*net.TCPAddr).Port
}

// serve is the server's half of RFC 5321, as far as it is needed here.
func (s *mailSink) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	say := func(text string) { fmt.Fprintf(conn, "%s\r\n", text) }
	say("220 sink")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(line[:min(4, len(line))]); verb {
		case "DATA":
			say("354 go on")
			var b strings.Builder
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if strings.TrimRight(line, "\r\n") == "." {
					break
				}
				b.WriteString(line)
			}
			s.add(b.String())
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// TestMail: smtp_alert sends mail at each transition, with keepalived's subjects.
func TestMail(t *testing.T) {
	t.Parallel()
	nstest.RequireTool(t, "keepalived")
	run := func(which string) []string {
		p := newPair(t)
		sink, port := startMailSink(t, p.a)
		var d interface{ State(string) string }
		var stop func() error
		if which == "hakeep" {
			top := asRoot + fmt.Sprintf("router_id = \"lb1\"\nnotification_email = [\"ops@example.org\"]\nnotification_email_from = \"lb1@example.org\"\nsmtp_server = \"127.0.0.1 %d\"\n", port)
			h := nstest.Hakeep(t, p.a, globals(instance{toml: "smtp_alert = true"}, top))
			d, stop = h, func() error { return h.Stop(nstest.Context(t, patience)) }
		} else {
			conf := strings.Replace(instance{conf: " smtp_alert"}.Conf(), "global_defs {", fmt.Sprintf(
				"global_defs {\n router_id lb1\n notification_email {\n  ops@example.org\n }\n notification_email_from lb1@example.org\n smtp_server 127.0.0.1 %d\n", port), 1)
			k := nstest.Keepalived(t, p.a, conf)
			d, stop = k, func() error { return k.Stop(nstest.Context(t, patience)) }
		}
		await := func(state string, mails int) {
			t.Helper()
			nstest.Eventually(t, patience, func() error {
				if s := d.State("VI_1"); s != state {
					return fmt.Errorf("%s: state %s, want %s", which, s, state)
				}
				if got := sink.subjects(t); len(got) < mails {
					return fmt.Errorf("%s: %d mails, want %d: %q", which, len(got), mails, got)
				}
				return nil
			})
		}
		await("MASTER", 2)
		if err := p.portA.Down(); err != nil {
			t.Fatal(err)
		}
		await("FAULT", 3)
		if err := p.portA.Up(); err != nil {
			t.Fatal(err)
		}
		await("MASTER", 5)
		got := sink.subjects(t)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		return got
	}
	h, k := run("hakeep"), run("keepalived")
	t.Logf("%q", h)
	// keepalived has a connection for each mail, so those that follow each other
	// at once may arrive in another order.
	slices.Sort(h)
	slices.Sort(k)
	if !slices.Equal(h, k) {
		t.Errorf("subjects:\nhakeep:     %q\nkeepalived: %q", h, k)
	}
}
