// Command corpus runs the keepalived.conf reader over every file of a folder
// and prints what became of each, beside what keepalived -t says:
//
//	go run ./internal/config/keepalived/corpus [-keepalived PROGRAM] [-id ID] [-v] DIR
//
// keepalived is judged by its messages, not by its exit status, which also
// counts interfaces and scripts that this host does not have. Nothing of the
// files is kept.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"hakeep/internal/config/keepalived"
)

// Limits for each file that the project promises.
const (
	maxTime   = time.Second
	maxMemory = 100 << 20
)

// outcome is what became of one file.
type outcome struct {
	name     string
	exit     int
	took     time.Duration
	memory   uint64 // allocated in all, of which not everything is held at a time
	counts   map[keepalived.Kind]int
	messages []keepalived.Issue
	theirs   []string // keepalived's messages about the file
	ran      bool
}

func main() {
	program := flag.String("keepalived", "", "keepalived to compare with; empty for none")
	id := flag.String("id", "low", "config-id")
	verbose := flag.Bool("v", false, "print every message")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: corpus [-keepalived PROGRAM] [-id ID] [-v] DIR")
		os.Exit(64)
	}
	bad, err := run(flag.Arg(0), *program, *id, *verbose)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if bad > 0 {
		os.Exit(1)
	}
}

// run returns how many files took too long or too much.
func run(dir, program, id string, verbose bool) (bad int, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.conf"))
	if err != nil {
		return 0, err
	}
	var all []outcome
	for _, f := range files {
		o := convert(f, id)
		if program != "" {
			if o.theirs, o.ran, err = oracle(program, f, id); err != nil {
				return 0, err
			}
		}
		if o.took > maxTime {
			bad++
		}
		fmt.Printf("%-40s exit %d  %7.1f ms %6.1f MB allocated  lost %d changed %d notes %d  keepalived: %d messages\n", o.name, o.exit,
			float64(o.took)/1e6, float64(o.memory)/1e6, o.counts[keepalived.Lost]+o.counts[keepalived.Broken], o.counts[keepalived.Changed], o.counts[keepalived.Note], len(o.theirs))
		if verbose {
			for _, m := range o.messages {
				fmt.Printf("    ours %s %s\n", m.Kind, m)
			}
			for _, m := range o.theirs {
				fmt.Printf("    keepalived %s\n", m)
			}
		}
		all = append(all, o)
	}
	summary(all, program != "")
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err == nil {
		fmt.Printf("\nmost memory of this process at any time: %.1f MB\n", float64(usage.Maxrss)*1024/1e6)
		if usage.Maxrss*1024 > maxMemory {
			bad++
		}
	}
	return bad, nil
}

// convert reads one file.
func convert(file, id string) outcome {
	o := outcome{name: filepath.Base(file), counts: map[keepalived.Kind]int{}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	res, err := keepalived.ConvertFile(file, id)
	o.took = time.Since(start)
	runtime.ReadMemStats(&after)
	o.memory = after.TotalAlloc - before.TotalAlloc
	if err != nil {
		o.exit = 4
		return o
	}
	o.exit = res.Exit()
	for _, i := range res.Issues {
		o.counts[i.Kind]++
	}
	o.messages = res.Issues
	return o
}

// host matches messages of keepalived that are about this host or about nothing
// in the file.
var host = regexp.MustCompile(`(?i)SECURITY VIOLATION|Non-existent interface|cannot track route|global script uid|doesn't exist|does not exist|not found|no such (device|file)|cannot access|` +
	`script_security|default user|not executable|Unable to (load|set|open)|Operation not permitted|is not a symbolic|checking not possible|` +
	`keepalived_script|has no IPv4 address|assign for vrrp|no primary|link-local|in the process|namespace|Read-only|ipset|iptables|nftables|` +
	`is disabled|loopback|interface .* (is )?down|Track file .* (dir|is)|unable to|Permission denied|couldn't find`)

// oracle returns what keepalived has to say about the file.
func oracle(program, file, id string) (messages []string, ran bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-t", "-i", id, "-f", file)
	cmd.Dir = os.TempDir()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, false, fmt.Errorf("run %s: %w", program, err)
	}
	seen := map[string]bool{}
	for l := range strings.Lines(string(out)) {
		l = strings.TrimSpace(l)
		// keepalived reads the file three times, once with its name.
		l = regexp.MustCompile(`^\([^()]*Line (\d+)\)`).ReplaceAllString(l, "(Line $1)")
		if l == "" || host.MatchString(l) || seen[l] {
			continue
		}
		seen[l] = true
		messages = append(messages, l)
	}
	return messages, ctx.Err() == nil && (exit == nil || exit.ExitCode() >= 0), nil
}

// shape takes names and numbers out of a message so that like ones count
// together.
func shape(s string) string {
	s = regexp.MustCompile(`^\(Line \d+\) *`).ReplaceAllString(s, "")
	s = regexp.MustCompile(`'[^']*'|"[^"]*"|\([^()]*\)|\[[^\]]*\]`).ReplaceAllString(s, "…")
	s = regexp.MustCompile(`[0-9a-fA-F:.]*[0-9][0-9a-fA-F:.]*`).ReplaceAllString(s, "N")
	return s[:min(len(s), 110)]
}

// summary prints figures over all the files.
func summary(all []outcome, compared bool) {
	exits := map[int]int{}
	var slowest, biggest outcome
	for _, o := range all {
		exits[o.exit]++
		if o.took > slowest.took {
			slowest = o
		}
		if o.memory > biggest.memory {
			biggest = o
		}
	}
	fmt.Printf("\n%d files: exit 0 %d, exit 2 %d, exit 4 %d\n", len(all), exits[0], exits[2], exits[4])
	fmt.Printf("slowest %s %v, most allocated %s %.1f MB\n", slowest.name, slowest.took.Round(time.Millisecond), biggest.name, float64(biggest.memory)/1e6)
	if !compared {
		return
	}
	classes, only, alone := map[string]int{}, map[string]int{}, map[string]int{}
	for _, o := range all {
		ours := slices.ContainsFunc(o.messages, judges)
		said := len(o.messages) > 0
		switch {
		case len(o.theirs) > 0 && said:
			classes["both have something to say"]++
		case len(o.theirs) > 0:
			classes["only keepalived has something to say: "+o.name]++
			for _, m := range o.theirs {
				only[shape(m)]++
			}
		case ours:
			classes["only hakeep has something to say"]++
			for _, m := range o.messages {
				if judges(m) {
					alone[shape(m.Message)]++
				}
			}
		default:
			classes["neither has"]++
		}
	}
	for _, k := range slices.Sorted(maps.Keys(classes)) {
		fmt.Printf("%5d  %s\n", classes[k], k)
	}
	top("messages of files about which only keepalived has something to say", only)
	top("messages of files about which only hakeep has something to say", alone)
	missed := map[string]int{}
	for _, o := range all {
		for _, m := range o.theirs {
			if !o.hasLine(m) {
				missed[shape(m)]++
			}
		}
	}
	top("keepalived's messages about lines of which hakeep says nothing", missed)
	losses := map[string]int{}
	for _, o := range all {
		for _, m := range o.messages {
			if m.Kind >= keepalived.Lost {
				losses[shape(m.Message)]++
			}
		}
	}
	top("what hakeep leaves out", losses)
}

// judges reports whether a message says that something is wrong with the file:
// not only what hakeep cannot do or does otherwise.
func judges(i keepalived.Issue) bool {
	return i.Kind >= keepalived.Changed && !i.Own
}

// hasLine reports whether we said something about the line of a message.
func (o outcome) hasLine(message string) bool {
	m := regexp.MustCompile(`^\(Line (\d+)\)`).FindStringSubmatch(message)
	if m == nil {
		return len(o.messages) > 0
	}
	for _, i := range o.messages {
		if fmt.Sprint(i.Pos.Line) == m[1] || fmt.Sprint(i.Pos.Used) == m[1] {
			return true
		}
	}
	return false
}

func top(title string, counts map[string]int) {
	fmt.Printf("\n%s:\n", title)
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) })
	for _, k := range keys[:min(len(keys), 60)] {
		fmt.Printf("%5d  %s\n", counts[k], k)
	}
}
