package e2e

import (
	"fmt"
	"runtime"
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
	const times, span = 5, 100 * time.Millisecond
	type still struct{ from, to time.Time }
	var spans []still
	for range times {
		from, to, err := standStill(span)
		if err != nil {
			t.Fatal(err)
		}
		spans = append(spans, still{from, to})
		isAdvert := func(f lab.Frame) bool { _, ok := f.VRRP(); return ok }
		if _, err := capture.WaitAfter(nstest.Context(t, patience), to.Add(span), isAdvert); err != nil {
			t.Fatal(err)
		}
	}
	sent := 0
	for _, f := range capture.Frames() {
		for _, s := range spans {
			if f.Time.After(s.from) && f.Time.Before(s.to) {
				sent++
			}
		}
	}
	// A fifth of what is due would do: the other CPU may be taken away as well.
	if want := times * int(span/(10*time.Millisecond)) / 5; sent < want {
		t.Errorf("%d adverts left in %d times %v, want at least %d", sent, times, span, want)
	}
	if n := document(t, h).Elector.Relieved; n == 0 {
		t.Errorf("status counts %d times that another CPU sent", n)
	}
	t.Logf("%d adverts left", sent)
}

// standStill keeps the CPUs that adverts are sent from busy, above the priority of
// whoever sends them, and returns from when until when all were.
func standStill(span time.Duration) (from, to time.Time, err error) {
	var (
		mu   sync.Mutex
		all  sync.WaitGroup
		errs = make(chan error, 1)
	)
	keep := func(cpu int) error {
		var one unix.CPUSet
		one.Set(cpu)
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			return fmt.Errorf("choose CPU %d: %w", cpu, err)
		}
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 60}
		if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
			return fmt.Errorf("set a priority: %w", err)
		}
		start := time.Now()
		for time.Since(start) < span {
			// nothing else runs here meanwhile
		}
		mu.Lock()
		defer mu.Unlock()
		if from.Before(start) {
			from = start
		}
		if end := start.Add(span); to.IsZero() || end.Before(to) {
			to = end
		}
		return nil
	}
	of, err := advertCPUs()
	if err != nil {
		return from, to, err
	}
	for _, cpu := range of {
		all.Add(1)
		go func() {
			defer all.Done()
			runtime.LockOSThread() // never unlocked: the thread ends with its priority
			if err := keep(cpu); err != nil {
				select {
				case errs <- err:
				default:
				}
			}
		}()
	}
	all.Wait()
	select {
	case err = <-errs:
	default:
	}
	return from, to, err
}

// advertCPUs are the CPUs that electors send adverts from.
func advertCPUs() (of []int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with its binding
		var set unix.CPUSet
		if err = cpus.Adverts(); err != nil {
			return
		}
		if err = unix.SchedGetaffinity(0, &set); err != nil {
			return
		}
		for cpu := range len(set) * 64 {
			if set.IsSet(cpu) {
				of = append(of, cpu)
			}
		}
	}()
	<-done
	return of, err
}
