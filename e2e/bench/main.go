// Command bench measures hakeep beside Debian's keepalived, in one run, in
// network namespaces of its own, and prints tables. Machines are noisy: what
// counts are medians and the ratio of the two.
//
//	go run ./e2e/bench                    everything, about an hour and a half
//	go run ./e2e/bench -only outage       one part: outage, planned, tcp, scale, lateness, many, scripts, addresses, killed, checks
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
	busy   time.Duration
	// scripts is how long each of the rounds of the part scripts takes.
	scripts time.Duration
	rounds  int
	// servers is how many are checked in the part checks, checks for how long.
	servers int
	checks  time.Duration
	dir     string
	// pairing and load choose from the part planned; empty for all.
	pairing, load string
	// results collects what the part planned found, over several calls; empty for
	// one call.
	results string
	// until is when the part planned begins no further run; zero for never.
	until   time.Time
	verbose bool
}

func main() {
	var s settings
	only := flag.String("only", "", "run only these parts, separated by commas: outage, planned, tcp, scale, lateness, many, scripts, addresses, killed, checks")
	quick := flag.Bool("quick", false, "fewer and shorter runs")
	flag.StringVar(&s.binary, "hakeep", "", "the binary to measure (default: built from this tree)")
	runs := flag.Int("runs", 0, "how often each thing is measured (default 10, with -quick 3)")
	flag.StringVar(&s.pairing, "pairing", "", "of the part planned only this pairing, such as hakeep/keepalived")
	flag.StringVar(&s.load, "load", "", "of the parts planned, lateness and many only the lines with this text, such as IPv6")
	flag.StringVar(&s.results, "results", "", "file in which the part planned adds its runs to those of earlier calls")
	rounds := flag.Int("rounds", 0, "how often the parts scale and scripts are measured (default 3, with -quick 1)")
	budget := flag.Duration("for", 0, "begin no further run of the part planned after this time")
	flag.BoolVar(&s.verbose, "v", false, "show each probe of a move that lost something")
	flag.IntVar(&s.servers, "servers", 10000, "how many servers the part checks has")
	child := childFlags()
	flag.Parse()
	if work := child(); work != nil {
		if err := work(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	s.runs, s.scale, s.busy, s.scripts, s.rounds, s.checks = 10, 60*time.Second, 30*time.Second, 30*time.Second, 3, 30*time.Second
	if *quick {
		s.runs, s.scale, s.busy, s.scripts, s.rounds, s.checks = 3, 10*time.Second, 10*time.Second, 10*time.Second, 1, 10*time.Second
	}
	if *budget > 0 {
		s.until = time.Now().Add(*budget)
	}
	if *rounds > 0 {
		s.rounds = *rounds
	}
	if *runs > 0 {
		s.runs = *runs
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
	}{{"outage", outages}, {"planned", planned}, {"tcp", transfers}, {"scale", scales}, {"lateness", latenesses}, {"many", manyInstances}, {"scripts", scripts}, {"addresses", addresses}, {"killed", killed}, {"checks", checking}}
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
