package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/script"
	"hakeep/internal/status"
)

// dialPatience is how long an elector of an earlier main may take to answer the
// call that asks whether there is one.
const dialPatience = time.Second

// startup runs startup_script, before anything else is done, and reports whether
// the daemon is to go on: it is not if it is told to stop meanwhile. A main that
// comes after one that has died does not run it: hakeep has not been stopped, and
// the elector does not wait for long.
func (d *daemon) startup(ctx context.Context) bool {
	cfg := d.current.Load().config
	setUmask(cfg)
	if cfg.Global.StartupScript.IsZero() {
		return true
	}
	if d.electorThere(ctx) {
		d.log.Info("startup_script is not run: the elector of an earlier main is at work")
		return true
	}
	return d.around(ctx, cfg, "startup_script", cfg.Global.StartupScript)
}

// electorThere reports whether an elector of an earlier main listens.
func (d *daemon) electorThere(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	conn, proc, err := d.supervisor.electors.dial(ctx)
	if err != nil {
		return false
	}
	_ = conn.Close() // it has not been greeted, and forgets this
	if s, ok := proc.(*stranger); ok {
		s.release()
	}
	return true
}

// setUmask takes rights off what programs make from now on. Files of hakeep's own
// have modes that do not depend on it.
func setUmask(cfg *config.Config) { syscall.Umask(int(cfg.Global.Umask)) }

// announceReading makes reload_file, and returns what removes it when the
// configuration was read. Who writes the configuration makes the file before the
// reload is asked for, sees it become empty when the reading begins, and waits
// until it is gone. A file that cannot be made does not hold the reload up.
func (d *daemon) announceReading(cfg *config.Config, out *status.Reload) (done func()) {
	path := cfg.Global.ReloadFile
	if path == "" {
		return func() {}
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(d.opts.RuntimeDir, path)
	}
	warn := func(err error) {
		d.log.Warn("reload_file", "err", err)
		out.Warnings = append(out.Warnings, "reload_file: "+err.Error())
	}
	const mode = 0o644
	// Not through a symbolic link: what it leads to would be emptied.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, mode)
	if err != nil {
		warn(err)
		return func() {}
	}
	if err := f.Close(); err != nil {
		warn(err)
	}
	return func() {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			warn(err)
		}
	}
}

// shutdown runs shutdown_script, after everything else has ended.
func (d *daemon) shutdown(ctx context.Context) {
	cfg := d.current.Load().config
	if !cfg.Global.ShutdownScript.IsZero() {
		d.around(ctx, cfg, "shutdown_script", cfg.Global.ShutdownScript)
	}
}

// around runs a script while the daemon does nothing else. Its failure is told
// and changes nothing. It is ended early, and false comes back, when the daemon
// is told to stop; a reload that is asked for comes later.
func (d *daemon) around(ctx context.Context, cfg *config.Config, key string, c config.Command) bool {
	d.notify.extend(c.Timeout + 2*script.KillGrace)
	run, err := script.Resolve(scriptCommand(c), scriptUser(&cfg.Global), cfg.Global.ScriptSecurity)
	if err != nil {
		d.scriptFailed(key, err.Error(), "")
		return true
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan script.Result, 1)
	d.log.Info("runs script", "key", key, "command", run.Path, "user", run.User)
	go func() { done <- script.Run(ctx, run, c.Timeout) }()
	goOn := true
	for {
		select {
		case res := <-done:
			if !res.OK() && goOn {
				d.scriptFailed(key, res.String(), res.Stderr)
			}
			return goOn && ctx.Err() == nil
		case sig := <-d.signals:
			if sig == syscall.SIGHUP {
				d.queued = append(d.queued, nil)
				continue
			}
			d.log.Info("script is ended", "key", key, "reason", sig.String())
			goOn = false
			cancel()
		}
	}
}

func (d *daemon) scriptFailed(key, how, stderr string) {
	d.log.Warn("script has failed", "key", key, "result", how, "stderr", stderr)
	d.remember(status.KindDaemon, slog.LevelWarn, key+" has failed: "+how)
}
