package notify

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func webServer() (virtual Service, real *Service) {
	return Service{Addr: netip.MustParseAddrPort("192.0.2.10:80"), Proto: "tcp"}, &Service{Addr: netip.MustParseAddrPort("10.0.0.1:8080"), Proto: "tcp"}
}

// TestServerScripts: one at a time for each server, the last state wins, and what
// is configured no more is forgotten.
func TestServerScripts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		vs, rs := webServer()
		m, r, _ := bench(t, Spec{Servers: []Target{ServerTarget(vs, rs), ServerTarget(vs, nil)}})
		tell := func(up bool) {
			keyword, cmd := "notify_down", command("/down", "10s")
			if up {
				keyword, cmd = "notify_up", command("/up", "10s")
			}
			m.NotifyServer(ServerEvent{Virtual: vs, Real: rs, Up: up, Keyword: keyword, Command: cmd})
		}
		tell(false)
		synctest.Wait()
		tell(true)
		tell(false)
		tell(true)
		m.NotifyServer(ServerEvent{Virtual: vs, Keyword: "quorum_down", Command: command("/quorum", "1s")})
		m.NotifyServer(ServerEvent{Virtual: vs, Real: rs, Check: true, Keyword: "notify_down", Command: command("/check")})
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]string{"/down 10s", "/quorum 1s", "/up 10s"}, r.list()); diff != "" {
			t.Error(diff)
		}
		s := m.Status().Targets
		if len(s) != 2 || s[1].Target.Kind != RealServer || s[1].Target.Name != "[10.0.0.1]:tcp:8080 [192.0.2.10]:tcp:80" || s[1].Runs != 2 || s[1].Skipped != 2 {
			t.Errorf("%+v", s)
		}
		m.Apply(Spec{})
		synctest.Wait()
		if s := m.Status().Targets; len(s) != 0 {
			t.Errorf("known after their end: %+v", s)
		}
	})
}

// TestServerStop: what is told at the stop runs, what was told before may not.
func TestServerStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		vs, rs := webServer()
		m, r, _ := bench(t, Spec{Servers: []Target{ServerTarget(vs, rs)}})
		m.NotifyServer(ServerEvent{Virtual: vs, Real: rs, Up: true, Keyword: "notify_up", Command: command("/up", "1h")})
		synctest.Wait()
		m.NotifyServer(ServerEvent{Virtual: vs, Real: rs, Final: true, Keyword: "notify_down", Command: command("/down", "2s")})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := m.Stop(ctx); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"/up 1h", "/down 2s"}, r.list()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestServerMail(t *testing.T) {
	t.Parallel()
	vs, rs := webServer()
	for want, e := range map[string]ServerEvent{
		"[lb1] Realserver [10.0.0.1]:tcp:8080 of virtual server [192.0.2.10]:tcp:80 - DOWN": {Virtual: vs, Real: rs, Reason: "connection refused"},
		"[lb1] Realserver [10.0.0.1]:tcp:8080 of virtual server [192.0.2.10]:tcp:80 - UP":   {Virtual: vs, Real: rs, Up: true, Check: true},
		"[lb1] Virtualserver [192.0.2.10]:tcp:80 - UP":                                      {Virtual: vs, Up: true},
	} {
		msg := composeServer("lb1", &e)
		if msg.subject != want || !strings.Contains(msg.body, e.Reason) {
			t.Errorf("mail %q with %q, want %q", msg.subject, msg.body, want)
		}
	}
}
