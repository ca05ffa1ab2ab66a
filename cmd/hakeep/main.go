package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"hakeep/internal/control"
	"hakeep/internal/version"
)

// Where things are unless said otherwise.
const (
	defaultConfig  = "/etc/hakeep.toml"
	defaultRuntime = "/run/hakeep"
)

func main() {
	args := os.Args[1:]
	if filepath.Base(os.Args[0]) == keepalivedName {
		args = append([]string{keepalivedName}, args...)
	}
	os.Exit(run(args))
}

// run executes one command and returns the exit code.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRootCommand()
	root.SetArgs(args)
	return exitCode(root.ErrOrStderr(), root.ExecuteContext(ctx))
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "hakeep",
		Short: "Keep addresses available: VRRP failover",
		Long: `hakeep keeps IP addresses available on a group of hosts: one is master and
answers for them, the others take over when it fails (VRRP, RFC 9568 and
RFC 3768). It works together with keepalived and with routers.

The daemon is "hakeep run"; the other commands talk to it or look at files.`,
		Example: `  hakeep check --config /etc/hakeep.toml   is the configuration right?
  hakeep run                               the daemon, in the foreground
  hakeep status                            who is master, and why`,
		Version:           version.String(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		Args:              cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usageError(cmd, fmt.Errorf("unknown command %q%s", args[0], similar(cmd, args[0])))
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError(cmd, err) })
	root.AddCommand(
		newRunCommand(),
		newCheckCommand(),
		newImportCommand(),
		newStatusCommand(),
		newReloadCommand(),
		newEventsCommand(),
		newStandbyCommand(),
		newResumeCommand(),
		newServerCommand(),
		newUpgradeCommand(),
		newKeepalivedCommand(),
		newVersionCommand(),
		newDemoCommand(),
		newElectorCommand(),
	)
	root.AddCommand(buildCommands()...)
	return root
}

// similar suggests what may have been meant.
func similar(cmd *cobra.Command, word string) string {
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		return "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return ""
}

// socketFlags are those of commands that talk to a daemon.
type socketFlags struct {
	socket, runtimeDir string
}

func (f *socketFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.socket, "socket", "", "control socket of the daemon (default hakeep.sock in --runtime-dir)")
	cmd.Flags().StringVar(&f.runtimeDir, "runtime-dir", defaultRuntime, "runtime directory of the daemon")
}

func (f *socketFlags) path() string {
	if f.socket != "" {
		return f.socket
	}
	return filepath.Join(f.runtimeDir, control.SocketName)
}
