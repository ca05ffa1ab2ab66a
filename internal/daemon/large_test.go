package daemon

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/config"
	"hakeep/internal/config/keepalived"
	"hakeep/internal/firewall"
	"hakeep/internal/notify"
	"hakeep/internal/status"
	"hakeep/lvs"
	"hakeep/lvs/nft"
)

// The largest table that a user of keepalived has reported.
const (
	largeServices = 2277
	largeServers  = 37205
)

// largeConf is a configuration of that size without checks. The last server has the
// weight.
func largeConf(weight int) string {
	var b strings.Builder
	number := 0
	for i := range largeServices {
		fmt.Fprintf(&b, "virtual_server %v 80 {\n lb_algo wrr\n lb_kind NAT\n protocol TCP\n", netip.AddrFrom4([4]byte{10, 200, byte(i >> 8), byte(i)}))
		for ; number < largeServers*(i+1)/largeServices; number++ {
			w := 1
			if number == largeServers-1 {
				w = weight
			}
			fmt.Fprintf(&b, " real_server %v 80 {\n  weight %d\n }\n", netip.AddrFrom4([4]byte{10, 100, byte(number >> 8), byte(number)}), w)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// keptRules is a firewall that keeps nothing.
type keptRules struct{ keeper }

func (keptRules) Set(firewall.Rules) error { return nil }

// processorTime is what this process has used: beside other work, time alone says little.
func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkLargeReload is what a reload does with such a configuration beside the
// kernel, when one weight has changed.
func BenchmarkLargeReload(b *testing.B) {
	path := filepath.Join(b.TempDir(), "keepalived.conf")
	load := func(weight int) *config.Config {
		if err := os.WriteFile(path, []byte(largeConf(weight)), 0o600); err != nil {
			b.Fatal(err)
		}
		cfg, problems, err := keepalived.LoadWith(path, keepalived.LoadOptions{})
		if err != nil || problems.HasErrors() {
			b.Fatal(err, problems)
		}
		return cfg
	}
	cfgs := []*config.Config{load(1), load(2)}
	run := func(name string, step func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			before := processorTime(b)
			step(b)
			b.ReportMetric((processorTime(b)-before).Seconds()*1000/float64(b.N), "cpu-ms/op")
		})
	}
	run("load", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			load(1 + i%2)
		}
	})
	run("check", func(b *testing.B) {
		for b.Loop() {
			cfgs[0].CheckOn(HostOf(cfgs[0]))
		}
	})
	run("changes", func(b *testing.B) {
		for b.Loop() {
			if list := config.Changes(cfgs[0], cfgs[1]); len(list) != 1 {
				b.Fatal(list)
			}
		}
	})
	run("servers", func(b *testing.B) {
		for b.Loop() {
			if _, changed, _, _ := serverChanges(cfgs[0], cfgs[1]); len(changed) != 1 {
				b.Fatal(changed)
			}
		}
	})
	run("configure", func(b *testing.B) {
		bal := newBalancer(slog.New(slog.DiscardHandler), filepath.Join(b.TempDir(), "f"), nil)
		bal.ipvsHere = func() bool { return false }
		bal.tell, bal.remember = func(notify.ServerEvent) {}, func(status.Event) {}
		bal.open = func(*config.Config, config.Backend, []lvs.ID) (backend, error) {
			return &nftBackend{rules: &ruleset{firewall: keptRules{}}}, nil
		}
		for i := 0; b.Loop(); i++ {
			if err := bal.configure(cfgs[i%2]); err != nil {
				b.Fatal(err)
			}
		}
	})
	run("build", func(b *testing.B) {
		var services [2][]lvs.Service
		for i, cfg := range cfgs {
			var p lvs.Pool
			p.Configure(time.Now(), lvs.Config{Virtual: balanced(cfg, serverProbes(cfg, nil))})
			services[i] = p.Services()
		}
		for i := 0; b.Loop(); i++ {
			if _, err := nft.Build(services[i%2]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
