package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/status"
)

const (
	// lateAdverts is the interval of the instance that is watched.
	lateAdverts = 10 * time.Millisecond
	// lateReloads is how often the load "reload" reloads both routers.
	lateReloads = 2 * time.Second
	// lateChecks are the checks of the load "checks", with lateTargets each.
	lateChecks, lateTargets = 100, 100
)

// lateLoads are what goes on beside the adverts.
var lateLoads = []string{"nothing", "busy loops", "fork storm", "disk writes", "memory", "checks", "reload"}

// lateSample is one run.
type lateSample struct {
	late        status.Lateness
	gapP99, gap time.Duration
	transitions int
	bare        lab.BeatResult
}

// latenesses measures how late adverts at 10 ms are under each load, by hakeep's
// own account and on the wire, beside a bare real-time loop that runs from
// before the daemon's start until its account was read.
func latenesses(ctx context.Context, s settings) error {
	fmt.Printf("\nAdverts at %v for %v under load: how late, ms. The bare loop is a SCHED_FIFO thread with a timerfd at the same time.\n", lateAdverts, s.scale)
	fmt.Printf("Loads: 16 busy loops; 4 loops of fork and exec; 2 writers of %d MB with fsync; 4 processes that map and fill %d MB; %d TCP checks a second (hakeep's own; beside keepalived by another process); a reload of 1,000 instances each %v.\n\n",
		hogFile>>20, hogMemory>>20, lateChecks*lateTargets, lateReloads)
	fmt.Printf("| load | program | own account: median, p99, worst | bare loop: median, p99, worst | above it: p99, worst | gap on the wire beyond the interval: p99, worst | false takeovers |\n|---|---|---|---|---|---|---|\n")
	for _, l := range lateLoads {
		if !strings.Contains(l, s.load) {
			continue
		}
		for _, k := range kinds {
			m, err := lateRun(ctx, s, k, l)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", k, l, err)
			}
			fmt.Println(m.row(k, l))
		}
	}
	return nil
}

func seconds(f float64) time.Duration { return time.Duration(f * float64(time.Second)) }

func (m *lateSample) row(k kind, load string) string {
	own, above := "not known", "not known"
	if k == hakeep {
		own = fmt.Sprintf("%s, %s, %s", ms(seconds(m.late.P50)), ms(seconds(m.late.P99)), ms(seconds(m.late.Max)))
		above = fmt.Sprintf("%s, %s", ms(seconds(m.late.P99)-m.bare.P99), ms(seconds(m.late.Max)-m.bare.Max))
	}
	return fmt.Sprintf("| %s | %s | %s | %s, %s, %s | %s | %s, %s | %d |", load, k, own,
		ms(m.bare.P50), ms(m.bare.P99), ms(m.bare.Max), above, ms(m.gapP99), ms(m.gap), m.transitions)
}

func lateRun(ctx context.Context, s settings, k kind, load string) (m lateSample, err error) {
	p, err := newPair(s, k)
	if p != nil {
		defer p.close()
	}
	if err != nil {
		return m, err
	}
	routers := []vrouter{{vrid: 1, addrs: []string{"10.100.1.1/32"}}}
	var slow []vrouter
	if load == "reload" {
		all, links := manyRouters(1000)
		slow = all[1:]
		if err := p.addLinks(links); err != nil {
			return m, err
		}
	}
	if load == "checks" {
		stop, err := startServers(ctx, p.a, k == keepalived)
		defer stop()
		if err != nil {
			return m, err
		}
	}
	stopBeat, err := startBeat(ctx)
	if err != nil {
		return m, err
	}
	defer func() { _, _ = stopBeat() }()
	if err := p.startLate(s, routers, slow, load); err != nil {
		return m, err
	}
	if err := p.await(ctx, "MASTER", "BACKUP", append(routers, slow...)); err != nil {
		return m, err
	}
	if err := sleep(ctx, 3*time.Second); err != nil {
		return m, err
	}
	c, err := lab.StartCapture(p.client, "eth0", lab.CaptureOptions{Filter: lab.FilterVRRP})
	if err != nil {
		return m, err
	}
	defer c.Close()
	before := transitions(p.onA) + transitions(p.onB)
	stop, err := startHogs(s, p, load)
	defer stop()
	if err != nil {
		return m, err
	}
	if err := p.during(ctx, s, routers, slow, load); err != nil {
		return m, err
	}
	stop()
	var mine []lab.Frame
	for _, f := range c.Frames() {
		if v, ok := f.VRRP(); ok && len(v.Payload) > 1 && int(v.Payload[1]) == routers[0].vrid {
			mine = append(mine, f)
		}
	}
	m.gapP99, m.gap = gaps(mine)
	m.late = readLateness(ctx, p.onA)
	m.transitions = transitions(p.onA) + transitions(p.onB) - before
	m.bare, err = stopBeat()
	return m, err
}

// during waits for the time of the measurement, with reloads if they are the load.
func (p *pair) during(ctx context.Context, s settings, fast, slow []vrouter, load string) error {
	if load != "reload" {
		return sleep(ctx, s.scale)
	}
	for n, end := 0, time.Now().Add(s.scale); time.Now().Before(end); n++ {
		changed := append([]vrouter(nil), slow...)
		if n%2 == 0 {
			changed[0].excluded = []string{"10.99.0.1/32"}
		}
		for _, h := range []struct {
			d        daemon
			name     string
			priority int
		}{{p.onA, "a", 150}, {p.onB, "b", 100}} {
			if err := p.rewrite(h.d, h.name, p.lateConfig(fast, changed, h.priority)); err != nil {
				return err
			}
		}
		if err := sleep(ctx, lateReloads); err != nil {
			return err
		}
	}
	return nil
}

// rewrite replaces a configuration and has it read.
func (p *pair) rewrite(d daemon, name, text string) error {
	path := p.sub(name) + "/keepalived.conf"
	if h, ok := d.(*lab.Hakeep); ok {
		path = h.ConfigPath()
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return syscall.Kill(d.Pid(), syscall.SIGHUP)
}

// lateConfig is that of a router with a fast instance, and others at 1 s.
func (p *pair) lateConfig(fast, slow []vrouter, priority int) string {
	if p.kind == hakeep {
		return toml(fast, priority, lateAdverts) + toml(slow, priority, time.Second)
	}
	text := conf(fast, priority, lateAdverts)
	if len(slow) > 0 {
		_, rest, _ := strings.Cut(conf(slow, priority, time.Second), "}\n")
		text += rest
	}
	return text
}

// startLate starts both routers.
func (p *pair) startLate(s settings, fast, slow []vrouter, load string) (err error) {
	for _, h := range []struct {
		ns       *lab.Namespace
		d        *daemon
		name     string
		priority int
	}{{p.a, &p.onA, "a", 150}, {p.b, &p.onB, "b", 100}} {
		text := p.lateConfig(fast, slow, h.priority)
		if p.kind == keepalived {
			*h.d, err = lab.StartKeepalived(h.ns, lab.KeepalivedOptions{Conf: text, Dir: p.sub(h.name), Args: []string{"-P"}, Terse: true})
		} else {
			if load == "checks" && h.name == "a" {
				text = checkedBy(text)
			}
			*h.d, err = lab.StartHakeep(h.ns, lab.HakeepOptions{Config: text, Dir: p.sub(h.name), Binary: s.binary})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkedBy adds checks to the one instance of a configuration.
func checkedBy(text string) string {
	var checks, names strings.Builder
	for i := range lateChecks {
		fmt.Fprintf(&checks, "[[track_check]]\nname = \"c%d\"\nkind = \"tcp\"\ninterval = \"1s\"\ntimeout = \"500ms\"\ntargets = [", i)
		for j := range lateTargets {
			fmt.Fprintf(&checks, "\"%v:%d\", ", serverAddr(127, i*lateTargets+j), probePort)
		}
		checks.WriteString("]\n")
		fmt.Fprintf(&names, "\"c%d\", ", i)
	}
	return checks.String() + text + "track_check = [" + names.String() + "]\n"
}

// startServers starts the servers that are checked, and the checks if the daemon
// does not have any.
func startServers(ctx context.Context, ns *lab.Namespace, checks bool) (stop func(), err error) {
	stop = func() {}
	self, err := os.Executable()
	if err != nil {
		return stop, err
	}
	servers := ns.CommandContext(ctx, self, "-answer")
	in, err := servers.StdinPipe()
	if err != nil {
		return stop, err
	}
	out, err := servers.StdoutPipe()
	if err != nil {
		return stop, err
	}
	if err := servers.Start(); err != nil {
		return stop, err
	}
	stop = func() { _ = in.Close(); _ = servers.Wait() }
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return stop, err
	}
	if !checks {
		return stop, nil
	}
	probe := ns.CommandContext(ctx, self, "-probe", fmt.Sprint(lateChecks*lateTargets), "-probe-time", "1h")
	if err := probe.Start(); err != nil {
		return stop, err
	}
	return func() {
		_ = probe.Process.Kill()
		_ = probe.Wait()
		_ = in.Close()
		_ = servers.Wait()
	}, nil
}

// startBeat starts the bare loop in a process of its own. What it returns ends
// it, by the end of its standard input, and may be called again.
func startBeat(ctx context.Context) (stop func() (lab.BeatResult, error), err error) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-beat", "1h", "-beat-input")
	var out bytes.Buffer
	cmd.Stdout = &out
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := false
	return func() (res lab.BeatResult, err error) {
		if ended {
			return res, nil
		}
		ended = true
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			return res, fmt.Errorf("bare loop: %w", err)
		}
		return res, json.Unmarshal(out.Bytes(), &res)
	}, nil
}
