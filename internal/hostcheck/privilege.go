package hostcheck

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// What hakeep runs on: addresses can be batched as hakeep does it from 4.18 on,
// and carry a mark (IFA_PROTO) from 5.18 on.
const (
	oldestMajor, oldestMinor = 4, 18
	markMajor, markMinor     = 5, 18
)

func kernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

func checkKernel(r *report) { judgeKernel(r, kernelRelease()) }

// judgeKernel goes by the version: vendors may have taken over features.
func judgeKernel(r *report, release string) {
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		r.add(Note, "kernel", "version %q is not understood", release)
		return
	}
	older := func(a, b int) bool { return major < a || major == a && minor < b }
	switch {
	case older(oldestMajor, oldestMinor):
		r.add(Warning, "kernel", "version %s is older than %d.%d, the oldest that hakeep is made for", release, oldestMajor, oldestMinor)
	case older(markMajor, markMinor):
		r.add(Note, "kernel", "version %s is older than %d.%d: addresses carry no mark of hakeep, and only those that are configured or in its "+
			"ownership file are removed after a crash", release, markMajor, markMinor)
	}
}

// capability is one of the kernel's (capabilities(7)).
type capability struct {
	bit      uint
	name     string
	severity Severity
	why      string
}

func capabilities() []capability {
	return []capability{
		{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN", Error, "addresses cannot be changed; hakeep does not start (exit code 5)"},
		{unix.CAP_NET_RAW, "CAP_NET_RAW", Error, "adverts cannot be sent; hakeep does not start (exit code 5)"},
		{unix.CAP_SYS_NICE, "CAP_SYS_NICE", Note, "real-time scheduling depends on LimitRTPRIO then"},
		{unix.CAP_IPC_LOCK, "CAP_IPC_LOCK", Note, "locked memory depends on LimitMEMLOCK then"},
	}
}

// checkCapabilities looks at the rights of the calling user.
func checkCapabilities(r *report) {
	text, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		r.add(Note, "capabilities", "not known: %v", err)
		return
	}
	judgeCapabilities(r, os.Geteuid(), string(text))
}

func judgeCapabilities(r *report, uid int, status string) {
	var effective uint64
	for line := range strings.Lines(status) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			effective, _ = strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		}
	}
	var missing []capability
	for _, c := range capabilities() {
		if effective&(1<<c.bit) == 0 {
			missing = append(missing, c)
		}
	}
	if uid != 0 && len(missing) > 0 {
		r.add(Note, "capabilities", "looked at as user %d, who may not do what the daemon does; run this check as root to see whether root may here", uid)
		return
	}
	for _, c := range missing {
		r.add(c.severity, "capabilities", "%s is missing here: %s", c.name, c.why)
	}
}

// realtimePriority is that of the elector's loop.
const realtimePriority = 40

// checkRealtime tries real-time scheduling on a thread of its own, which ends
// with the trial.
func checkRealtime(r *report) {
	outcome := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: realtimePriority}
		err := unix.SchedSetAttr(0, &attr, 0)
		if err == nil {
			_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0)
		}
		outcome <- err
	}()
	err := <-outcome
	if err == nil {
		return
	}
	why := err.Error()
	if errors.Is(err, unix.EPERM) {
		why = "CAP_SYS_NICE or RLIMIT_RTPRIO is missing; in a user namespace it is never granted, and with cgroups version 1 the group needs cpu.rt_runtime_us"
	}
	severity := Warning
	if os.Geteuid() != 0 {
		severity = Note
	}
	r.add(severity, "realtime", "real-time scheduling is refused here (%s): adverts can be late when this machine is busy", why)
}

// The names that hakeep knows without being told.
const (
	socketGroup = "hakeep"
	scriptUser  = "hakeep_script"
)

// checkUsers looks for the group and the user that sysusers.d/hakeep.conf makes.
func checkUsers(r *report) {
	if _, err := user.LookupGroup(socketGroup); err != nil {
		r.add(Note, "users", "there is no group %s: only root may use hakeep status, events and reload", socketGroup)
	}
	if _, err := user.Lookup(scriptUser); err != nil {
		r.add(Note, "users", "there is no user %s, as whom scripts run unless script_user names another", scriptUser)
	}
}
