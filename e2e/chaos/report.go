package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxViolations ends the experiment early.
const maxViolations = 10

// watched is the router whose processes are never ended, so that their size can
// be followed.
const watched = "c"

// size is what the processes of a router hold.
type size struct {
	rss          [2]int // KB, main and elector
	files, tasks [2]int
}

// report is what has happened.
type report struct {
	seed        uint64
	took        time.Duration
	faults      map[string]int
	outages     map[string][]time.Duration
	violations  []string
	leftovers   int
	worstStall  time.Duration
	first, last size
	samples     []size
}

func newReport(seed uint64) *report {
	return &report{seed: seed, faults: map[string]int{}, outages: map[string][]time.Duration{}}
}

func (r *report) count(name string)                   { r.faults[name]++ }
func (r *report) outage(name string, d time.Duration) { r.outages[name] = append(r.outages[name], d) }
func (r *report) stall(d time.Duration)               { r.worstStall = max(r.worstStall, d) }
func (r *report) sample(s size)                       { r.samples = append(r.samples, s) }

// violate notes what must not be, with the end of each log.
func (r *report) violate(w *world, where string, bad []string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (seed %d)\n", where, r.seed)
	for _, line := range bad {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	for _, ro := range w.routers {
		var log string
		switch {
		case ro.hakeep != nil:
			log = ro.hakeep.LogText()
		case ro.keepalived != nil:
			log = ro.keepalived.LogText()
		}
		lines := strings.Split(strings.TrimSpace(log), "\n")
		fmt.Fprintf(&b, "  log of %s:\n", ro.name)
		for _, l := range lines[max(0, len(lines)-25):] {
			fmt.Fprintf(&b, "    %s\n", l)
		}
	}
	r.violations = append(r.violations, b.String())
	fmt.Fprintf(w.out, "VIOLATION %s", b.String())
}

// sizes reads what the watched router holds.
func (w *world) sizes() (s size) {
	for _, r := range w.routers {
		if r.name != watched {
			continue
		}
		for i, pid := range r.pids() {
			dir := fmt.Sprintf("/proc/%d", pid)
			files, _ := os.ReadDir(filepath.Join(dir, "fd"))
			tasks, _ := os.ReadDir(filepath.Join(dir, "task"))
			s.files[i], s.tasks[i] = len(files), len(tasks)
			text, _ := os.ReadFile(filepath.Join(dir, "status"))
			for line := range strings.Lines(string(text)) {
				if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
					s.rss[i], _ = strconv.Atoi(strings.Fields(kb)[0])
				}
			}
		}
	}
	return s
}

// growth says what has grown, from the first fifth of the rounds to the end. Few
// rounds say nothing: caches fill and threads start at first.
func (r *report) growth() (grown []string) {
	if len(r.samples) < 50 {
		return nil
	}
	fifth := r.samples[len(r.samples)/10 : len(r.samples)/5]
	end := r.samples[len(r.samples)-len(fifth):]
	for i, name := range []string{"main", "elector"} {
		for _, q := range []struct {
			what  string
			of    func(size) int
			limit func(int) int
		}{
			{"KB", func(s size) int { return s.rss[i] }, func(n int) int { return n + n/4 + 2048 }},
			{"descriptors", func(s size) int { return s.files[i] }, func(n int) int { return n + 3 }},
			{"threads", func(s size) int { return s.tasks[i] }, func(n int) int { return n + 4 }},
		} {
			was, is := middle(fifth, q.of), middle(end, q.of)
			if is > q.limit(was) {
				grown = append(grown, fmt.Sprintf("%s: %d %s, were %d", name, is, q.what, was))
			}
		}
	}
	return grown
}

func middle(list []size, of func(size) int) int {
	var values []int
	for _, s := range list {
		values = append(values, of(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// print writes the report as tables.
func (r *report) print(out io.Writer) {
	events := 0
	for _, n := range r.faults {
		events += n
	}
	fmt.Fprintf(out, "\n%v, %d rounds, %d faults; violations %d, leftovers %d; this machine stood still for %v at worst\n\n",
		r.took.Round(time.Second), len(r.samples), events, len(r.violations), r.leftovers, r.worstStall.Round(time.Millisecond))
	fmt.Fprintf(out, "| fault | times | alone, on the master | longest outage: median | worst |\n|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(r.faults)) {
		list := r.outages[name]
		fmt.Fprintf(out, "| %s | %d | %d |", name, r.faults[name], len(list)/len(asked))
		if len(list) == 0 {
			fmt.Fprintf(out, " | |\n")
			continue
		}
		slices.Sort(list)
		fmt.Fprintf(out, " %v | %v |\n", list[len(list)/2].Round(time.Millisecond), list[len(list)-1].Round(time.Millisecond))
	}
	fmt.Fprintf(out, "\nrouter %s, never ended, main and elector: %v KB, %v descriptors, %v threads; at the end %v, %v, %v\n",
		watched, r.first.rss, r.first.files, r.first.tasks, r.last.rss, r.last.files, r.last.tasks)
	for _, v := range r.violations {
		where, _, _ := strings.Cut(v, "\n")
		fmt.Fprintf(out, "VIOLATION %s\n", where)
	}
}
