package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"hakeep/internal/config"
	"hakeep/internal/config/keepalived"
	"hakeep/internal/daemon"
	"hakeep/internal/hostcheck"
	"hakeep/internal/status"
)

func newCheckCommand() *cobra.Command {
	var (
		file           string
		asJSON, strict bool
		host           bool
		configID       string
		asKeepalived   bool
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

A keepalived.conf can be used if nothing in it is lost. With --as-keepalived, one
is judged as "keepalived -t" does, by what it says and not by what hakeep can do.

Exit codes: 0 the configuration can be used, 4 it cannot. With --as-keepalived
those of "keepalived -t": 0 fine, 4 it cannot run (also: an interface is missing),
5 something is wrong, 6 scripts without script security.`,
		Example: `  hakeep check
  hakeep check --config ./new.toml --strict
  hakeep check --host
  hakeep check --config /etc/keepalived/keepalived.conf --as-keepalived
  hakeep check --json | jq '.problems[].text'`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asKeepalived {
				return checkAsKeepalived(cmd.OutOrStdout(), file, keepalived.LoadOptions{ConfigID: configID})
			}
			r, err := check(file, configID, strict, host)
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
	f.StringVar(&file, "config", defaultConfig, "configuration file: TOML, or a keepalived.conf")
	f.StringVar(&configID, "config-id", "", "for the conditions (@ID) of a keepalived.conf (default the host's name)")
	f.BoolVar(&asKeepalived, "as-keepalived", false, "exit with the code of keepalived -t")
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

func check(file, configID string, strict, host bool) (*checkResult, error) {
	cfg, problems, err := keepalived.Load(file, configID)
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

// linkWatch is a host that remembers whether an interface was missing.
type linkWatch struct {
	config.Host
	missing bool
}

// LinkExists asks the host.
func (h *linkWatch) LinkExists(name string) bool {
	ok := h.Host.LinkExists(name)
	h.missing = h.missing || !ok
	return ok
}

// checkAsKeepalived prints what keepalived would complain about, too.
func checkAsKeepalived(w io.Writer, file string, o keepalived.LoadOptions) error {
	const noFile = keepalivedCannotRun
	ours, err := keepalived.IsFile(file)
	if err != nil {
		return &codeError{code: noFile, err: err}
	}
	if !ours {
		return &codeError{code: noFile, err: fmt.Errorf("%s is not a keepalived.conf", file)}
	}
	res, err := keepalived.ConvertFileWith(file, o)
	if err != nil {
		return &codeError{code: noFile, err: err}
	}
	for _, i := range res.Issues {
		if !i.Own {
			fmt.Fprintln(w, i)
		}
	}
	missing := false
	if res.Config != nil {
		h := &linkWatch{Host: daemon.HostOf(res.Config)}
		for _, p := range res.Config.CheckOn(h) {
			fmt.Fprintln(w, p)
		}
		missing = h.missing
	}
	if code := res.TestExit(missing); code != 0 {
		return silent(code)
	}
	return nil
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
