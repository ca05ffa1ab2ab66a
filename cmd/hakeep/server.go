package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hakeep/internal/control"
	"hakeep/internal/status"
	"hakeep/lvs"
)

func newServerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Take servers of load balancing out and in by hand",
		Long: `Say something about a real server of a virtual server. It lasts until it is said
otherwise, the server is not configured any more, or hakeep is stopped: reloads,
restarts by systemd and upgrades keep it. "hakeep status" shows it.

VS is ADDR:PORT, ADDR:PORT/udp, fwmark:N or group:NAME, RS is ADDR:PORT.

It is said to this router only. Say the same to the other one: otherwise the two
balance differently, and connections end when the other router takes over.`,
		Example: `  hakeep server drain 192.0.2.10:80 10.0.0.11:8080
  hakeep server enable 192.0.2.10:80 10.0.0.11:8080
  hakeep server weight group:WEB 10.0.0.12:80 5`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newServerAction(control.ActDisable, "disable VS RS", "Take a server out, as when its check fails", `A disabled server gets no traffic: it is taken out of the kernel's table as when a
check of it fails, with its notify scripts, and counts for no quorum.`),
		newServerAction(control.ActDrain, "drain VS RS", "Give a server no new connections", `A drained server keeps the connections that it has and gets no new ones: its
weight is 0.`),
		newServerAction(control.ActEnable, "enable VS RS", "End disable and drain", `The server takes part again, if its checks pass. A weight by hand stays: end it
with "hakeep server weight VS RS".`),
		newServerAction(control.ActWeight, "weight VS RS [N]", "Give a server a weight", `N is 0 to 65535. Without N the server has the weight of the configuration again,
or what its checks say.`),
	)
	return cmd
}

func newServerAction(action control.Action, use, short, long string) *cobra.Command {
	var sock socketFlags
	most := 2
	if action == control.ActWeight {
		most = 3
	}
	cmd := &cobra.Command{
		Use: use, Short: short,
		Long: long + `

Exit codes: 0 done, 1 there is no such server, 2 no daemon is running, 5 not
permitted, 64 wrong arguments.`,
		Example: "  hakeep server " + strings.NewReplacer("VS", "192.0.2.10:80", "RS", "10.0.0.11:8080", "[N]", "5").Replace(use),
		Args:    arguments(cobra.RangeArgs(2, most)),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := &control.ServerOrder{VirtualServer: args[0], RealServer: args[1], Action: action}
			if len(args) > 2 {
				n, err := strconv.Atoi(args[2])
				if err != nil || n < 0 || n > lvs.MaxWeight {
					return usageError(cmd, fmt.Errorf("%q is not a weight; allowed: 0 to %d", args[2], lvs.MaxWeight))
				}
				o.Weight = &n
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), answerTimeout)
			defer cancel()
			answer, err := control.NewClient(sock.path()).Server(ctx, o)
			if err != nil {
				return err
			}
			text := fmt.Sprintf("%s of %s: %s", answer.RealServer.Address, answer.VirtualServer, answer.RealServer.Describe())
			if answer.Warning != "" {
				text += "\nwarning: " + answer.Warning
			}
			return say(cmd.OutOrStdout(), text)
		},
	}
	sock.add(cmd)
	cmd.ValidArgsFunction = sock.completeServer
	return cmd
}

// completeServer completes virtual servers, then the servers of one, in a shell.
func (f *socketFlags) completeServer(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	doc, err := control.NewClient(f.path()).Status(ctx)
	if err != nil || len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return serverNames(&doc.Balancing, args), cobra.ShellCompDirectiveNoFileComp
}

func serverNames(b *status.Balancing, args []string) (names []string) {
	for i := range b.VirtualServers {
		v := &b.VirtualServers[i]
		switch {
		case len(args) == 0:
			names = append(names, v.Name)
		case v.Name == args[0] || strings.HasPrefix(v.Name, args[0]+"/"):
			for j := range v.Servers {
				names = append(names, v.Servers[j].Address)
			}
		}
	}
	return names
}
