package lab_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

func peerConf(priority int) string {
	return fmt.Sprintf(`
global_defs {
	router_id r%d
	vrrp_version 3
}
vrrp_instance VI_1 {
	state BACKUP
	interface eth0
	virtual_router_id 51
	priority %d
	advert_int 0.1
	virtual_ipaddress {
		192.0.2.10/24
	}
}
`, priority, priority)
}

func advertOf(priority byte) func(lab.Frame) bool {
	return func(f lab.Frame) bool {
		p, ok := f.VRRP()
		return ok && len(p.Payload) >= 8 && p.Payload[0] == 0x31 && p.Payload[1] == 51 && p.Payload[2] == priority
	}
}

// Two keepalived and a client; the master dies, returns, and leaves in order.
//
//	client .100   a .1 (prio 200)   b .2 (prio 100)   VIP 192.0.2.10
func TestKeepalivedTakesOver(t *testing.T) {
	nstest.RequireTool(t, "keepalived")
	p := newPair(t)
	client := nstest.Host(t, "client")
	nstest.Attach(t, p.lan, client, "eth0", "192.0.2.100/24")
	frames := nstest.Capture(t, client, "eth0", lab.FilterVRRP|lab.FilterARP)
	ctx := nstest.Context(t, 60*time.Second)

	a := nstest.Keepalived(t, p.a, peerConf(200))
	b := nstest.Keepalived(t, p.b, peerConf(100))
	if err := a.WaitState(ctx, "VI_1", "MASTER"); err != nil {
		t.Fatal(err)
	}
	if err := b.WaitState(ctx, "VI_1", "BACKUP"); err != nil {
		t.Fatal(err)
	}
	if f, err := frames.Wait(ctx, advertOf(200)); err != nil {
		t.Fatal(err)
	} else if ip, _ := f.VRRP(); ip.TTL != 255 || ip.Src != netip.MustParseAddr("192.0.2.1") || f.Outgoing {
		t.Errorf("got advert %+v", ip)
	}
	if _, err := frames.Wait(ctx, func(f lab.Frame) bool {
		arp, ok := f.ARP()
		return ok && arp.Gratuitous() && arp.Sender == netip.MustParseAddr("192.0.2.10")
	}); err != nil {
		t.Fatal(err)
	}

	probe := nstest.Probe(t, client, "192.0.2.10")
	if err := probe.AwaitAnswers(ctx, 20); err != nil {
		t.Fatal(err)
	}
	killed := probe.Mark("kill")
	a.Kill()
	if err := b.WaitState(ctx, "VI_1", "MASTER"); err != nil {
		t.Fatal(err)
	}
	// A killed master keeps its address; the announcement wins the client.
	first, err := frames.WaitAfter(ctx, killed, advertOf(100))
	if err != nil {
		t.Fatal(err)
	}
	// Master down interval at priority 100: 3.61 intervals of 100 ms.
	if d := first.Time.Sub(killed); d < 250*time.Millisecond || d > time.Second {
		t.Errorf("first advert of the backup after %v", d)
	}
	for _, f := range frames.Frames() {
		if f.Time.After(killed) && advertOf(0)(f) {
			t.Error("the killed master said goodbye")
		}
	}
}

func TestKeepalivedStopsInOrderAndReloads(t *testing.T) {
	nstest.RequireTool(t, "keepalived")
	p := newPair(t)
	frames := nstest.Capture(t, p.b, "eth0", lab.FilterVRRP)
	ctx := nstest.Context(t, 60*time.Second)
	a := nstest.Keepalived(t, p.a, peerConf(200))
	if _, err := frames.Wait(ctx, advertOf(200)); err != nil {
		t.Fatal(err)
	}
	if err := a.Reload(peerConf(150)); err != nil {
		t.Fatal(err)
	}
	if _, err := frames.Wait(ctx, advertOf(150)); err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := frames.Wait(ctx, advertOf(0)); err != nil {
		t.Error(err)
	}
	if _, err := a.WaitLog(ctx, "no such line"); err == nil {
		t.Error("waited for a line after the end without error")
	}
}

func TestKeepalivedEndsWithItsNamespace(t *testing.T) {
	nstest.RequireTool(t, "keepalived")
	p := newPair(t)
	a := nstest.Keepalived(t, p.a, peerConf(200))
	if err := a.WaitState(nstest.Context(t, 20*time.Second), "VI_1", "MASTER"); err != nil {
		t.Fatal(err)
	}
	p.a.Close()
	select {
	case <-a.Done():
	case <-nstest.Context(t, 10*time.Second).Done():
		t.Error("keepalived survived its namespace")
	}
}
