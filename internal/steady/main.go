package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/lab"
)

const (
	// excused is the shortest stall that a failure may be the doing of: 10 ms
	// adverts, the shortest that are tested in real time, leave 36 ms.
	excused = 30 * time.Millisecond
	// mostAgain is how many tests are made again: more than these are not bad luck.
	mostAgain = 8
	// attempts is how often a test may run.
	attempts = 3
	// beatInterval is how often a bare thread wakes up.
	beatInterval = 2 * time.Millisecond
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	err := steady(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "steady:", err)
		os.Exit(1)
	}
}

func steady(ctx context.Context, args []string) error {
	always := len(args) > 0 && args[0] == "-always"
	if always {
		args = args[1:]
	}
	i := slices.Index(args, "--")
	if i < 0 || i == len(args)-1 {
		return errors.New("want: [-always] FLAGS OF GO TEST -- PACKAGES")
	}
	flags, packages := args[:i], args[i+1:]
	verbose := slices.Contains(flags, "-v")
	failed, err := attempt(ctx, flags, packages, verbose)
	for n := 1; err == nil && len(failed) > 0; n++ {
		if n == attempts {
			return fmt.Errorf("failed %d times: %s", n, names(failed))
		}
		if len(failed) > mostAgain {
			return fmt.Errorf("failed: %d tests", len(failed))
		}
		for _, f := range failed {
			if !always && f.stall < excused {
				return fmt.Errorf("failed: %s", f.test)
			}
			fmt.Printf("steady: %s failed; a bare thread stood still for %v meanwhile: made again\n", f.test, f.stall.Round(time.Millisecond))
		}
		failed, err = again(ctx, flags, failed, verbose)
	}
	return err
}

// again runs the failed tests of each package alone.
func again(ctx context.Context, flags []string, failed []failure, verbose bool) (still []failure, err error) {
	byPackage := map[string][]string{}
	for _, f := range failed {
		byPackage[f.pkg] = append(byPackage[f.pkg], f.test)
	}
	for _, pkg := range slices.Sorted(maps.Keys(byPackage)) {
		run := append(slices.Clone(flags), "-count=1", "-run", "^("+strings.Join(byPackage[pkg], "|")+")$")
		f, err := attempt(ctx, run, []string{pkg}, verbose)
		if err != nil {
			return nil, err
		}
		still = append(still, f...)
	}
	return still, nil
}

// attempt runs the tests once. Its error says that something is wrong that is not
// made again.
func attempt(ctx context.Context, flags, packages []string, verbose bool) ([]failure, error) {
	beats, err := lab.StartBeats(beatInterval)
	if err != nil {
		return nil, err
	}
	args := append(append([]string{"test", "-json"}, flags...), packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second // for the cleanups of tests that own namespaces
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start go test: %w", err)
	}
	r := newReport(os.Stdout, verbose)
	bad := r.read(pipe)
	if bad != nil {
		_, _ = io.Copy(io.Discard, pipe) // so that it can end
	}
	ended := cmd.Wait()
	results := make([]lab.BeatResult, len(beats))
	for i, b := range beats {
		results[i] = b.Stop()
	}
	switch failed := r.failures(results); {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case bad != nil:
		return nil, fmt.Errorf("read what go test says: %w", bad)
	case len(r.fatal) > 0:
		return nil, fmt.Errorf("failed: %s", strings.Join(r.fatal, ", "))
	case ended != nil && len(failed) == 0:
		return nil, fmt.Errorf("go test: %w", ended)
	default:
		return failed, nil
	}
}

func names(failed []failure) string {
	var out []string
	for _, f := range failed {
		out = append(out, f.test)
	}
	return strings.Join(out, ", ")
}
