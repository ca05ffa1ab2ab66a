package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hakeep/internal/control"
	"hakeep/internal/status"
)

const (
	// takeOverLook is how often `standby` asks who is master now.
	takeOverLook = 20 * time.Millisecond
	// takeOverTime is how long it waits beside the time after which a backup takes
	// over from a silent master.
	takeOverTime = 3 * time.Second
)

func newStandbyCommand() *cobra.Command {
	var (
		sock   socketFlags
		hold   = control.Hold{On: true}
		noWait bool
	)
	cmd := &cobra.Command{
		Use:   "standby [INSTANCE]",
		Short: "Give up mastership without losing a packet, and stay back",
		Long: `Hold all instances back, or one with its sync group: a master hands its
addresses over, and whatever happens it does not take over again. It stays so
until "hakeep resume", until --for is over, or until the daemon is stopped; with
--persist also through restarts of hakeep and of the machine.

The command waits until another router is master and says which. If there is
none, the addresses are on no router: status and events say so until there is
one or "hakeep resume" takes them back.

--sleep is for hakeep-sleep.service: before the machine sleeps. It concerns only
what is not held back already, and "hakeep resume --sleep" ends it.

Exit codes: 0 done, 1 nobody took over or it was not possible, 2 no daemon is
running, 5 not permitted, 64 there is no such instance.`,
		Example: `  hakeep standby
  hakeep standby VI_1 --for 30m
  hakeep standby --persist --no-wait`,
		Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case hold.For < 0:
				return usageError(cmd, fmt.Errorf("--for %v: it cannot be negative", hold.For))
			case hold.Sleep && (hold.For > 0 || hold.Persist):
				return usageError(cmd, errors.New("--sleep does not go with --for or --persist: it ends with the sleep"))
			}
			hold.Instance = strings.Join(args, "")
			client := control.NewClient(sock.path())
			moved, err := ask(cmd, client, &hold)
			if err != nil {
				return err
			}
			if noWait {
				return say(cmd.OutOrStdout(), "held back: "+strings.Join(moved.Instances, " "))
			}
			return awaitMasters(cmd.Context(), cmd.OutOrStdout(), client, moved.Instances)
		},
	}
	sock.add(cmd)
	f := cmd.Flags()
	f.DurationVar(&hold.For, "for", 0, "end it after this time, such as 30m")
	f.BoolVar(&hold.Persist, "persist", false, "stay back through restarts of hakeep and of the machine")
	f.BoolVar(&hold.Sleep, "sleep", false, "the machine is about to sleep: only what is not held back yet")
	f.BoolVar(&noWait, "no-wait", false, "do not wait until another router is master")
	cmd.ValidArgsFunction = sock.completeInstance
	return cmd
}

func newResumeCommand() *cobra.Command {
	var (
		sock  socketFlags
		sleep bool
	)
	cmd := &cobra.Command{
		Use:   "resume [INSTANCE]",
		Short: "End a standby: take part again",
		Long: `Let all instances that are held back take part again, or one with its sync
group. The better router takes over from the other without losing a packet, if
its configuration lets it.

Exit codes: 0 done, also if nothing was held back, 1 it was not possible, 2 no
daemon is running, 5 not permitted, 64 there is no such instance.`,
		Example: `  hakeep resume
  hakeep resume VI_1`,
		Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			moved, err := ask(cmd, control.NewClient(sock.path()), &control.Hold{Instance: strings.Join(args, ""), Sleep: sleep})
			if err != nil {
				return err
			}
			if len(moved.Instances) == 0 {
				return say(cmd.OutOrStdout(), "nothing was held back")
			}
			return say(cmd.OutOrStdout(), "takes part again: "+strings.Join(moved.Instances, " "))
		},
	}
	sock.add(cmd)
	cmd.Flags().BoolVar(&sleep, "sleep", false, "the machine woke up: only what \"standby --sleep\" holds back")
	cmd.ValidArgsFunction = sock.completeInstance
	return cmd
}

func say(w io.Writer, text string) error {
	_, err := fmt.Fprintln(w, text)
	return err
}

func ask(cmd *cobra.Command, client *control.Client, h *control.Hold) (*status.Moved, error) {
	ctx, cancel := context.WithTimeout(cmd.Context(), answerTimeout)
	defer cancel()
	moved, err := client.Hold(ctx, h)
	if errors.Is(err, control.ErrUnknownInstance) {
		return nil, usageError(cmd, err)
	}
	return moved, err
}

// awaitMasters waits until each instance hears a master, and says which.
func awaitMasters(ctx context.Context, w io.Writer, client *control.Client, names []string) error {
	var limit time.Time
	waiting := slices.Clone(names)
	for {
		asked, cancel := context.WithTimeout(ctx, answerTimeout)
		doc, err := client.Status(asked)
		cancel()
		if err != nil {
			return err
		}
		if limit.IsZero() {
			limit = time.Now().Add(patience(doc, names))
		}
		waiting = slices.DeleteFunc(waiting, func(name string) bool {
			text, done := takenOver(doc.Instance(name))
			if done {
				err = errors.Join(err, say(w, name+": "+text))
			}
			return done
		})
		if err != nil || len(waiting) == 0 {
			return err
		}
		if time.Now().After(limit) {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(takeOverLook):
		}
	}
	for _, name := range waiting {
		if err := say(w, name+": nobody took over, its addresses are on no router; hakeep resume "+name+" takes them back"); err != nil {
			return err
		}
	}
	return silent(exitFailure)
}

// patience is how long to wait for masters.
func patience(doc *status.Document, names []string) time.Duration {
	longest := 0.0
	for _, name := range names {
		if in := doc.Instance(name); in != nil {
			longest = max(longest, in.Intervals.Down)
		}
	}
	return takeOverTime + time.Duration(longest*float64(time.Second))
}

// takenOver says who is master instead of an instance, when its addresses are
// gone from here.
func takenOver(in *status.Instance) (string, bool) {
	switch {
	case in == nil:
		return "is not configured any more", true
	case in.Standby == nil:
		return "is not held back any more", true
	case in.State == "FAULT", in.State == "INIT":
		return "is in " + in.State + " and is not master anyway", true
	case in.State == "MASTER" || in.Lingering || in.Master == nil:
		return "", false
	}
	return fmt.Sprintf("%s is master (priority %d)", in.Master.Address, in.Master.Priority), true
}
