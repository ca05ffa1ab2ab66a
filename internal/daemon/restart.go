package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"

	"hakeep/internal/status"
)

const (
	// jobTimeout bounds the question to systemd. It answers within a millisecond;
	// on a busy emulated processor 500 ms may not be enough. Nothing is lost
	// meanwhile: the addresses are served until the leave begins.
	jobTimeout = 2 * time.Second
	// jobAgain is the first patience with one call; it doubles.
	jobAgain = 20 * time.Millisecond
	// systemdSocket is where systemd answers root without a message bus.
	systemdSocket = "unix:path=/run/systemd/private"
	// jobRestart is the type of a job that starts the unit again (org.freedesktop.
	// systemd1, Job.JobType).
	jobRestart = "restart"
)

// comesBack decides whether a signal is followed by another main, to which the
// elector is left with everything that it has. systemd sends the same SIGTERM for
// a stop and for a restart; job is the type of its job, "" if it has none for us
// or was not asked. In doubt it is a stop: a planned leave loses nothing either.
func comesBack(sig os.Signal, job string, err error) bool {
	return sig == syscall.SIGTERM && err == nil && job == jobRestart
}

// askJob asks systemd for the job of the unit that this process is the main
// process of. It is "" if no systemd has started it.
func askJob(ctx context.Context) (string, error) {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return "", nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, jobTimeout, fmt.Errorf("not within %v", jobTimeout))
	defer cancel()
	type answer struct {
		job string
		err error
	}
	answers := make(chan answer, 1)
	go func() { // the connection's own waits know no context
		job, err := systemdJob(ctx)
		answers <- answer{job, err}
	}()
	select {
	case a := <-answers:
		return a.job, a.err
	case <-ctx.Done():
		return "", fmt.Errorf("ask systemd for its job: %w", context.Cause(ctx))
	}
}

// systemdJob is the conversation.
func systemdJob(ctx context.Context) (string, error) {
	conn, err := dbus.Dial(systemdSocket, dbus.WithContext(ctx))
	if err != nil {
		return "", fmt.Errorf("connect to systemd: %w", err)
	}
	defer conn.Close()
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))}); err != nil {
		return "", fmt.Errorf("connect to systemd: %w", err)
	}
	const (
		name    = "org.freedesktop.systemd1"
		manager = name + ".Manager"
	)
	// A first call that systemd 252 reads together with the end of the login stays
	// in its buffer until more arrives: it is asked again.
	call := func(path dbus.ObjectPath, method string, out any, args ...any) error {
		for patience := jobAgain; ; patience *= 2 {
			once, cancel := context.WithTimeout(ctx, patience)
			err := conn.Object(name, path).CallWithContext(once, method, 0, args...).Store(out)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
				return err
			}
		}
	}
	property := func(path dbus.ObjectPath, of, what string, out any) error {
		var v dbus.Variant
		if err := call(path, "org.freedesktop.DBus.Properties.Get", &v, of, what); err != nil {
			return fmt.Errorf("ask systemd for %s: %w", what, err)
		}
		return v.Store(out)
	}
	var unit dbus.ObjectPath
	if err := call("/org/freedesktop/systemd1", manager+".GetUnitByPID", &unit, uint32(os.Getpid())); err != nil {
		return "", fmt.Errorf("ask systemd for the unit: %w", err)
	}
	var job struct {
		ID   uint32
		Path dbus.ObjectPath
	}
	if err := property(unit, name+".Unit", "Job", &job); err != nil || job.ID == 0 {
		return "", err
	}
	var kind string
	err = property(job.Path, name+".Job", "JobType", &kind)
	return kind, err
}

// signalled ends the daemon after a signal. The error says how.
func (d *daemon) signalled(ctx context.Context, sig os.Signal) error {
	job, err := d.job(ctx)
	if err != nil {
		d.log.Warn("systemd does not say whether it is a restart", "err", err)
	}
	if !comesBack(sig, job, err) {
		return d.leave(ctx, sig.String())
	}
	d.log.Info("hakeep is restarted: the elector goes on", "reason", sig.String(),
		"main_timeout", d.current.Load().config.Global.MainTimeout)
	d.remember(status.KindDaemon, slog.LevelInfo, "is restarted: "+sig.String())
	d.notify.stopping()
	d.endNotifications(ctx)
	return errHandOver
}

// endNotifications lets what was told to scripts and FIFOs come to its end.
func (d *daemon) endNotifications(ctx context.Context) {
	d.healer.stop()
	told, cancel := context.WithTimeout(ctx, notifyPatience)
	defer cancel()
	if err := d.notifier.Stop(told); err != nil {
		d.log.Error("not everybody was told of the stop", "err", err)
	}
}
