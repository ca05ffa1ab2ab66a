package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"hakeep/internal/control"
	"hakeep/internal/status"
)

func newEventsCommand() *cobra.Command {
	var (
		sock           socketFlags
		follow, asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what happened: transitions with their reasons, warnings, reloads",
		Long: `Show what happened, oldest first: transitions with their reasons, packets that
were odd, addresses that others took away, reloads. The daemon remembers the
last 4096 events.

Exit codes: 0 done, 2 no daemon is running, 5 not permitted.`,
		Example: `  hakeep events
  hakeep events -f
  hakeep events --json | jq 'select(.kind == "transition")'`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			print := eventPrinter(cmd.OutOrStdout(), asJSON)
			client := control.NewClient(sock.path())
			if follow {
				err := client.Events(cmd.Context(), true, print)
				if cmd.Context().Err() != nil {
					return nil // Ctrl-C is how following ends
				}
				return err
			}
			var events []status.Event
			err := client.Events(cmd.Context(), false, func(ev *status.Event) error {
				events = append(events, *ev)
				return nil
			})
			// A daemon that found an elector running hears of its past later.
			slices.SortStableFunc(events, func(a, b status.Event) int { return a.Time.Compare(b.Time) })
			for i := range events {
				if err := print(&events[i]); err != nil {
					return err
				}
			}
			return err
		},
	}
	sock.add(cmd)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "wait for further events")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, one event a line")
	return cmd
}

func eventPrinter(w io.Writer, asJSON bool) func(*status.Event) error {
	enc := json.NewEncoder(w)
	return func(ev *status.Event) error {
		if asJSON {
			return enc.Encode(ev)
		}
		_, err := fmt.Fprintf(w, "%s  %s\n", ev.Time.Local().Format("2006-01-02 15:04:05.000"), ev)
		return err
	}
}
