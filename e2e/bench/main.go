// Command bench measures hakeep beside Debian's keepalived, in one run, in
// network namespaces of its own, and prints tables. Machines are noisy: what
// counts are medians and the ratio of the two.
//
//	go run ./e2e/bench                    everything, about ten minutes
//	go run ./e2e/bench -only outage       one part: outage, planned, scale
//	go run ./e2e/bench -quick             fewer runs and shorter ones
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hakeep/internal/lab"
)

// settings are the command line.
type settings struct {
	binary string
	runs   int
	scale  time.Duration
	load   time.Duration
	dir    string
}

func main() {
	var s settings
	only := flag.String("only", "", "run only these parts, separated by commas: outage, planned, scale")
	quick := flag.Bool("quick", false, "fewer and shorter runs")
	flag.StringVar(&s.binary, "hakeep", "", "the binary to measure (default: built from this tree)")
	flag.Parse()
	s.runs, s.scale, s.load = 10, 60*time.Second, 30*time.Second
	if *quick {
		s.runs, s.scale, s.load = 3, 10*time.Second, 10*time.Second
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings, only string) (err error) {
	if err := lab.Supported(); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "hkbench"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	if s.binary == "" {
		s.binary = filepath.Join(s.dir, "hakeep")
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", s.binary, "./cmd/hakeep")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build hakeep: %w\n%s", err, out)
		}
	}
	parts := []struct {
		name string
		run  func(context.Context, settings) error
	}{{"outage", outages}, {"planned", planned}, {"scale", scales}}
	for _, p := range parts {
		if only != "" && !slices.Contains(strings.Split(only, ","), p.name) {
			continue
		}
		if err := p.run(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	d = slices.Clone(d)
	slices.Sort(d)
	return d[len(d)/2]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }
