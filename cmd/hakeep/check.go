package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"hakeep/internal/config"
	"hakeep/internal/daemon"
	"hakeep/internal/hostcheck"
	"hakeep/internal/status"
)

func newCheckCommand() *cobra.Command {
	var (
		file           string
		asJSON, strict bool
		host           bool
	)
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check a configuration file",
		Long: `Check a configuration file and print everything that is wrong with it, one
problem a line:

  FILE:LINE: KEY: what is wrong and what is allowed

Warnings, such as an interface that does not exist now, do not count unless
--strict is given. With --host, what of this machine is in hakeep's way is
told as well: the firewall, the rights of the user, the kernel.

Exit codes: 0 the configuration can be used, 4 it cannot.`,
		Example: `  hakeep check
  hakeep check --config ./new.toml --strict
  hakeep check --host
  hakeep check --json | jq '.problems[].text'`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := check(file, strict, host)
			if err != nil {
				return &daemon.ConfigError{Err: err}
			}
			if err := r.print(cmd.OutOrStdout(), asJSON); err != nil {
				return err
			}
			if !r.OK {
				return silent(exitConfig)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "config", defaultConfig, "configuration file")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	f.BoolVar(&strict, "strict", false, "let warnings count as errors")
	f.BoolVar(&host, "host", false, "look at this machine as well")
	return cmd
}

// checkResult is what `hakeep check --json` prints.
type checkResult struct {
	Schema    int              `json:"schema"`
	File      string           `json:"file"`
	OK        bool             `json:"ok"`
	Instances int              `json:"instances"`
	Problems  []status.Problem `json:"problems"`
	// Host is what was found on this machine, with --host.
	Host []hostcheck.Finding `json:"host,omitempty"`
}

func check(file string, strict, host bool) (*checkResult, error) {
	cfg, problems, err := config.Load(file)
	if err != nil {
		return nil, err
	}
	r := &checkResult{Schema: status.Schema, File: file}
	if cfg != nil {
		r.Instances = len(cfg.Instances)
		problems = append(problems, cfg.CheckOn(daemon.HostOf(cfg))...)
	}
	r.Problems = status.Problems(problems)
	r.OK = !problems.HasErrors() && (!strict || len(problems) == 0)
	if host {
		r.Host = hostcheck.Check(cfg)
	}
	for _, f := range r.Host {
		if f.Severity == hostcheck.Error || strict && f.Severity == hostcheck.Warning {
			r.OK = false
		}
	}
	return r, nil
}

func (r *checkResult) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, r)
	}
	for _, p := range r.Problems {
		if _, err := fmt.Fprintln(w, p.Text); err != nil {
			return err
		}
	}
	for _, f := range r.Host {
		if _, err := fmt.Fprintln(w, f); err != nil {
			return err
		}
	}
	if !r.OK {
		return nil
	}
	what := fmt.Sprintf("%d instances", r.Instances)
	if r.Instances == 1 {
		what = "1 instance"
	}
	_, err := fmt.Fprintf(w, "%s: the configuration can be used (%s)\n", r.File, what)
	return err
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
