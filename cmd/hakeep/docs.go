//go:build docs

package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"hakeep/cmd/hakeep/manual"
	"hakeep/internal/version"
)

// buildCommands are those that only the build of packages needs.
func buildCommands() []*cobra.Command { return []*cobra.Command{newManualCommand()} }

// newManualCommand writes man pages and completions.
func newManualCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:    "manual",
		Short:  "Write man pages and shell completions",
		Hidden: true,
		Args:   arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			date, err := manual.Date(os.Getenv("SOURCE_DATE_EPOCH"), time.Now())
			if err != nil {
				return err
			}
			return manual.Write(dir, newRootCommand(), version.String(), date)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "bin/share", "directory to write to")
	return cmd
}
