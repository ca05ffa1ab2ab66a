package elector

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// These are SCHED_FIFO priorities. The address thread is below the loop:
	// programming thousands of addresses is seconds of kernel time that adverts
	// have to pass. The rest of the process, the collector's threads included, is
	// below both. All are below the kernel's own threads of priority 50.
	priorityLoop  = 40
	priorityAddrs = 30
	priorityRest  = 20

	// procs is GOMAXPROCS. With one for each CPU, a thread that comes back from
	// a system call may wait for a busy goroutine; with more it never does.
	procs = 8

	// collectProcs is GOMAXPROCS while garbage is collected.
	collectProcs = 2

	// memoryLimit is where the collector steps in although it is off.
	memoryLimit = 512 << 20

	// runawayLimit ends a real-time thread that never sleeps (RLIMIT_RTTIME)
	// before it takes the machine away from its administrator.
	runawayLimit = 10 * time.Second

	stageVar  = "HAKEEP_ELECTOR_STAGE"
	reasonVar = "HAKEEP_ELECTOR_REALTIME"
)

// realtime is what real-time properties the process got.
type realtime struct {
	wanted  bool
	granted bool
	reason  string // why not
	locked  bool   // memory
}

// enterRealtime makes the whole process real-time. A scheduling policy belongs
// to a thread, and the Go runtime has started some already; so it is set on
// this thread, and the binary executed again: every thread of the new image
// inherits it. It returns in the second image, or in the first one if want is
// false.
func enterRealtime(want bool) (realtime, error) {
	if !want {
		return realtime{reason: "switched off by realtime = false"}, nil
	}
	if os.Getenv(stageVar) == "" {
		return realtime{}, execRealtime()
	}
	rt := realtime{wanted: true, reason: os.Getenv(reasonVar)}
	rt.granted = rt.reason == ""
	os.Unsetenv(stageVar)
	os.Unsetenv(reasonVar)
	if rt.granted {
		rt.locked = lockMemory() == nil
	}
	return rt, nil
}

// execRealtime is the first image.
func execRealtime() error {
	runtime.LockOSThread()
	reason := ""
	if err := setRR(priorityRest); err != nil {
		reason = describeRefusal(err)
	}
	limit := unix.Rlimit{Cur: uint64(runawayLimit.Microseconds()), Max: uint64(runawayLimit.Microseconds())}
	if err := unix.Setrlimit(unix.RLIMIT_RTTIME, &limit); err != nil && reason == "" {
		reason = fmt.Sprintf("set RLIMIT_RTTIME: %v", err)
	}
	env := append(os.Environ(), stageVar+"=2", reasonVar+"="+reason, "GOMAXPROCS="+strconv.Itoa(procs))
	// Not by its name: the file may have been replaced by an upgrade.
	const self = "/proc/self/exe"
	return fmt.Errorf("execute %s again: %w", self, syscall.Exec(self, os.Args, env))
}

func describeRefusal(err error) string {
	if errors.Is(err, unix.EPERM) {
		return "not permitted: CAP_SYS_NICE or RLIMIT_RTPRIO is missing (in a container or user namespace it never is granted)"
	}
	return err.Error()
}

// setFIFO puts the calling thread under SCHED_FIFO.
func setFIFO(priority int) error {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: uint32(priority)}
	return unix.SchedSetAttr(0, &attr, 0)
}

// setRR puts the calling thread under SCHED_RR, as FIFO but with time slices among
// threads of the same priority. The runtime's threads need them: a collection
// spins until every thread that sweeps has finished. Under FIFO, threads that
// spin, one on each CPU, would keep the one that they wait for from ever running.
func setRR(priority int) error {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: uint32(priority)}
	return unix.SchedSetAttr(0, &attr, 0)
}

// lockMemory keeps what is in memory there. Without ONFAULT every page of
// the address space that Go has reserved would become resident.
func lockMemory() error {
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return fmt.Errorf("lock memory: %w", err)
	}
	return loadText()
}

// loadText brings the program's code into memory: that of a take-over must not
// come from disk at the moment of the take-over.
func loadText() error {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("read own mappings: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own binary: %w", err)
	}
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[5] != self || !strings.HasPrefix(fields[1], "r-") {
			continue
		}
		var from, to uintptr
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &from, &to); err != nil {
			continue
		}
		// Older kernels than 5.14 do not know it; then pages come as they are used.
		madvise(from, to-from, unix.MADV_POPULATE_READ)
	}
	return nil
}

func madvise(addr, length uintptr, advice int) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, addr, length, uintptr(advice))
}

// quietCollector keeps the garbage collector out of the way: the steady state
// does not allocate, and collect is called when it does not matter.
func quietCollector() {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memoryLimit)
}

// collectGarbage runs the collector. Its threads are below those that send adverts
// and program addresses; but each of procs processors of the runtime would get a
// marking thread, and those that wait for a CPU, a time slice of 100 ms long, keep
// their processor from the loop. Two are done much sooner. Not to be called by two
// goroutines at once.
func collectGarbage() {
	if before := runtime.GOMAXPROCS(0); before > collectProcs {
		runtime.GOMAXPROCS(collectProcs)
		defer runtime.GOMAXPROCS(before)
	}
	runtime.GC()
}
