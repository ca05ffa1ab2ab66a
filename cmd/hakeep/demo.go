package main

import (
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"hakeep/internal/demo"
)

func newDemoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show a failover on this machine, measured",
		Long: `Show failovers between two routers, measured by a client. The routers and
the client are network namespaces that this program makes and removes again;
the network of this machine is not touched. It takes about ten seconds, and
needs root or a system on which users may make user namespaces.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := unix.IoctlGetTermios(int(os.Stdout.Fd()), unix.TCGETS)
			colour := err == nil && os.Getenv("NO_COLOR") == ""
			return demo.Run(cmd.Context(), cmd.OutOrStdout(), colour)
		},
	}
}
