package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"hakeep/internal/control"
	"hakeep/internal/daemon"
	"hakeep/internal/status"
)

// answerTimeout bounds how long a command waits for the daemon, which itself
// waits for the elector no longer than 3 s.
const answerTimeout = 10 * time.Second

func newStatusCommand() *cobra.Command {
	var (
		sock          socketFlags
		asJSON, probe bool
		format        string
		jsonVersion   int
	)
	cmd := &cobra.Command{
		Use:   "status [INSTANCE]",
		Short: "Show who is master, and why",
		Long: `Show the state of the daemon that is running, of all instances or of one.

--probe prints nothing: the exit code says it, for the health checks of
containers and scripts.

--format keepalived-json, keepalived-data, keepalived-stats and keepalived-check
print what keepalived writes to keepalived.json, .data and .stats and to
keepalived_check.data when a signal asks for it; --json-version is the layout of
the first, as the keyword json_version.

Exit codes: 0 all is well, 1 an instance is in FAULT or the elector does not
answer, 2 no daemon is running, 5 not permitted to ask it, 64 there is no such
instance.`,
		Example: `  hakeep status
  hakeep status VI_1 --json
  hakeep status --probe || echo something is wrong
  hakeep status --format keepalived-json | jq '.[].data.state'`,
		Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), answerTimeout)
			defer cancel()
			form, err := statusForm(cmd, format, len(args) == 1)
			if err != nil {
				return err
			}
			if form != "" {
				return printDump(ctx, cmd.OutOrStdout(), sock.path(), form, jsonVersion)
			}
			asJSON = asJSON || format == formatJSON
			doc, err := control.NewClient(sock.path()).Status(ctx)
			if errors.Is(err, control.ErrNoDaemon) {
				err = sock.orphan(ctx, err)
			}
			if err != nil {
				return quietly(probe, err)
			}
			if len(args) == 1 {
				if doc = doc.Only(args[0]); doc == nil {
					return quietly(probe, usageError(cmd, fmt.Errorf("there is no instance %q", args[0])))
				}
			}
			if err := show(cmd.OutOrStdout(), doc, asJSON, probe, len(args) == 1); err != nil {
				return err
			}
			if doc.Fault() {
				return silent(exitFailure)
			}
			return nil
		},
	}
	sock.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&format, "format", formatText, "text, json, or keepalived-json, -data or -stats")
	cmd.Flags().IntVar(&jsonVersion, "json-version", 0, "layout of keepalived-json, 1 or 2 (default that of json_version)")
	cmd.Flags().BoolVar(&probe, "probe", false, "print nothing, only exit with a code")
	cmd.ValidArgsFunction = sock.completeInstance
	return cmd
}

// orphan adds to an error that no main process is there what is known of its
// elector.
func (f *socketFlags) orphan(ctx context.Context, err error) error {
	if pid := daemon.LiveElector(ctx, filepath.Dir(f.path())); pid > 0 {
		return fmt.Errorf("%w, but its elector (process %d) lives: it keeps states and addresses until main_timeout is over, unless hakeep is started again", err, pid)
	}
	return err
}

// quietly takes the text off an error.
func quietly(quiet bool, err error) error {
	if !quiet {
		return err
	}
	code, _ := classify(err)
	return silent(code)
}

func show(w io.Writer, doc *status.Document, asJSON, probe, details bool) error {
	switch {
	case probe:
		return nil
	case asJSON:
		return printJSON(w, doc)
	}
	doc.Time = doc.Time.Local()
	return status.Render(w, doc, status.RenderOptions{Color: wantsColor(w), Details: details})
}

// wantsColor reports whether w is a terminal whose user has not said no
// (no-color.org).
func wantsColor(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// completeInstance completes names of instances in a shell.
func (f *socketFlags) completeInstance(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	doc, err := control.NewClient(f.path()).Status(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for i := range doc.Instances {
		names = append(names, doc.Instances[i].Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
