package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"hakeep/internal/control"
)

// The formats of status. One of keepalived's has this prefix before the ending
// of its file.
const (
	formatText = "text"
	formatJSON = "json"
	formatKeep = "keepalived-"
)

// statusForm returns which of keepalived's dumps is asked for, none for the other
// formats. They are about all instances.
func statusForm(cmd *cobra.Command, format string, one bool) (control.DumpForm, error) {
	word, keep := strings.CutPrefix(format, formatKeep)
	form := control.DumpForm(word)
	known := keep && slices.Contains([]control.DumpForm{control.DumpJSON, control.DumpData, control.DumpStats, control.DumpChecks}, form)
	layout := cmd.Flags().Lookup("json-version")
	switch {
	case cmd.Flags().Changed("format") && (cmd.Flags().Changed("json") || cmd.Flags().Changed("probe")):
		return "", usageError(cmd, errors.New("--format does not go with --json or --probe"))
	case !known && format != formatText && format != formatJSON:
		return "", usageError(cmd, fmt.Errorf("--format %q: allowed are text, json, keepalived-json, keepalived-data, keepalived-stats and keepalived-check", format))
	case layout.Changed && (!keep || form != control.DumpJSON):
		return "", usageError(cmd, errors.New("--json-version goes with --format keepalived-json"))
	case layout.Changed && layout.Value.String() != "1" && layout.Value.String() != "2":
		return "", usageError(cmd, fmt.Errorf("--json-version %s: allowed are 1 and 2", layout.Value))
	case !known:
		return "", nil
	case one:
		return "", usageError(cmd, fmt.Errorf("--format %s prints all instances; leave the name out", format))
	}
	return form, nil
}

func printDump(ctx context.Context, w io.Writer, socket string, form control.DumpForm, version int) error {
	text, err := control.NewClient(socket).Dump(ctx, form, version)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}
