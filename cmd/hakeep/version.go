package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"hakeep/internal/version"
)

func newVersionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which hakeep this is",
		Args:  arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			info := version.Build()
			if asJSON {
				return printJSON(cmd.OutOrStdout(), info)
			}
			text := "hakeep " + info.Version
			if info.Revision != "" {
				text += " (" + info.Revision[:min(12, len(info.Revision))]
				if info.Modified {
					text += ", modified"
				}
				text += ")"
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s, %s, %s\n", text, info.Go, info.Platform)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
