package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hakeep/internal/control"
	"hakeep/internal/status"
)

// reloadTimeout bounds the wait for a reload; one may be under way already.
const reloadTimeout = 90 * time.Second

func newReloadCommand() *cobra.Command {
	var (
		sock   socketFlags
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Load the configuration again and say what changed",
		Long: `Make the daemon load its configuration again, and wait for the outcome. If
anything is wrong with the file, nothing changes, and all problems are printed.
What is the same in both configurations is not disturbed.

Exit codes: 0 the new configuration is in force, 1 there is no outcome, 2 no
daemon is running, 4 the configuration is refused, 5 not permitted.`,
		Example: `  hakeep reload`,
		Args:    arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), reloadTimeout)
			defer cancel()
			r, err := control.NewClient(sock.path()).Reload(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), r)
			} else {
				err = printReload(cmd.OutOrStdout(), r)
			}
			if err != nil {
				return err
			}
			if !r.OK {
				return silent(exitConfig)
			}
			return nil
		},
	}
	sock.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printReload(w io.Writer, r *status.Reload) error {
	var b strings.Builder
	for _, p := range r.Problems {
		fmt.Fprintln(&b, p.Text)
	}
	for _, text := range r.Warnings {
		fmt.Fprintln(&b, "warning:", text)
	}
	if !r.OK {
		fmt.Fprintf(&b, "refused, nothing has changed: %s\n", r.Summary())
	} else {
		for _, list := range []struct {
			what  string
			names []string
		}{{"added", r.Added}, {"changed", r.Changed}, {"removed", r.Removed}} {
			if len(list.names) > 0 {
				fmt.Fprintf(&b, "%-8s %s\n", list.what, strings.Join(list.names, " "))
			}
		}
		const most = 20
		for i, c := range r.Keys {
			if i == most {
				fmt.Fprintf(&b, "         and %d more keys; --json shows all\n", len(r.Keys)-most)
				break
			}
			fmt.Fprintf(&b, "         %s\n", c)
		}
		fmt.Fprintf(&b, "reloaded: %s\n", r.Summary())
	}
	_, err := io.WriteString(w, b.String())
	return err
}
