package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"hakeep/internal/control"
	"hakeep/internal/status"
)

const (
	// upgradeTime is how long `upgrade` waits for the new version to answer; main
	// itself has to find the elector and its configuration in force.
	upgradeTime = 30 * time.Second
	upgradeLook = 50 * time.Millisecond
)

func newUpgradeCommand() *cobra.Command {
	var sock socketFlags
	cmd := &cobra.Command{
		Use:   "upgrade",
		Short: "Run the binary that is installed now, without losing mastership",
		Long: `Make the daemon execute the binary at the path that it was started from. Both
processes become the new version in their places: no address is touched, no
mastership is given up, and adverts go on. Install the new binary first, as
another file that is renamed into place.

The daemon first makes sure that the new binary runs and accepts the
configuration; if not, nothing changes.

Exit codes: 0 the new version runs, 1 it does not, 2 no daemon is running, 5 not
permitted.`,
		Example: `  hakeep upgrade`,
		Args:    arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client := control.NewClient(sock.path())
			ctx, cancel := context.WithTimeout(cmd.Context(), upgradeTime)
			defer cancel()
			u, err := client.Upgrade(ctx)
			if err != nil {
				return err
			}
			doc, err := awaitUpgraded(ctx, client, u)
			if err != nil {
				return err
			}
			return say(cmd.OutOrStdout(), fmt.Sprintf("%s is running, was %s: main %d, elector %d", doc.Daemon.Version, u.From, doc.Daemon.PID, doc.Elector.PID))
		},
	}
	sock.add(cmd)
	return cmd
}

// awaitUpgraded waits until another main than the one that was asked answers,
// and its elector.
func awaitUpgraded(ctx context.Context, client *control.Client, u *status.Upgrade) (*status.Document, error) {
	for {
		doc, err := client.Status(ctx)
		if err == nil && doc.Daemon.Started.After(u.Started) && doc.Elector.Running {
			return doc, nil
		}
		if err == nil {
			err = errors.New("the elector does not answer: " + doc.Elector.Error)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s does not run after %v: %w", u.To, upgradeTime, err)
		case <-time.After(upgradeLook):
		}
	}
}
