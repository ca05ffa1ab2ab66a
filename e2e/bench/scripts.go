package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/lab"
	"hakeep/internal/status"
)

const (
	// manyScripts run once a second each while adverts are due every scriptAdverts.
	manyScripts   = 200
	scriptAdverts = 10 * time.Millisecond
)

// scriptSample is one run of one program, with or without scripts.
type scriptSample struct {
	daemon, children time.Duration // CPU in a second
	runs             float64       // in a second
	late             status.Lateness
	gapP99, gapMax   time.Duration // beyond the interval, on the wire
	bare             lab.BeatResult
}

// scripts measures what tracked scripts cost, and whether adverts are later
// beside them, as the daemon itself, the wire and a bare real-time loop say.
func scripts(ctx context.Context, s settings) error {
	fmt.Printf("\n%d tracked scripts at 1s beside adverts at %v for %v, medians of %d runs; the bare loop runs at the same time\n\n",
		manyScripts, scriptAdverts, s.scripts, s.rounds)
	fmt.Printf("| program | scripts | runs/s | CPU daemon | CPU scripts | late by its own account: median, p99, worst | gap on the wire beyond the interval: p99, worst | bare loop late: median, p99, worst |\n|---|---|---|---|---|---|---|---|\n")
	type key struct {
		k kind
		n int
	}
	samples := map[key][]scriptSample{}
	for range s.rounds {
		for _, n := range []int{0, manyScripts} {
			for _, k := range kinds {
				m, err := scriptRun(ctx, s, k, n)
				if err != nil {
					return fmt.Errorf("%s with %d scripts: %w", k, n, err)
				}
				samples[key{k, n}] = append(samples[key{k, n}], m)
			}
		}
	}
	for _, k := range kinds {
		for _, n := range []int{0, manyScripts} {
			fmt.Println(scriptRow(k, n, samples[key{k, n}]))
		}
	}
	h, k := samples[key{hakeep, manyScripts}], samples[key{keepalived, manyScripts}]
	all := func(m scriptSample) time.Duration { return m.daemon + m.children }
	each := func(m scriptSample) time.Duration { return time.Duration(float64(all(m)) / max(m.runs, 1)) }
	fmt.Printf("\nCPU of daemon and scripts for each run: hakeep %s ms, keepalived %s ms, ratio %.2f\n",
		ms(medianOf(h, each)), ms(medianOf(k, each)), ratio(h, k, each))
	return nil
}

func ratio(a, b []scriptSample, of func(scriptSample) time.Duration) float64 {
	return float64(medianOf(a, of)) / float64(max(medianOf(b, of), 1))
}

func medianOf(list []scriptSample, of func(scriptSample) time.Duration) time.Duration {
	var d []time.Duration
	for _, m := range list {
		d = append(d, of(m))
	}
	return median(d)
}

func scriptRow(k kind, n int, list []scriptSample) string {
	of := func(f func(scriptSample) time.Duration) string { return ms(medianOf(list, f)) }
	sec := func(f func(status.Lateness) float64) string {
		return of(func(m scriptSample) time.Duration { return time.Duration(f(m.late) * float64(time.Second)) })
	}
	own := "not known"
	if k == hakeep {
		own = fmt.Sprintf("%s, %s, %s ms", sec(func(l status.Lateness) float64 { return l.P50 }),
			sec(func(l status.Lateness) float64 { return l.P99 }), sec(func(l status.Lateness) float64 { return l.Max }))
	}
	percent := func(f func(scriptSample) time.Duration) string {
		return fmt.Sprintf("%.1f %%", 100*medianOf(list, f).Seconds())
	}
	return fmt.Sprintf("| %s | %d | %.0f | %s | %s | %s | %s, %s ms | %s, %s, %s ms |", k, n, list[len(list)/2].runs,
		percent(func(m scriptSample) time.Duration { return m.daemon }), percent(func(m scriptSample) time.Duration { return m.children }), own,
		of(func(m scriptSample) time.Duration { return m.gapP99 }), of(func(m scriptSample) time.Duration { return m.gapMax }),
		of(func(m scriptSample) time.Duration { return m.bare.P50 }), of(func(m scriptSample) time.Duration { return m.bare.P99 }),
		of(func(m scriptSample) time.Duration { return m.bare.Max }))
}

// scriptRun starts one router and measures.
func scriptRun(ctx context.Context, s settings, k kind, n int) (m scriptSample, err error) {
	p, err := newPair(s, k)
	if p != nil {
		defer p.close()
	}
	if err != nil {
		return m, err
	}
	if p.onA, err = p.launchScripts(s, n); err != nil {
		return m, err
	}
	wait, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := p.onA.WaitState(wait, "VI_1", "MASTER"); err != nil {
		return m, fmt.Errorf("%w\n%s", err, tail(p.onA))
	}
	procs := pids(p.onA)
	if err := sleep(ctx, 3*time.Second); err != nil { // announcements and first results
		return m, err
	}
	again := pids(p.onA) // scripts that ran are gone
	procs = slices.DeleteFunc(procs, func(pid int) bool { return !slices.Contains(again, pid) })
	c, err := lab.StartCapture(p.client, "eth0", lab.CaptureOptions{Filter: lab.FilterVRRP})
	if err != nil {
		return m, err
	}
	defer c.Close()
	bare := exec.CommandContext(ctx, "/proc/self/exe", "-beat", s.scripts.String())
	var out bytes.Buffer
	bare.Stdout = &out
	if err := bare.Start(); err != nil {
		return m, err
	}
	runs := p.scriptRuns()
	own, children := cpuBoth(procs)
	begin := time.Now()
	if err := bare.Wait(); err != nil {
		return m, fmt.Errorf("bare loop: %w", err)
	}
	took := time.Since(begin)
	own2, children2 := cpuBoth(procs)
	ended := p.scriptRuns()
	frames := c.Frames()
	if err := json.Unmarshal(out.Bytes(), &m.bare); err != nil {
		return m, fmt.Errorf("bare loop: %w", err)
	}
	m.late, m.runs = readLateness(ctx, p.onA), float64(ended-runs)/took.Seconds()
	perSecond := func(d time.Duration) time.Duration { return time.Duration(float64(d) / took.Seconds()) }
	m.daemon, m.children = perSecond(own2-own), perSecond(children2-children)
	m.gapP99, m.gapMax = gaps(frames)
	return m, nil
}

// launchScripts starts router a with one instance that tracks n scripts.
func (p *pair) launchScripts(s settings, n int) (daemon, error) {
	path := filepath.Join(p.sub("a"), "s.sh")
	// A byte for each run, since keepalived does not count them.
	text := fmt.Sprintf("#!/bin/sh\necho >>%s\nexec /bin/true\n", p.sub("a")+"/runs")
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		return nil, err
	}
	var scripts, names strings.Builder
	if p.kind == hakeep {
		for i := range n {
			fmt.Fprintf(&scripts, "[[vrrp_script]]\nname = \"s%d\"\nscript = %q\ninterval = \"1s\"\nweight = -1\n", i, path)
			fmt.Fprintf(&names, "\"s%d\", ", i)
		}
		text := "[global_defs]\nscript_user = \"root\"\n" + scripts.String() + toml([]vrouter{{vrid: 51, addrs: []string{"192.0.2.10/24"}}}, 150, scriptAdverts)
		if n > 0 {
			text += "track_script = [" + names.String() + "]\n"
		}
		return lab.StartHakeep(p.a, lab.HakeepOptions{Config: strings.ReplaceAll(text, "VI_51", "VI_1"), Dir: p.sub("a"), Binary: s.binary})
	}
	for i := range n {
		fmt.Fprintf(&scripts, "vrrp_script s%d {\n script %s\n interval 1\n weight -1\n}\n", i, path)
		fmt.Fprintf(&names, "  s%d\n", i)
	}
	text = strings.Replace(conf([]vrouter{{vrid: 51, addrs: []string{"192.0.2.10/24"}}}, 150, scriptAdverts), "vrrp_instance VI_51 {",
		scripts.String()+"vrrp_instance VI_1 {\n track_script {\n"+names.String()+" }\n", 1)
	text = strings.Replace(text, "vrrp_version 3\n", "vrrp_version 3\n script_user root\n", 1)
	if n == 0 {
		text = strings.Replace(text, " track_script {\n }\n", "", 1)
	}
	return lab.StartKeepalived(p.a, lab.KeepalivedOptions{Conf: text, Dir: p.sub("a"), Args: []string{"-P"}})
}

// scriptRuns is how often the scripts of router a ran.
func (p *pair) scriptRuns() int64 {
	info, err := os.Stat(p.sub("a") + "/runs")
	if err != nil {
		return 0
	}
	return info.Size()
}

// readLateness is how late the adverts of a hakeep were since its start.
func readLateness(ctx context.Context, d daemon) (late status.Lateness) {
	h, ok := d.(*lab.Hakeep)
	if !ok {
		return late
	}
	text, _, _, err := h.CLI(ctx, "status", "--json")
	var doc status.Document
	if err != nil || json.Unmarshal([]byte(text), &doc) != nil {
		return late
	}
	return doc.Elector.Lateness
}

// cpuBoth is the time that processes, and children that they have reaped, used.
// Their own comes from their CPU clocks: /proc counts ticks, which is coarse for
// who wakes up in step with them, as at each advert.
func cpuBoth(pids []int) (own, children time.Duration) {
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+2:]))
		user, _ := strconv.Atoi(f[13])
		system, _ := strconv.Atoi(f[14])
		children += time.Duration(user+system) * time.Second / ticks
		const sched = 2 // CPUCLOCK_SCHED of the whole process, see clock_getcpuclockid(3)
		var at unix.Timespec
		if unix.ClockGettime(int32(^pid<<3|sched), &at) == nil {
			own += time.Duration(at.Nano())
		}
	}
	return own, children
}

// gaps is by how much the time between two adverts exceeded the interval.
func gaps(frames []lab.Frame) (p99, worst time.Duration) {
	var over []time.Duration
	for i := 1; i < len(frames); i++ {
		over = append(over, max(frames[i].Time.Sub(frames[i-1].Time)-scriptAdverts, 0))
	}
	slices.Sort(over)
	if n := len(over); n > 0 {
		p99, worst = over[n*99/100], over[n-1]
	}
	return p99, worst
}

// beatEach is the interval of the bare loop. It is shorter than those that are measured:
// how late the loop is at worst then says for how long the machine stood still.
const beatEach = time.Millisecond

// beat is the bare loop in a process of its own: its result goes to standard
// output. Whoever started it may end it before its time by its standard input.
func beat(d time.Duration, in io.Reader) error {
	b, err := lab.StartBeat(beatEach)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	if in != nil {
		go func() {
			_, _ = io.Copy(io.Discard, in)
			close(ended)
		}()
	}
	select {
	case <-time.After(d):
	case <-ended:
	}
	return json.NewEncoder(os.Stdout).Encode(b.Stop())
}
