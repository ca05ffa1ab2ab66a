package nft

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"hakeep/internal/firewall"
	"hakeep/internal/nstest"
	"hakeep/lvs"
)

// big is 2,277 services with 37,205 servers: the size at which keepalived's reload
// was reported to take too long.
func big(scheduler string) []lvs.Service {
	const services, servers = 2277, 37205
	addr := func(n int) netip.Addr {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], 10<<24|uint32(n))
		return netip.AddrFrom4(b)
	}
	out := make([]lvs.Service, services)
	next := 1
	for i := range out {
		vip := netip.AddrFrom4([4]byte{192, 168, byte(i >> 8), byte(i)})
		n := servers*(i+1)/services - servers*i/services
		out[i] = newTest(lvs.TCP, fmt.Sprintf("%v:80", vip), scheduler, addr(next).String(), equalWeights(n)...)
		out[i].Configured = n
		next += n
	}
	return out
}

// The figures are in docs/load-balancing.md; HAKEEP_SCALE names the scheduler.
func TestScale(t *testing.T) {
	scheduler := os.Getenv("HAKEEP_SCALE")
	if scheduler == "" {
		t.Skip("measures: set HAKEEP_SCALE to a scheduler")
	}
	ns := nstest.Host(t, "a")
	fw := openIn(t, ns)
	services := big(scheduler)
	step := func(what string, fn func()) {
		began := time.Now()
		fn()
		t.Logf("%s: %v", what, time.Since(began).Round(time.Millisecond))
	}
	set := func(services []lvs.Service) {
		var rules firewall.Rules
		step("  build", func() {
			tables, err := Build(services)
			if err != nil {
				t.Fatal(err)
			}
			rules.Contributions = []firewall.Contribution{tables.Contribution}
		})
		if err := fw.Set(rules); err != nil {
			t.Fatal(err)
		}
	}
	step("load", func() { set(services) })
	step("same again", func() { set(services) })
	one := services[1000]
	one.Servers = one.Servers[1:]
	services[1000] = one
	step("one server less", func() { set(services) })
	step("one service less", func() { set(services[1:]) })
	step("read counters", func() {
		if c, err := ReadCounters(fw); err != nil || len(c) != len(services)-1 {
			t.Errorf("%d services, %v", len(c), err)
		}
	})
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("heap of the program: %d MB", m.HeapInuse>>20)
	step("stop", func() {
		if err := fw.Set(firewall.Rules{}); err != nil {
			t.Error(err)
		}
	})
}
