package elector

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"hakeep/arp"
	"hakeep/internal/lab"
	"hakeep/internal/netif"
	"hakeep/internal/nstest"
	"hakeep/internal/wire"
	"hakeep/vrrp"
)

// dirVar makes this test program an elector.
const dirVar = "HAKEEP_TEST_ELECTOR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(dirVar); dir != "" {
		if err := Run(Options{RuntimeDir: dir, Realtime: true}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// main is the other end of the conversation with an elector.
type mainEnd struct {
	t      *testing.T
	conn   *wire.Conn
	hello  *wire.Hello
	cmd    *lab.Cmd
	events []*wire.Event
}

func startElector(t *testing.T, ns *lab.Namespace) *mainEnd {
	t.Helper()
	dir := nstest.ShortDir(t)
	cmd := ns.Command(os.Args[0])
	cmd.Env = append(os.Environ(), dirVar+"="+dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m := &mainEnd{t: t, cmd: cmd}
	m.attach(dir)
	return m
}

func (m *mainEnd) attach(dir string) {
	m.t.Helper()
	nstest.Eventually(m.t, 10*time.Second, func() error {
		conn, err := net.Dial("unix", filepath.Join(dir, SocketName))
		if err == nil {
			m.conn = wire.NewConn(conn)
			err = conn.SetDeadline(time.Now().Add(30 * time.Second))
		}
		return err
	})
	m.send(&wire.Message{Hello: &wire.Hello{Version: wire.Version, PID: os.Getpid()}})
	m.hello = m.receive(func(r *wire.Message) bool { return r.Hello != nil }).Hello
}

func (m *mainEnd) send(msg *wire.Message) {
	m.t.Helper()
	if err := m.conn.Send(msg); err != nil {
		m.t.Fatal(err)
	}
}

// receive returns the next message that is wanted, and keeps the events.
func (m *mainEnd) receive(want func(*wire.Message) bool) *wire.Message {
	m.t.Helper()
	for {
		msg, err := m.conn.Receive()
		if err != nil {
			m.t.Fatal(err)
		}
		if msg.Event != nil {
			m.events = append(m.events, msg.Event)
		}
		if want(msg) {
			return msg
		}
	}
}

func (m *mainEnd) awaitState(state string) *wire.Event {
	m.t.Helper()
	is := func(ev *wire.Event) bool { return ev != nil && ev.Kind == wire.EventTransition && ev.To == state }
	if i := slices.IndexFunc(m.events, is); i >= 0 {
		return m.events[i] // it came while something else was awaited
	}
	return m.receive(func(r *wire.Message) bool { return is(r.Event) }).Event
}

func (m *mainEnd) snapshot() *wire.Snapshot {
	m.t.Helper()
	m.send(&wire.Message{SnapshotRequest: &wire.SnapshotRequest{Number: 7}})
	return m.receive(func(r *wire.Message) bool { return r.Snapshot != nil }).Snapshot
}

func testConfig(priority uint8) *wire.Config {
	vip := netip.MustParsePrefix("192.0.2.10/24")
	return &wire.Config{
		Digest: fmt.Sprint(priority), MainTimeout: 10 * time.Second,
		Instances: []*wire.Instance{{
			Params: vrrp.Params{
				Name: "VI_1", Family: vrrp.IPv4, Version: vrrp.V3, VRID: 51, Link: "eth0", Group: netip.MustParseAddr("224.0.0.18"),
				Priority: priority, Interval: 100 * time.Millisecond, DownAdverts: 3, Addrs: []netip.Addr{vip.Addr()},
				Auth: vrrp.AuthNone, Form: vrrp.ChecksumPseudo,
			},
			Addresses: []netif.Addr{{Prefix: vip, Link: "eth0"}},
			Announce:  arp.DefaultSettings(), TTL: 255,
		}},
	}
}

func TestPairFailsOver(t *testing.T) {
	nstest.Require(t)
	lan := nstest.LAN(t)
	a, b := nstest.Host(t, "a"), nstest.Host(t, "b")
	nstest.Attach(t, lan, a, "eth0", "192.0.2.1/24")
	nstest.Attach(t, lan, b, "eth0", "192.0.2.2/24")
	client := nstest.Host(t, "client")
	nstest.Attach(t, lan, client, "eth0", "192.0.2.100/24")
	ea, eb := startElector(t, a), startElector(t, b)
	ea.send(&wire.Message{Config: testConfig(200)})
	ea.receive(func(r *wire.Message) bool { return r.Applied != nil })
	ea.awaitState("MASTER")
	eb.send(&wire.Message{Config: testConfig(100)})
	eb.receive(func(r *wire.Message) bool { return r.Applied != nil })
	eb.awaitState("BACKUP")
	probe := nstest.Probe(t, client, "192.0.2.10")
	if err := probe.AwaitAnswers(nstest.Context(t, 10*time.Second), 500); err != nil {
		t.Fatal(err)
	}
	s := eb.snapshot()
	if i := s.Instances[0]; i.State != "BACKUP" || i.MasterPriority != 200 || i.Counters.AdvertsReceived == 0 {
		t.Errorf("status of the backup: %+v", i)
	}
	if !s.Realtime {
		t.Errorf("not real-time: %s", s.RealtimeReason)
	}
	ea.send(&wire.Message{Shutdown: &wire.Shutdown{}})
	ea.receive(func(r *wire.Message) bool { return r.Stopped != nil })
	if err := ea.cmd.Wait(); err != nil {
		t.Errorf("elector ended with %v", err)
	}
	if ev := eb.awaitState("MASTER"); ev.Cause != "master-left" {
		t.Errorf("took over because of %s", ev.Cause)
	}
	if err := probe.AwaitAnswers(nstest.Context(t, 10*time.Second), 500); err != nil {
		t.Fatal(err)
	}
	t.Logf("probe: %s", probe.Stop())
	s = eb.snapshot()
	t.Logf("lateness %+v sockets %+v instance %+v", s.Lateness, s.Sockets, s.Instances[0])
}
