//go:build vm

package ipvs

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hakeep/internal/nstest"
	"hakeep/lvs"
	"hakeep/lvs/ipvs"
)

// The size of the largest table that a keepalived user has reported.
const (
	largeServices = 2277
	largeServers  = 37205
)

// large is a table of that size. The last server of the last service has the weight.
func large(weight int) []lvs.Service {
	services := make([]lvs.Service, largeServices)
	number := 0
	for i := range services {
		s := &services[i]
		s.ID = lvs.ID{Protocol: lvs.TCP, Addr: netip.AddrFrom4([4]byte{10, 200, byte(i >> 8), byte(i)}), Port: 80, Family: lvs.IPv4}
		s.Attr.Scheduler = "wrr"
		for number < largeServers*(i+1)/largeServices {
			s.Servers = append(s.Servers, lvs.Server{
				Endpoint: lvs.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 100, byte(number >> 8), byte(number)}), Port: 80},
				Forward:  lvs.Forward{Method: lvs.NAT}, Weight: 1,
			})
			number++
		}
	}
	last := services[largeServices-1].Servers
	last[len(last)-1].Weight = weight
	return services
}

// conf is the same for keepalived: without checks, so that it is about the table.
func conf(services []lvs.Service) string {
	var b strings.Builder
	for _, s := range services {
		fmt.Fprintf(&b, "virtual_server %v %d {\n lb_algo %s\n lb_kind NAT\n protocol TCP\n", s.ID.Addr, s.ID.Port, s.Attr.Scheduler)
		for _, r := range s.Servers {
			fmt.Fprintf(&b, " real_server %v %d {\n  weight %d\n }\n", r.Endpoint.Addr, r.Endpoint.Port, r.Weight)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func all(lvs.ID) bool { return true }

// BenchmarkLargePlan is the part without a kernel. It can be run on any machine, and so
// tells how much slower the emulated one is.
func BenchmarkLargePlan(b *testing.B) {
	desired, actual := large(1), large(2)
	b.ReportAllocs()
	for b.Loop() {
		if ops := lvs.Diff(desired, actual, nil); len(ops) != 1 {
			b.Fatalf("%d operations", len(ops))
		}
	}
}

// BenchmarkLarge is the back end alone, on a table that only it changes.
func BenchmarkLarge(b *testing.B) {
	nstest.Enter(b)
	c, err := ipvs.Open()
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	measure := func(what string, desired []lvs.Service, want int) {
		began := time.Now()
		report, err := c.Reconcile(b.Context(), desired, all, nil)
		if err != nil || len(report.Applied) != want {
			b.Fatalf("%s: %d changes, want %d: %v", what, len(report.Applied), want, err)
		}
		b.ReportMetric(time.Since(began).Seconds(), what+"-s")
	}
	for b.Loop() {
		measure("start", large(1), largeServices+largeServers)
		measure("reload", large(2), 1)
		measure("resync", large(2), 0)
		began := time.Now()
		if _, err := c.Services(b.Context(), all); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(began).Seconds(), "read-s")
		measure("stop", nil, largeServices)
	}
}

// BenchmarkLargeKeepalived is keepalived with the same table: from its start until the
// last server is there, from SIGHUP until the change is, from SIGTERM until it has
// ended.
func BenchmarkLargeKeepalived(b *testing.B) {
	ns := nstest.Enter(b)
	t := openTable(b)
	if t == nil {
		b.Skip("keepalived needs IPVS, which this kernel lacks")
	}
	for b.Loop() {
		began := time.Now()
		k := nstest.Keepalived(b, ns, conf(large(1)), "--check")
		t.await(b, 1)
		b.ReportMetric(time.Since(began).Seconds(), "start-s")
		began = time.Now()
		if err := k.Reload(conf(large(2))); err != nil {
			b.Fatal(err)
		}
		t.await(b, 2)
		b.ReportMetric(time.Since(began).Seconds(), "reload-s")
		t.stop(b, k)
	}
}

// BenchmarkLargeHakeep is hakeep, the whole program, with the same file. Where the kernel
// has no IPVS it balances by nftables.
func BenchmarkLargeHakeep(b *testing.B) {
	ns := nstest.Enter(b)
	t := openTable(b)
	for b.Loop() {
		began := time.Now()
		h := nstest.Hakeep(b, ns, conf(large(1)))
		if _, err := h.WaitLog(nstest.Context(b, largePatience), "hakeep is ready"); err != nil {
			b.Fatal(err)
		}
		t.await(b, 1)
		b.ReportMetric(time.Since(began).Seconds(), "start-s")
		if err := h.WriteConfig(conf(large(2))); err != nil {
			b.Fatal(err)
		}
		began = time.Now()
		if _, text, code, err := h.CLI(nstest.Context(b, largePatience), "reload", "--runtime-dir", h.Dir()); err != nil || code != 0 {
			b.Fatalf("hakeep reload: exit status %d, %v\n%s", code, err, text)
		}
		t.await(b, 2)
		b.ReportMetric(time.Since(began).Seconds(), "reload-s")
		t.stop(b, h)
	}
}

// largePatience is how long a step may take.
const largePatience = 5 * time.Minute

// ipvsTable looks at the kernel's table. A nil one has nothing to look at.
type ipvsTable struct {
	*ipvs.Client
	last    lvs.ID
	servers int
}

// openTable opens the table of the namespace that the test is in, nil if the kernel
// has none.
func openTable(b *testing.B) *ipvsTable {
	c, err := ipvs.Open()
	if err != nil {
		b.Log(err)
		return nil
	}
	b.Cleanup(func() { _ = c.Close() })
	last := large(1)[largeServices-1]
	return &ipvsTable{c, last.ID, len(last.Servers)}
}

// await waits until the last server has a weight.
func (t *ipvsTable) await(b *testing.B, weight int) {
	b.Helper()
	if t == nil {
		return
	}
	nstest.Eventually(b, largePatience, func() error {
		got, err := t.Services(b.Context(), func(id lvs.ID) bool { return id == t.last })
		if err != nil {
			return err
		}
		if len(got) != 1 || len(got[0].Servers) != t.servers {
			return errors.New("not all there")
		}
		if w := got[0].Servers[t.servers-1].Weight; w != weight {
			return fmt.Errorf("weight %d", w)
		}
		return nil
	})
}

// stop ends the program and clears away what it leaves.
func (t *ipvsTable) stop(b *testing.B, p interface{ Stop(context.Context) error }) {
	b.Helper()
	began := time.Now()
	if err := p.Stop(nstest.Context(b, largePatience)); err != nil {
		b.Logf("stop: %v", err)
	}
	b.ReportMetric(time.Since(began).Seconds(), "stop-s")
	if t == nil {
		return
	}
	rest, err := t.Services(b.Context(), all)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(rest)), "left-over")
	if err := t.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}
