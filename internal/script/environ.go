package script

import (
	"math"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// environ is the environment of a run: the daemon's without what must not reach
// a script, the user's names if it is another user, and the command's own.
func (r *Runnable) environ(daemon []string) []string {
	env := slices.DeleteFunc(slices.Clone(daemon), private)
	if int(r.UID) != os.Geteuid() {
		env = slices.DeleteFunc(env, personal)
		env = append(env, "USER="+r.User, "LOGNAME="+r.User, "HOME="+r.Home)
	}
	return append(env, r.Env...)
}

// private reports whether a variable is not for scripts: IFS and LD_* change how
// they run (as keepalived), the others are between systemd and the daemon.
func private(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	switch name {
	case "IFS", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES":
		return true
	}
	return strings.HasPrefix(name, "LD_")
}

// personal reports whether a variable speaks of the daemon's user.
func personal(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return name == "USER" || name == "LOGNAME" || name == "HOME" || name == "MAIL"
}

// attributes are what the kernel does between fork and exec.
func (r *Runnable) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if int(r.UID) != os.Geteuid() || int(r.GID) != os.Getegid() {
		attr.Credential = &syscall.Credential{Uid: r.UID, Gid: r.GID, Groups: r.Groups}
	}
	return attr
}

// closeOnExec marks all descriptors of this process: Go opens its own so, but the
// daemon may have inherited others. Kernels before 5.11 refuse, and then only
// Go's are closed.
func closeOnExec() {
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
}

// normalPriority takes real-time scheduling and a nice value from the calling
// thread, so that a child begins without. It reports whether the thread is as it
// was before; otherwise it must not be used for anything else, since giving back
// what was taken may not be permitted.
func normalPriority() (unchanged bool) {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Policy == unix.SCHED_NORMAL && attr.Nice == 0 {
		return true
	}
	normal := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}
	return unix.SchedSetAttr(0, &normal, 0) != nil
}

func signalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return s.String()
}
