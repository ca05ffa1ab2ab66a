package checks

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// live runs a runner in real time and collects its events.
func live(t *testing.T, specs []Spec) (r *Runner, told <-chan Event) {
	t.Helper()
	ch := make(chan Event, 1000)
	r = NewRunner(Options{Changed: func(ev Event) { ch <- ev }})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	if err := r.Apply(specs); err != nil {
		t.Fatal(err)
	}
	return r, ch
}

// next waits for an event.
func next(t *testing.T, told <-chan Event) Event {
	t.Helper()
	select {
	case ev := <-told:
		return ev
	case <-time.After(30 * time.Second):
		t.Fatal("no event")
	}
	return Event{}
}

// full listens with a queue that is full, so that the next to connect gets no
// answer.
func full(t *testing.T) netip.AddrPort {
	t.Helper()
	l := listenBacklog(t)
	for range 20 {
		conn, err := net.DialTimeout("tcp", l.String(), 100*time.Millisecond)
		if err != nil {
			return l
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	t.Fatal("the queue is never full")
	return l
}

// TestConnector: a TCP check in a Runner ends as one alone does.
func TestConnector(t *testing.T) {
	t.Parallel()
	l4, l6 := listen(t, "127.0.0.1:0"), listen(t, "[::1]:0")
	from := make(chan string, 1)
	resets := make(chan error, 1)
	go func() {
		conn, err := l4.Accept()
		if err != nil {
			return
		}
		from <- addrPort(conn.RemoteAddr()).Addr().String()
		_, err = conn.Read(make([]byte, 1))
		resets <- err
		_ = conn.Close()
	}()
	gone := listen(t, "127.0.0.1:0")
	_ = gone.Close()
	dead := full(t)
	spec := func(name string, target TCP, timeout time.Duration) Spec {
		return Spec{Name: name, Target: target, Policy: Policy{Interval: time.Minute, Timeout: timeout}}
	}
	_, told := live(t, []Spec{
		spec("v4", TCP{Address: addrPort(l4.Addr()), Via: Via{Source: netip.MustParseAddr("127.0.0.77"), Interface: "lo"}}, enough),
		spec("v6", TCP{Address: addrPort(l6.Addr())}, enough),
		spec("refused", TCP{Address: addrPort(gone.Addr())}, enough),
		spec("dead", TCP{Address: dead}, soon),
		spec("no link", TCP{Address: addrPort(l4.Addr()), Via: Via{Interface: "nosuchlink"}}, enough),
	})
	want := map[string]string{
		"v4": "connected in ", "v6": "connected in ", "refused": "connect: connection refused", "dead": "i/o timeout",
		"no link": "bind to interface nosuchlink: no such device",
	}
	for range len(want) {
		ev := next(t, told)
		if says := want[ev.Name]; ev.Up != strings.HasPrefix(says, "connected") || !strings.Contains(ev.Result.String(), says) {
			t.Errorf("%s: up %v, %s", ev.Name, ev.Up, ev.Result)
		}
		if ev.Name == "dead" && (ev.Result.Duration < soon || ev.Result.Duration > enough) {
			t.Errorf("dead after %v", ev.Result.Duration)
		}
	}
	if got := <-from; got != "127.0.0.77" {
		t.Errorf("came from %s", got)
	}
	if err := <-resets; err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("the server saw %v, want a reset", err)
	}
}

// TestSourcePort: bind_port, again and again, alone and in a Runner.
func TestSourcePort(t *testing.T) {
	t.Parallel()
	port := uint16(20000 + os.Getpid()%10000) // none that the kernel hands out
	for _, host := range []string{"127.0.0.1:0", "[::1]:0"} {
		l := listen(t, host)
		ports := make(chan uint16, 100)
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				ports <- addrPort(conn.RemoteAddr()).Port()
				_ = conn.Close()
			}
		}()
		target := TCP{Address: addrPort(l.Addr()), Via: Via{SourcePort: port}}
		for range 3 {
			if res := check(t, target, nil, enough); !res.OK {
				t.Fatal(res)
			}
			if got := <-ports; got != port {
				t.Errorf("came from port %d, want %d", got, port)
			}
		}
		_, told := live(t, []Spec{{Name: "x", Target: target, Policy: Policy{Interval: time.Minute, Timeout: enough}}})
		if ev := next(t, told); !ev.Up {
			t.Error(ev.Result)
		}
		if got := <-ports; got != port {
			t.Errorf("came from port %d, want %d", got, port)
		}
	}
}

// TestConnectorRemoved: what is removed while it connects is forgotten, and its
// place is free.
func TestConnectorRemoved(t *testing.T) {
	t.Parallel()
	dead := full(t)
	var specs []Spec
	for i := range 100 {
		specs = append(specs, Spec{Name: fmt.Sprint(i), Target: TCP{Address: dead}, Policy: Policy{Interval: time.Minute, Timeout: time.Minute}})
	}
	r, told := live(t, specs)
	light := func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.light
	}
	for deadline := time.Now().Add(10 * time.Second); light() < 100 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // polling
	}
	l := listen(t, "127.0.0.1:0")
	if err := r.Apply([]Spec{{Name: "new", Target: TCP{Address: addrPort(l.Addr())}, Policy: Policy{Interval: time.Minute}}}); err != nil {
		t.Fatal(err)
	}
	if ev := next(t, told); ev.Name != "new" || !ev.Up {
		t.Errorf("told %+v", ev)
	}
	if n := light(); n != 0 {
		t.Errorf("%d attempts are counted", n)
	}
	r.conns.mu.Lock()
	defer r.conns.mu.Unlock()
	if len(r.conns.byFD) != 0 || len(r.conns.deadlines) != 0 {
		t.Errorf("%d sockets, %d deadlines are left", len(r.conns.byFD), len(r.conns.deadlines))
	}
}

// listenBacklog listens with room for one connection that nobody accepts.
func listenBacklog(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(sa.(*unix.SockaddrInet4).Port))
}
