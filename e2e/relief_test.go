package e2e

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hakeep/internal/cpus"
	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// TestCPUStandsStill: while nothing can run on the CPUs that adverts are sent from, as
// where the hypervisor or the kernel keeps them, adverts leave from another.
func TestCPUStandsStill(t *testing.T) {
	if !cpus.Relieved() {
		t.Skip("needs two CPUs")
	}
	a := nstest.Host(t, "a")
	nstest.Attach(t, nstest.LAN(t), a, "eth0", "192.0.2.1/24")
	capture := nstest.Capture(t, a, "eth0", lab.FilterVRRP)
	h := nstest.Hakeep(t, a, `
[[vrrp_instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
priority = 150
advert_int = "10ms"
virtual_ipaddress = ["192.0.2.10/24"]
`)
	awaitState(t, h, "MASTER")
	const rounds = 5
	stuck := 0
	for range rounds {
		from, release := standStill(t)
		// The other CPU may be taken away as well, but hardly for that long.
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		for range 3 {
			f, err := capture.WaitAfter(ctx, from, func(f lab.Frame) bool { _, ok := f.VRRP(); return ok })
			if err != nil {
				t.Logf("no advert leaves while the CPU stands still: %v", err)
				stuck++
				break
			}
			from = f.Time
		}
		cancel()
		release()
	}
	if stuck > 1 { // one may have caught the thread while it sent: nobody can go on for it
		t.Errorf("no advert left in %d of %d times", stuck, rounds)
	}
	if n := document(t, h).Elector.Relieved; n < 10 {
		t.Errorf("status counts %d times that another CPU sent, want 15 or a few less", n)
	}
}

// standStill keeps the CPUs that adverts are sent from busy, above the priority of
// whoever sends them, until release is called. It returns from when.
func standStill(t *testing.T) (from time.Time, release func()) {
	t.Helper()
	of, err := advertCPUs()
	if err != nil {
		t.Fatal(err)
	}
	var running []*exec.Cmd
	release = sync.OnceFunc(func() {
		for _, cmd := range running {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	t.Cleanup(release)
	for _, cpu := range of {
		// A program in Go would be stopped by its runtime now and then. The kernel itself
		// ends this one, if nobody else does.
		cmd := exec.Command("prlimit", "--cpu=5", "taskset", "-c", strconv.Itoa(cpu), "chrt", "-f", "60", "sh", "-c", "echo; while :; do :; done")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, cmd)
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	return time.Now(), release
}

// advertCPUs are the CPUs that electors send adverts from.
func advertCPUs() (of []int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cpus.Adverts(); err != nil {
		return nil, err
	}
	var set unix.CPUSet
	if err := errors.Join(unix.SchedGetaffinity(0, &set), cpus.Release()); err != nil {
		return nil, err
	}
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			of = append(of, cpu)
		}
	}
	return of, nil
}
