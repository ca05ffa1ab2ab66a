// Command proof runs the simulator, the model checker and the mutations, and
// prints what they have shown in one table: docs/proof.md has it. `make sim` runs
// it; it fails when one of them does.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "proof:", err)
		stop()
		os.Exit(1)
	}
}

// figures are what the logs of the tests say.
var figures = []struct {
	what string
	re   *regexp.Regexp
	show string // with $1, $2 …
}{
	{"simulated", regexp.MustCompile(`(\d+) simulated seconds in (\d+) runs`), "$1 s in $2 networks"},
	{"faults injected", regexp.MustCompile(`simulated seconds in \d+ runs, [^;]*; (\d+) faults`), "$1"},
	{"quiet states, single faults examined", regexp.MustCompile(`(\d+) quiet states and (\d+) single faults examined`), "$1, $2"},
	{"states explored by the model checker", regexp.MustCompile(`(?m): (\d+) states, (\d+) steps$`), "$1, by $2 steps"},
	{"mutations found", regexp.MustCompile(`(\d+ of \d+) mutations found`), "$1"},
	{"statements of vrrp run by its own tests", regexp.MustCompile(`coverage: ([0-9.]+%) of statements`), "$1"},
}

func run(ctx context.Context, w io.Writer) error {
	var log bytes.Buffer
	for _, args := range [][]string{
		{"test", "-count=1", "-timeout=60m", "-v", "./internal/sim/"},
		{"test", "-count=1", "-cover", "./vrrp"},
	} {
		cmd := exec.CommandContext(ctx, "go", args...)
		var all bytes.Buffer
		cmd.Stdout = io.MultiWriter(&all, &log)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			_, _ = w.Write(all.Bytes())
			return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
		}
	}
	requirements, err := conformance("docs/conformance.md")
	if err != nil {
		return err
	}
	fmt.Fprint(w, "| shown | figure |\n|---|---|\n")
	for _, f := range figures {
		m := f.re.FindSubmatchIndex(log.Bytes())
		if m == nil {
			return fmt.Errorf("the tests do not say: %s", f.what)
		}
		fmt.Fprintf(w, "| %s | %s |\n", f.what, grouped(string(f.re.Expand(nil, []byte(f.show), log.Bytes(), m))))
	}
	fmt.Fprintf(w, "| requirements of the RFCs | %s |\n", requirements)
	return nil
}

var digits = regexp.MustCompile(`\d{5,}`)

// grouped writes long numbers with commas.
func grouped(s string) string {
	return digits.ReplaceAllStringFunc(s, func(n string) string {
		for i := len(n) - 3; i > 0; i -= 3 {
			n = n[:i] + "," + n[i:]
		}
		return n
	})
}

// conformance adds up the tables of docs/conformance.md.
func conformance(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var sums [5]int // requirements, yes, deliberately not, operator, not applicable
	for sc := bufio.NewScanner(f); sc.Scan(); {
		cells := strings.Split(sc.Text(), "|")
		if len(cells) != len(sums)+3 || strings.TrimSpace(cells[1]) != "all" {
			continue
		}
		for i := range sums {
			n, err := strconv.Atoi(strings.TrimSpace(cells[i+2]))
			if err != nil {
				return "", fmt.Errorf("read %s: %w", path, err)
			}
			sums[i] += n
		}
	}
	if sums[0] == 0 || sums[0] != sums[1]+sums[2]+sums[3]+sums[4] {
		return "", errors.New(path + ": its tables do not add up")
	}
	return fmt.Sprintf("%d, each with a row: %d met with a test, %d deliberately not, %d the operator's, %d not applicable",
		sums[0], sums[1], sums[2], sums[3], sums[4]), nil
}
