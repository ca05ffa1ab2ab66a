package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeSender answers by a function, and records when it was asked.
type fakeSender struct {
	answer func(n int, msg *message, to []string) sent

	mu    sync.Mutex
	begin time.Time
	log   []string
}

func (f *fakeSender) send(ctx context.Context, _ Mail, msg *message, to []string) sent {
	f.mu.Lock()
	n := len(f.log)
	subject := msg.subject[strings.LastIndexByte(msg.subject[:strings.Index(msg.subject, " - ")], ' ')+1:]
	f.log = append(f.log, fmt.Sprintf("%v %s to %s", time.Since(f.begin), subject, strings.Join(to, ",")))
	f.mu.Unlock()
	res := f.answer(n, msg, to)
	if res.err == errHang {
		<-ctx.Done()
		return sent{later: to, err: ctx.Err(), unreachable: true}
	}
	return res
}

func (f *fakeSender) list() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

var (
	errHang = errors.New("hang")
	errDown = errors.New("connection refused")
)

func down(to []string) sent { return sent{later: to, err: errDown, unreachable: true} }

// post is a Manager with mail for the instances A and B in virtual time.
func post(t *testing.T, answer func(n int, msg *message, to []string) sent) (*Manager, *fakeSender, *logBuffer) {
	t.Helper()
	f, l := &fakeSender{answer: answer, begin: time.Now()}, &logBuffer{}
	m := newManager(Options{Logger: l.logger()}, &fakeRunner{}, f)
	m.Apply(mailSpec())
	started(t, m)
	synctest.Wait()
	return m, f, l
}

func mailSpec() Spec {
	return Spec{
		RouterID: "r", Hooks: []Hooks{{Target: inst("A"), SMTPAlert: true}, {Target: inst("B"), SMTPAlert: true}},
		Mail: Mail{Server: "mail:25", From: "f@x", To: []string{"a", "b"}},
	}
}

func TestMailIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, f, l := post(t, func(n int, _ *message, to []string) sent {
			if n < 4 {
				return down(to)
			}
			return sent{taken: true}
		})
		m.tell(inst("A"), Master, 1)
		m.tell(inst("B"), Master, 1)
		time.Sleep(10 * time.Minute)
		want := []string{ // 5, 10, 20, 40 s; one message knocks for all
			"0s A - Entering MASTER state to a,b", "5s A - Entering MASTER state to a,b", "15s A - Entering MASTER state to a,b",
			"35s A - Entering MASTER state to a,b", "1m15s A - Entering MASTER state to a,b", "1m15s B - Entering MASTER state to a,b",
		}
		if diff := cmp.Diff(want, f.list()); diff != "" {
			t.Error(diff)
		}
		if s := m.Status().Mail; s != (MailStatus{Sent: 2, Failed: 4}) {
			t.Errorf("%+v", s)
		}
		if n := strings.Count(l.String(), "connection refused"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, l)
		}
		if !strings.Contains(l.String(), "mail can be sent again") {
			t.Error("nothing is said about the recovery")
		}
	})
}

// TestMailOnePauses: a recipient who is put off does not hold up other mail, and
// nobody gets a message twice.
func TestMailOnePauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, f, _ := post(t, func(n int, _ *message, _ []string) sent {
			if n == 0 {
				return sent{taken: true, later: []string{"b"}, err: errors.New("greylisted")}
			}
			return sent{taken: true}
		})
		m.tell(inst("A"), Master, 1)
		m.tell(inst("B"), Master, 1)
		time.Sleep(time.Minute)
		want := []string{"0s A - Entering MASTER state to a,b", "0s B - Entering MASTER state to a,b", "5s A - Entering MASTER state to b"}
		if diff := cmp.Diff(want, f.list()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestMailIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, f, l := post(t, func(_ int, _ *message, to []string) sent { return down(to) })
		for i := range 400 {
			m.tell(inst("A"), []State{Master, Backup}[i%2], 1)
		}
		synctest.Wait()
		if s := m.Status().Mail; s.Queued != mailQueue || s.Dropped != 400-mailQueue {
			t.Errorf("%+v", s)
		}
		time.Sleep(mailAge + mailRetryMax)
		if s := m.Status().Mail; s.Queued != 0 || s.Dropped != 400 || s.LastError != "connection refused" {
			t.Errorf("%+v", s)
		}
		if n := len(f.list()); n > 24*60/5+20 {
			t.Errorf("%d attempts in a day", n)
		}
		if !strings.Contains(l.String(), `err="too old"`) {
			t.Error("nothing is said about it")
		}
	})
}

func TestMailReload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, f, _ := post(t, func(n int, _ *message, to []string) sent {
			if n < 1 {
				return down(to)
			}
			return sent{taken: true}
		})
		m.tell(inst("A"), Master, 1)
		time.Sleep(time.Second)
		s := mailSpec()
		s.Mail.Server = "other:25" // is tried at once
		m.Apply(s)
		time.Sleep(time.Second)
		want := []string{"0s A - Entering MASTER state to a,b", "1s A - Entering MASTER state to a,b"}
		if diff := cmp.Diff(want, f.list()); diff != "" {
			t.Error(diff)
		}
		s.Mail = Mail{}
		m.Apply(s)
		m.tell(inst("A"), Backup, 1)
		time.Sleep(time.Hour)
		if len(f.list()) != 2 {
			t.Error("mail without a server")
		}
	})
}

func TestMailRules(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, f, _ := post(t, func(int, *message, []string) sent { return sent{taken: true} })
		s := mailSpec()
		s.Mail.NoFaults = true
		m.Apply(s)
		for _, state := range []State{Backup, Master, Fault, Master, MasterRxLowerPri, MasterPriority, Backup} {
			m.tell(inst("A"), state, 1)
		}
		time.Sleep(time.Second)
		// As keepalived: MASTER is not sent twice in a row.
		want := []string{"0s A - Entering BACKUP state to a,b", "0s A - Entering MASTER state to a,b", "0s A - Entering BACKUP state to a,b"}
		if diff := cmp.Diff(want, f.list()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestMailAtStop(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(n int, msg *message, to []string) sent
		took   time.Duration
		tries  int
	}{
		"sent":  {func(int, *message, []string) sent { return sent{taken: true} }, 0, 3},
		"down":  {func(_ int, _ *message, to []string) sent { return down(to) }, 0, 2},
		"later": {func(_ int, _ *message, to []string) sent { return sent{later: to, err: errDown} }, 0, 6},
		"hangs": {func(int, *message, []string) sent { return sent{err: errHang} }, mailGrace, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, f, _ := post(t, c.answer)
				m.tell(inst("A"), Master, 1)
				time.Sleep(time.Second)
				m.tell(inst("A"), Stop, 1)
				m.tell(inst("B"), Stop, 1)
				synctest.Wait()
				begin := time.Now()
				if err := m.Stop(t.Context()); err != nil {
					t.Error(err)
				}
				if took := time.Since(begin); took != c.took {
					t.Errorf("took %v", took)
				}
				if got := f.list(); len(got) != c.tries {
					t.Errorf("tried %q", got)
				}
			})
		})
	}
}
