//go:build vm

package ipvs

import (
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
		s.Attr.Scheduler = "wlc"
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
	c, err := ipvs.Open()
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	want := large(1)
	lastID := want[largeServices-1].ID
	await := func(count, weight int) {
		b.Helper()
		nstest.Eventually(b, 5*time.Minute, func() error {
			got, err := c.Services(b.Context(), func(id lvs.ID) bool { return id == lastID })
			if err != nil {
				return err
			}
			if len(got) != 1 || len(got[0].Servers) != count {
				return errors.New("not all there")
			}
			if w := got[0].Servers[count-1].Weight; w != weight {
				return fmt.Errorf("weight %d", w)
			}
			return nil
		})
	}
	count := len(want[largeServices-1].Servers)
	for b.Loop() {
		began := time.Now()
		k := nstest.Keepalived(b, ns, conf(want), "--check")
		await(count, 1)
		b.ReportMetric(time.Since(began).Seconds(), "start-s")
		began = time.Now()
		if err := k.Reload(conf(large(2))); err != nil {
			b.Fatal(err)
		}
		await(count, 2)
		b.ReportMetric(time.Since(began).Seconds(), "reload-s")
		began = time.Now()
		if err := k.Stop(nstest.Context(b, 5*time.Minute)); err != nil {
			b.Logf("stop: %v", err)
		}
		b.ReportMetric(time.Since(began).Seconds(), "stop-s")
		rest, err := c.Services(b.Context(), all)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(rest)), "left-over")
		if err := c.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
