// Command chaos breaks a network of three hakeep and one keepalived again and
// again, in every way that it knows and in an order that a seed decides, while a
// client asks the virtual addresses. After each round, when everything is whole
// again, it looks from outside whether the right router, and only that one,
// serves every address; at the end, whether anything is left behind or has grown.
//
//	go run ./e2e/chaos                     one minute
//	go run ./e2e/chaos -for 1h -seed 7     longer; the same faults for the same seed
//
//	  client .100     a .1 (150)   b .2 (130)   c .3 (110)   k .4 (90)    stranger .66
//	====+===============+============+============+============+=============+====
//	                  hakeep       hakeep       hakeep     keepalived
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"

	"hakeep/internal/lab"
)

// settings are the command line.
type settings struct {
	binary string
	seed   uint64
	length time.Duration
	out    *os.File
}

func main() {
	s := settings{out: os.Stdout}
	flag.StringVar(&s.binary, "hakeep", "", "the binary to break (default: built from this tree)")
	flag.Uint64Var(&s.seed, "seed", uint64(time.Now().UnixNano()), "decides what is broken when")
	flag.DurationVar(&s.length, "for", time.Minute, "how long to begin new rounds")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r, err := run(ctx, s)
	if err == nil {
		r.print(s.out)
		if len(r.violations) == 0 {
			return
		}
		err = fmt.Errorf("%d violations", len(r.violations))
	}
	fmt.Fprintln(os.Stderr, "chaos:", err)
	os.Exit(1)
}

// run builds the network, breaks it for a while and takes it down. An error
// means that the experiment itself went wrong.
func run(ctx context.Context, s settings) (_ *report, err error) {
	if err := lab.Supported(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "hkchaos")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if s.binary == "" {
		if s.binary, err = build(ctx, dir); err != nil {
			return nil, err
		}
	}
	w, err := newWorld(s, dir)
	if w != nil {
		defer w.close()
	}
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(s.out, "seed %d, %v\n", s.seed, s.length)
	r := newReport(s.seed)
	begin := time.Now()
	if err := w.begin(ctx, r); err != nil {
		return nil, err
	}
	for time.Since(begin) < s.length && len(r.violations) < maxViolations {
		if err := w.round(ctx, r); err != nil {
			return nil, err
		}
	}
	r.took = time.Since(begin)
	return r, w.end(ctx, r)
}

// build compiles hakeep as it is released.
func build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "hakeep")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "hakeep/cmd/hakeep")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build hakeep: %w\n%s", err, out)
	}
	return path, nil
}
