package daemon

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/notify"
	"hakeep/internal/status"
	"hakeep/lvs"
)

// slowKernel is a kernel that a change keeps busy.
type slowKernel struct {
	fakeBackend
	takes time.Duration
}

func (s *slowKernel) apply(ctx context.Context, services []lvs.Service) (time.Duration, error) {
	time.Sleep(s.takes)
	return s.fakeBackend.apply(ctx, services)
}

// TestBalancerRests: after a change that took long the next one waits, unless it is a
// configuration, for which somebody waits.
func TestBalancerRests(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		const takes = 5 * time.Second
		kernel := &slowKernel{takes: takes, fakeBackend: fakeBackend{news: make(chan struct{}, 1)}}
		b := newBalancer(slog.New(slog.DiscardHandler), filepath.Join(dir, balanceName), nil)
		b.ipvsHere = func() bool { return false }
		b.tell, b.remember = func(notify.ServerEvent) {}, func(status.Event) {}
		b.open = func(*config.Config, config.Backend, []lvs.ID) (backend, error) { return kernel, nil }
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = b.applyAll(ctx) }()
		defer synctest.Wait()
		defer cancel()
		took := func(change func()) time.Duration {
			began := time.Now()
			change()
			if err := b.await(ctx); err != nil {
				t.Fatal(err)
			}
			return time.Since(began)
		}
		cfg := &config.Config{VirtualServers: []config.VirtualServer{{Name: "a", Scheduler: "rr", Quorum: 1}}}
		configure := func() {
			if err := b.configure(cfg); err != nil {
				t.Fatal(err)
			}
		}
		health := func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.changed()
		}
		for _, s := range []struct {
			name   string
			change func()
			want   time.Duration
		}{
			{"start", configure, takes},
			{"reload", configure, takes},
			{"health", health, balanceRestMax + takes},
			{"reload after health", configure, takes},
			{"health after all", health, balanceRestMax + takes},
		} {
			if got := took(s.change); got != s.want {
				t.Errorf("%s: in force after %v, want %v", s.name, got, s.want)
			}
		}
	})
}

// TestFewFiles: more checks than there are descriptors for are told, with what would do.
func TestFewFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		checks, files int
		want          string
	}{{10_000, 524_288, ""}, {768, 1024, ""}, {769, 1024, "1028 or more"}, {10_000, 4096, "13336 or more"}} {
		got := fewFiles(tt.checks, tt.files)
		if (got == "") != (tt.want == "") || !strings.HasSuffix(got, tt.want) {
			t.Errorf("%d checks, %d files: %q", tt.checks, tt.files, got)
		}
	}
	if need := 10_000; fewFiles(need, need/3*4+4) != "" {
		t.Error("what is advised does not do")
	}
}
