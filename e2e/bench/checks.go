package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hakeep/internal/lab"
	"hakeep/lvs/ipvs"
)

// checking measures 10,000 TCP checks each second, of servers that answer and of
// servers that never do, and keepalived with the same beside it.
func checking(ctx context.Context, s settings) error {
	n := s.servers
	fmt.Printf("\n%d servers checked by TCP each second on one core, %v after the first verdict\n\n", n, s.checks)
	fmt.Printf("| program | servers | first verdict for all | up | attempts/s | CPU | late by > 10 ms | latest | PSS |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, dead := range []bool{false, true} {
		if err := checksOf(ctx, s, "hakeep", n, dead); err != nil {
			return err
		}
	}
	if !hasIPVS() {
		fmt.Printf("\nkeepalived does not start its checkers here: this kernel has no IPVS, and without it they end at once.\n")
		return nil
	}
	for _, dead := range []bool{false, true} {
		if err := checksOf(ctx, s, "keepalived", n, dead); err != nil {
			return err
		}
	}
	return nil
}

// hasIPVS says whether the kernel has IPVS; it loads the module if it can.
func hasIPVS() bool {
	c, err := ipvs.Open()
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// checksOf measures one program in a namespace of its own.
func checksOf(ctx context.Context, s settings, program string, n int, dead bool) error {
	ns, err := lab.NewNamespace("checks")
	if err != nil {
		return err
	}
	defer ns.Close()
	what := "answer"
	if dead {
		what = "are dead"
		if err := deadLink(ns); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	servers := ns.CommandContext(ctx, self, "-answer")
	in, err := servers.StdinPipe()
	if err != nil {
		return err
	}
	out, err := servers.StdoutPipe()
	if err != nil {
		return err
	}
	if err := servers.Start(); err != nil {
		return err
	}
	defer func() { _ = in.Close(); _ = servers.Wait() }()
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil {
		return err
	}
	accepted := func() (count uint64) {
		_, _ = io.WriteString(in, "count\n")
		line, _ := lines.ReadString('\n')
		_, _ = fmt.Sscan(line, &count)
		return count
	}
	var p probed
	if program == "hakeep" {
		p, err = probeHere(ctx, ns, self, n, dead, s.checks)
	} else {
		p, err = probeKeepalived(ctx, ns, s, n, dead, accepted)
	}
	if err != nil {
		return fmt.Errorf("%s, servers %s: %w", program, what, err)
	}
	first, late, latest := "not within 30 s", "not known", "not known"
	if p.First > 0 {
		first = p.First.Round(time.Millisecond).String()
	}
	if program == "hakeep" {
		late, latest = fmt.Sprint(p.Late), p.Latest.Round(10*time.Microsecond).String()
	}
	fmt.Printf("| %s | %s | %s | %d | %.0f | %.1f %% | %s | %s | %s |\n", program, what, first, p.Up,
		float64(p.Runs)/p.Took.Seconds(), 100*p.CPU.Seconds()/p.Took.Seconds(), late, latest, p.Memory)
	return nil
}

// deadLink is a link behind which nobody answers: the addresses are behind a
// neighbour that has none of them and forwards nothing.
func deadLink(ns *lab.Namespace) error {
	for _, line := range []string{
		"link add dead type veth peer name end", "link set end up", "link set dead up", "address add 10.8.0.1/24 dev dead",
		"neigh add 10.8.0.2 lladdr 02:00:00:00:00:02 nud permanent dev dead", "route add 10.9.0.0/16 via 10.8.0.2 dev dead",
	} {
		if out, err := ns.Run("ip", strings.Fields(line)...); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
	}
	return nil
}

func probeHere(ctx context.Context, ns *lab.Namespace, self string, n int, dead bool, d time.Duration) (p probed, err error) {
	cmd := ns.CommandContext(ctx, self, "-probe", fmt.Sprint(n), "-probe-dead="+fmt.Sprint(dead), "-probe-time", d.String())
	out, err := cmd.Output()
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(out, &p)
}

// probeKeepalived runs keepalived's checkers. What they do is seen at the
// servers, and in the log.
func probeKeepalived(ctx context.Context, ns *lab.Namespace, s settings, n int, dead bool, accepted func() uint64) (p probed, err error) {
	prefix := byte(127)
	if dead {
		prefix = 10
	}
	var b strings.Builder
	b.WriteString("global_defs {\n router_id bench\n}\n")
	for i := range n {
		if i%250 == 0 {
			if i > 0 {
				b.WriteString("}\n")
			}
			fmt.Fprintf(&b, "virtual_server 198.51.100.%d %d {\n delay_loop 1\n lb_algo rr\n lb_kind NAT\n protocol TCP\n", 1+i/250, probePort)
		}
		fmt.Fprintf(&b, " real_server %s %d {\n weight 1\n TCP_CHECK {\n connect_timeout 1\n retry 0\n delay_before_retry 1\n }\n }\n", serverAddr(prefix, i), probePort)
	}
	b.WriteString("}\n")
	conf := filepath.Join(s.dir, "checks.conf")
	if err := os.WriteFile(conf, []byte(b.String()), 0o600); err != nil {
		return p, err
	}
	log, err := os.Create(filepath.Join(s.dir, "checks.log"))
	if err != nil {
		return p, err
	}
	defer log.Close()
	cmd := ns.CommandContext(ctx, "keepalived", "-C", "-n", "-l", "-D", "-f", conf, "-p", filepath.Join(s.dir, "k.pid"), "-c", filepath.Join(s.dir, "kc.pid"))
	cmd.Stdout, cmd.Stderr = log, log
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return p, err
	}
	defer func() { _ = cmd.Signal(os.Interrupt); _ = cmd.Wait() }()
	word := " success"
	if dead {
		word = " timeout"
	}
	verdicts := func() int {
		text, _ := os.ReadFile(log.Name())
		up := 0
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "TCP") && (strings.Contains(line, word) || strings.Contains(line, " failed")) {
				up++
			}
		}
		return up
	}
	for deadline := begin.Add(30 * time.Second); time.Now().Before(deadline) && p.First == 0; {
		if verdicts() >= n {
			p.First = time.Since(begin)
		} else if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return p, err
		}
	}
	if !dead {
		p.Up = verdicts()
	}
	all := treeOf(cmd.Process.Pid)
	used, from, before := cpu(all), time.Now(), accepted()
	if err := sleep(ctx, s.checks); err != nil {
		return p, err
	}
	p.CPU, p.Took, p.Runs = cpu(all)-used, time.Since(from), accepted()-before
	p.Memory = pss(all)
	return p, nil
}
