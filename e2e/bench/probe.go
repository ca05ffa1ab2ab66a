package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"hakeep/checks"
)

// probed is what a process of checks found in a time.
type probed struct {
	// First is when all servers had a verdict, 0 if not.
	First time.Duration
	Up    int
	// Runs are the attempts since then, Late those of them that were late by more
	// than 10 ms, Latest the worst of all; CPU is what the process used for them.
	Runs, Late  uint64
	Latest, CPU time.Duration
	Took        time.Duration
	Memory      string
	// Accepted are the connections that the servers saw.
	Accepted uint64
}

// serverAddr is the address of a server: one of many on the loopback interface.
func serverAddr(prefix byte, i int) netip.Addr {
	return netip.AddrFrom4([4]byte{prefix, 9, byte(i >> 8), byte(i)})
}

// probe checks n servers by TCP each second on one core, in this process, for a
// time after the first verdict, and prints a probed. The servers are on the
// loopback interface, or, if dead, behind a link that swallows everything.
func probe(n int, dead bool, d time.Duration) error {
	runtime.GOMAXPROCS(1)
	prefix, timeout := byte(127), 500*time.Millisecond
	if dead {
		prefix = 10
	}
	var specs []checks.Spec
	for i := range n {
		specs = append(specs, checks.Spec{
			Name:   fmt.Sprintf("%d", i),
			Target: checks.TCP{Address: netip.AddrPortFrom(serverAddr(prefix, i), probePort)},
			Policy: checks.Policy{Interval: time.Second, Timeout: timeout, Warmup: time.Second, Fall: 1},
		})
	}
	var known, up atomic.Int64
	all := make(chan struct{})
	r := checks.NewRunner(checks.Options{Changed: func(ev checks.Event) {
		if ev.Up {
			up.Add(1)
		}
		if known.Add(1) == int64(n) {
			close(all)
		}
	}})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	begin := time.Now()
	if err := r.Apply(specs); err != nil {
		return err
	}
	var out probed
	select {
	case <-all:
		out.First = time.Since(begin)
	case <-time.After(30 * time.Second):
	}
	out.Up = int(up.Load())
	runs, late := sumRuns(r, &out)
	used, from := ownCPU(), time.Now()
	if err := sleep(ctx, d); err != nil {
		return err
	}
	out.CPU, out.Took = ownCPU()-used, time.Since(from)
	now, nowLate := sumRuns(r, &out)
	out.Runs, out.Late = now-runs, nowLate-late
	out.Memory = pss([]int{os.Getpid()})
	cancel()
	if err := <-ended; err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func sumRuns(r *checks.Runner, out *probed) (runs, late uint64) {
	for _, s := range r.Snapshot() {
		runs += s.Runs
		late += s.Late
		out.Latest = max(out.Latest, s.Latest)
	}
	return runs, late
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// answer is the servers: it accepts on every address, says that it is ready, and
// how many connections there were when its standard input ends.
func answer() error {
	l, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", probePort))
	if err != nil {
		return err
	}
	var n atomic.Uint64
	go func() {
		raw, err := l.(*net.TCPListener).File()
		if err != nil {
			return
		}
		_ = syscall.SetNonblock(int(raw.Fd()), false)
		for { // below package net, to be cheap beside what is measured
			fd, _, err := syscall.Accept4(int(raw.Fd()), syscall.SOCK_CLOEXEC)
			if err != nil {
				continue
			}
			n.Add(1)
			_ = syscall.Close(fd)
		}
	}()
	fmt.Println("ready")
	for {
		var line string
		if _, err := fmt.Scanln(&line); err != nil {
			return nil
		}
		fmt.Println(n.Load())
	}
}

// probePort is where the servers listen.
const probePort = 8080
