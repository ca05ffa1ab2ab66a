package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"hakeep/internal/lab"
)

// ticks is the unit of process times in /proc (USER_HZ).
const ticks = 100

// scales measures 250 virtual routers at 10 ms: what is on the wire, what it
// costs, and whether anybody takes over who should not; then the same beside 16
// busy loops.
func scales(ctx context.Context, s settings) error {
	const n, interval = 250, 10 * time.Millisecond
	var routers []vrouter
	for i := 1; i <= n; i++ {
		routers = append(routers, vrouter{vrid: i, addrs: []string{fmt.Sprintf("10.1.0.%d/32", i)}})
	}
	fmt.Printf("\n%d instances at %v for %v, then beside 16 busy loops for %v\n\n", n, interval, s.scale, s.busy)
	fmt.Printf("| program | adverts/s | CPU master | CPU backup | µs per advert sent | PSS master | false takeovers | beside busy loops | bare loop's worst, ms: quiet, beside busy loops |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, k := range kinds {
		if err := scale(ctx, s, k, routers, interval); err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
	}
	return floors(ctx, s, routers, interval)
}

func scale(ctx context.Context, s settings, k kind, routers []vrouter, interval time.Duration) error {
	p, err := newPair(s, k)
	if p != nil {
		defer p.close()
	}
	if err != nil {
		return err
	}
	if err := p.start(s, routers, interval); err != nil {
		return err
	}
	if err := p.await(ctx, "MASTER", "BACKUP", routers); err != nil {
		return err
	}
	if err := sleep(ctx, 5*time.Second); err != nil { // announcements of the start
		return err
	}
	pidsA, pidsB := pids(p.onA), pids(p.onB)
	cpuA, _ := cpuBoth(pidsA)
	cpuB, _ := cpuBoth(pidsB)
	sent := sentOn(p.a, "eth0")
	before := transitions(p.onA) + transitions(p.onB)
	stopBeat, err := startBeat(ctx)
	if err != nil {
		return err
	}
	defer func() { _, _ = stopBeat() }()
	began := time.Now()
	if err := sleep(ctx, s.scale); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	endA, _ := cpuBoth(pidsA)
	endB, _ := cpuBoth(pidsB)
	dA, dB, dSent := endA-cpuA, endB-cpuB, sentOn(p.a, "eth0")-sent
	quiet := transitions(p.onA) + transitions(p.onB) - before
	calm, err := stopBeat()
	if err != nil {
		return err
	}
	if stopBeat, err = startBeat(ctx); err != nil {
		return err
	}
	loaded, err := besideLoad(ctx, s, p)
	if err != nil {
		return err
	}
	pressed, err := stopBeat()
	if err != nil {
		return err
	}
	fmt.Printf("| %s | %.0f | %.1f %% | %.1f %% | %.2f | %s | %d | %d | %s, %s |\n", k, float64(dSent)/took,
		100*dA.Seconds()/took, 100*dB.Seconds()/took, 1e6*dA.Seconds()/float64(dSent), pss(pidsA), quiet, loaded, ms(calm.Max), ms(pressed.Max))
	return nil
}

// besideLoad counts transitions while 16 processes do nothing but compute.
func besideLoad(ctx context.Context, s settings, p *pair) (int, error) {
	before := transitions(p.onA) + transitions(p.onB)
	for range 16 {
		cmd := p.client.CommandContext(ctx, "sh", "-c", "while :; do :; done")
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		defer func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}()
	}
	if err := sleep(ctx, s.busy); err != nil {
		return 0, err
	}
	return transitions(p.onA) + transitions(p.onB) - before, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// transitions counts changes of state in a log.
func transitions(d daemon) int {
	n := 0
	for _, l := range d.Log() {
		if strings.Contains(l.Text, `"msg":"transition"`) || strings.Contains(l.Text, " Entering ") {
			n++
		}
	}
	return n
}

// pids are all processes of a daemon.
func pids(d daemon) []int {
	out := []int{d.Pid()}
	if h, ok := d.(*lab.Hakeep); ok {
		if pid, err := h.ElectorPid(); err == nil {
			out = append(out, pid)
		}
		return out
	}
	return treeOf(d.Pid())
}

// treeOf are a process and what it started.
func treeOf(pid int) []int {
	out := []int{pid}
	for i := 0; i < len(out); i++ {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", out[i], out[i]))
		for _, f := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil {
				out = append(out, pid)
			}
		}
	}
	return out
}

// cpu is the time that processes have used.
func cpu(pids []int) (total time.Duration) {
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+2:]))
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		total += time.Duration(user+system) * time.Second / ticks
	}
	return total
}

// pss lists the proportional set size of each process in MB.
func pss(pids []int) string {
	var out []string
	for _, pid := range pids {
		f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		for sc := bufio.NewScanner(f); sc.Scan(); {
			if kb, ok := strings.CutPrefix(sc.Text(), "Pss:"); ok {
				n, _ := strconv.Atoi(strings.Fields(kb)[0])
				out = append(out, fmt.Sprintf("%.1f", float64(n)/1024))
			}
		}
		f.Close()
	}
	return strings.Join(out, " + ") + " MB"
}

// sentOn counts what a router has sent on a link.
func sentOn(ns *lab.Namespace, link string) uint64 {
	l, err := ns.Netlink().LinkByName(link)
	if err != nil || l.Attrs().Statistics == nil {
		return 0
	}
	return l.Attrs().Statistics.TxPackets
}

// floors measures loops that only send the adverts, prepared, beside a backup and
// a client as above: what the kernel takes to bring them there.
func floors(ctx context.Context, s settings, routers []vrouter, interval time.Duration) error {
	p, err := newPair(s, hakeep)
	if p != nil {
		defer p.close()
	}
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var what []string
	for _, bare := range []bool{false, true} {
		cmd := p.a.CommandContext(ctx, self, "-send", fmt.Sprint(len(routers)), "-send-bare="+fmt.Sprint(bare), "-send-time", (s.scale / 2).String())
		out := new(bytes.Buffer)
		cmd.Stdout, cmd.Stderr = out, os.Stderr
		if err := cmd.Start(); err != nil {
			return err
		}
		if p.onB == nil {
			if p.onB, err = p.launch(s, p.b, "b", 100, routers, interval); err != nil {
				return err
			}
		}
		if err := cmd.Wait(); err != nil {
			return err
		}
		var m sentOnly
		if err := json.Unmarshal(out.Bytes(), &m); err != nil {
			return err
		}
		what = append(what, fmt.Sprintf("%.2f", 1e6*m.CPU.Seconds()/float64(m.Sent)))
	}
	fmt.Printf("\nA loop that only sends these adverts, prepared, in ten batches each %v: %s µs an advert; sendmmsg alone: %s µs.\n", interval, what[0], what[1])
	return nil
}
