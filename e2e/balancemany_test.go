package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// The size of TestBalanceManyFailing.
const (
	manyServices, manyServers = 100, 100
	// manyWindow is how long they go on failing when all are out.
	manyWindow = 6 * time.Second
)

// manyConfig has as many servers as can be, of which each is checked each second.
func manyConfig(priority int, servers bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, `[global_defs]
lvs_backend = "nftables"

[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
priority = %d
advert_int = "10ms"
virtual_ipaddress = ["%s/24"]
`, priority, vip4)
	for i := range manyServices {
		if !servers {
			break
		}
		fmt.Fprintf(&b, "[[virtual_server]]\naddress = \"%s:%d\"\nprotocol = \"TCP\"\nlvs_sched = \"rr\"\ndelay_loop = \"1s\"\n", vip4, 1000+i)
		for j := range manyServers {
			fmt.Fprintf(&b, "[[virtual_server.real_server]]\naddress = \"127.1.%d.%d:9\"\n[virtual_server.real_server.TCP_CHECK]\nretry = 0\n", i, j+1)
		}
	}
	return b.String()
}

// TestBalanceManyFailing: ten thousand servers that fail, are taken out of the
// tables and go on failing are no reason for a false takeover, with adverts every
// 10 ms. What a bare real-time thread on the same CPUs was late, too, is the
// machine's doing.
func TestBalanceManyFailing(t *testing.T) {
	p := newPair(t)
	servers := listenIn(t, p.a, "0.0.0.0:9")
	onA := nstest.Hakeep(t, p.a, manyConfig(150, true))
	awaitState(t, onA, "MASTER")
	onB := nstest.Hakeep(t, p.b, manyConfig(100, false))
	awaitState(t, onB, "BACKUP")
	beat, err := lab.StartAdvertBeat(10 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	from := time.Now()
	_ = servers.Close()
	// What the daemons say is read from their logs: the status of ten thousand
	// servers is work for the kernel, too.
	nstest.Eventually(t, time.Minute, func() error {
		if n := strings.Count(onA.LogText(), `"msg":"real server is down"`); n < manyServices*manyServers {
			return fmt.Errorf("%d servers are down", n)
		}
		return nil
	})
	out := time.Since(from)
	<-time.After(manyWindow)
	bare, to := beat.Stop(), time.Now()
	excused := 0
	for _, at := range transitions(t, onB, from, to) {
		if bare.Stalled(at.Add(-150*time.Millisecond), at.Add(time.Millisecond)) > 0 {
			excused++
			continue
		}
		t.Errorf("transition of the backup at %v, while a bare thread was on time", at.Format("15:04:05.000"))
	}
	doc := statusOf(t, onA)
	runs := uint64(0)
	for _, v := range doc.Balancing.VirtualServers {
		for _, rs := range v.Servers {
			runs += rs.Checks[0].Runs
		}
	}
	// Half of them: on a busy machine an attempt takes its time.
	if least := uint64(manyWindow.Seconds()-1) * manyServices * manyServers / 2; runs < least {
		t.Errorf("%d attempts, want %d at least", runs, least)
	}
	l := doc.Elector.Lateness
	t.Logf("all servers out after %v; %d attempts; adverts late by %v (99 %%), %v (worst since the start); bare thread: %v; %d transitions while that was late, too",
		out.Round(time.Millisecond), runs, time.Duration(l.P99*1e9), time.Duration(l.Max*1e9), bare, excused)
}

// listenIn accepts connections in a namespace, and closes them.
func listenIn(t *testing.T, ns *lab.Namespace, addr string) net.Listener {
	t.Helper()
	var l net.Listener
	if err := ns.Do(func() (err error) { l, err = net.Listen("tcp", addr); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	return l
}

// transitions is when an instance changed its state, as the elector says.
func transitions(t *testing.T, h *lab.Hakeep, from, to time.Time) (all []time.Time) {
	t.Helper()
	for line := range strings.Lines(h.LogText()) {
		var l struct{ Msg, At string }
		if json.Unmarshal([]byte(line), &l) != nil || l.Msg != "transition" {
			continue
		}
		at, err := time.Parse(time.DateOnly+" 15:04:05.999999", from.UTC().Format(time.DateOnly)+" "+l.At)
		if err != nil {
			t.Fatal(err)
		}
		if at.After(from) && at.Before(to) {
			all = append(all, at)
		}
	}
	return all
}
