package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"hakeep/internal/daemon"
	"hakeep/internal/elector"
)

func newRunCommand() *cobra.Command {
	var (
		o                   daemon.Options
		logFormat, logLevel string
	)
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon in the foreground",
		Long: `Run the daemon in the foreground. It starts a second process, the elector,
which alone speaks VRRP and moves addresses.

SIGHUP reloads the configuration, as "hakeep reload" does. SIGTERM and SIGINT
stop in order: the other routers are told, and the addresses are removed. If
this process is killed, the elector goes on for main_timeout, and a daemon that
is started within that time attaches to it.

The configuration may also be a keepalived.conf, if nothing in it is lost
("hakeep import" says what is).

Daemons with different runtime directories can run on one host.

Exit codes: 0 stopped in order, 1 failure, 3 already running, 4 the
configuration is refused, 5 not permitted.`,
		Example: `  hakeep run
  hakeep run --config ./test.toml --runtime-dir /run/hakeep-test --log-level debug`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := newLogger(cmd.ErrOrStderr(), logFormat, logLevel)
			if err != nil {
				return usageError(cmd, err)
			}
			o.Logger = log
			// The daemon handles its signals itself.
			return daemon.Run(context.WithoutCancel(cmd.Context()), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.ConfigFile, "config", defaultConfig, "configuration file: TOML, or a keepalived.conf")
	f.StringVar(&o.ConfigID, "config-id", "", "for the conditions (@ID) of a keepalived.conf (default the host's name)")
	f.StringVar(&o.RuntimeDir, "runtime-dir", defaultRuntime, "directory for sockets and state, made if missing")
	f.StringVar(&o.Socket, "socket", "", "control socket (default hakeep.sock in --runtime-dir)")
	f.BoolVar(&o.KeepIPVS, "dont-release-ipvs", false, "leave the services of IPVS in the kernel at a stop")
	f.StringVar(&logFormat, "log-format", "text", "format of the log on standard error: text or json")
	f.StringVar(&logLevel, "log-level", "info", "least level to log: debug, info, warn or error")
	return cmd
}

// newLogger makes the log. Under systemd the journal knows the time already.
func newLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var o slog.HandlerOptions
	var lvl slog.Level
	if err := lvl.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: allowed are debug, info, warn and error", level)
	}
	o.Level = lvl
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, &o)), nil
	case "text":
		if os.Getenv("JOURNAL_STREAM") != "" {
			o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
				if len(groups) == 0 && a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}
		}
		return slog.New(slog.NewTextHandler(w, &o)), nil
	}
	return nil, fmt.Errorf("--log-format %q: allowed are text and json", format)
}

// newElectorCommand is the second process. `hakeep run` starts it.
func newElectorCommand() *cobra.Command {
	var o elector.Options
	cmd := &cobra.Command{
		Use:    "elector",
		Short:  "The process that speaks VRRP; started by \"hakeep run\"",
		Hidden: true,
		Args:   arguments(cobra.NoArgs),
		RunE:   func(*cobra.Command, []string) error { return elector.Run(o) },
	}
	cmd.Flags().StringVar(&o.RuntimeDir, "runtime-dir", defaultRuntime, "runtime directory")
	cmd.Flags().BoolVar(&o.Realtime, "realtime", true, "ask for real-time scheduling")
	return cmd
}
