package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"hakeep/internal/status"
	"hakeep/internal/version"
	"hakeep/internal/wire"
)

const (
	// upgradeVar tells the image that main executes that the elector shall follow.
	upgradeVar = "HAKEEP_UPGRADE"
	// trialTimeout bounds each look at the new binary.
	trialTimeout = 10 * time.Second
	// renewTimeout bounds the elector's change to another image, until its socket
	// is closed; its answer has helloTimeout.
	renewTimeout = 2 * time.Second
)

// usable says why an elector that was found cannot be used.
func (s *supervisor) usable(h *wire.Hello) error {
	if h.Version != wire.Version {
		return fmt.Errorf("it speaks version %d, and this is version %d", h.Version, wire.Version)
	}
	return s.suits(h)
}

// upgrade lets an elector execute this program in its place, and greets what
// becomes of it. With an error it returns the session if that goes on.
func (s *supervisor) upgrade(ctx context.Context, sess *session) (*session, error) {
	was := sess.hello.Program
	if err := sess.conn.SetDeadline(time.Now().Add(renewTimeout)); err != nil {
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	// The path, not /proc/PID/exe: the elector has fewer capabilities than main, so
	// the kernel does not let it look there.
	path, err := os.Executable()
	if err != nil {
		return sess, fmt.Errorf("upgrade: find own program: %w", err)
	}
	u := &wire.Upgrade{Executable: path, State: wire.StateVersion}
	if err := sess.wire.Send(&wire.Message{Upgrade: u}); err != nil {
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	for {
		m, err := sess.wire.Receive()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			sess.close()
			return nil, fmt.Errorf("upgrade: no change within %v", renewTimeout)
		}
		if err != nil {
			break // it has executed the program
		}
		if m.NotUpgraded != nil {
			return sess, errors.Join(fmt.Errorf("upgrade: %s", m.NotUpgraded.Reason), sess.conn.SetDeadline(time.Time{}))
		}
	}
	sess.close()
	conn, proc, err := s.electors.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	if p, ok := proc.(*stranger); ok {
		p.release() // the process is the same
	}
	next, err := greet(conn, sess.proc, s.known(sess.proc))
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	s.note(slog.LevelInfo, fmt.Sprintf("elector %d goes on as %s, was %s", proc.pid(), next.hello.Program, was))
	return next, nil
}

// Upgrade looks whether the binary at the path that this process was started
// from can take over, and makes the loop execute it.
func (d *daemon) Upgrade(ctx context.Context) (*status.Upgrade, error) {
	out := &status.Upgrade{From: version.String(), Executable: d.executable, Started: d.started}
	var err error
	if out.To, err = d.trial(ctx); err != nil {
		return nil, fmt.Errorf("%w; nothing has changed", err)
	}
	select {
	case d.upgrades <- struct{}{}:
		return out, nil
	case <-d.stopped:
		return nil, errStopping
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// tryBinary executes the binary to see that it works here and accepts the
// configuration, and returns its version.
func tryBinary(ctx context.Context, executable, configFile string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, trialTimeout)
	defer cancel()
	text, err := exec.CommandContext(ctx, executable, "version", "--json").Output()
	if err != nil {
		return "", fmt.Errorf("execute %s: %w", executable, err)
	}
	var info version.Info
	if err := json.Unmarshal(text, &info); err != nil || info.Version == "" {
		return "", fmt.Errorf("%s does not say its version", executable)
	}
	if text, err := exec.CommandContext(ctx, executable, "check", "--config", configFile).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s refuses %s: %s", info.Version, configFile, strings.TrimSpace(string(text)))
	}
	return info.Version, nil
}

// upgrade ends this image; Run executes the next one.
func (d *daemon) upgrade(ctx context.Context) error {
	d.log.Info("hakeep is upgraded: the elector goes on", "executable", d.executable)
	d.remember(status.KindDaemon, slog.LevelInfo, "is upgraded")
	d.endNotifications(ctx)
	return errUpgrade
}

// execute replaces this process. It returns only on failure.
func execute(executable string) error {
	env := append(os.Environ(), upgradeVar+"=1")
	return fmt.Errorf("execute %s: %w", executable, syscall.Exec(executable, os.Args, env))
}

// upgraded reports whether this image was executed by an upgrade.
func upgraded() bool {
	defer os.Unsetenv(upgradeVar)
	return os.Getenv(upgradeVar) != ""
}
