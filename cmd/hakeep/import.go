package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"hakeep/internal/config/keepalived"
	"hakeep/internal/status"
)

// exitLosses is the code of an import that leaves something out.
const exitLosses = 2

func newImportCommand() *cobra.Command {
	var (
		out, configID string
		asJSON        bool
	)
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Convert a keepalived.conf",
		Long: `Convert a keepalived.conf, with the files it includes, into hakeep's
configuration. It goes to standard output, or into the file of --output, with
the comments where they can be kept; what is changed or lost is told on standard
error with its line, and in comments in the result.

A file with a password gets the mode 0600.

Exit codes: 0 everything was converted, 2 something is lost, 4 there is no
conversion.`,
		Example: `  hakeep import /etc/keepalived/keepalived.conf
  hakeep import /etc/keepalived/keepalived.conf --output /etc/hakeep.toml
  hakeep import keepalived.conf --config-id lb1 --json | jq '.problems[].text'`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			res, err := keepalived.ConvertFile(args[0], configID)
			if err != nil {
				return &codeError{code: exitConfig, err: err}
			}
			if asJSON {
				err = printImportJSON(cmd.OutOrStdout(), args[0], res, out == "")
			} else {
				printImport(cmd.ErrOrStderr(), args[0], res, out == "")
			}
			if err == nil && res.Config != nil {
				err = writeImport(cmd.OutOrStdout(), args[0], out, res, asJSON)
			}
			if err != nil {
				return err
			}
			if code := res.Exit(); code != 0 {
				return silent(code)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVarP(&out, "output", "o", "", "file to write (default standard output)")
	f.StringVar(&configID, "config-id", "", "for the conditions (@ID) of the file (default the host's name)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// printImport says what was changed and lost.
func printImport(w io.Writer, file string, res *keepalived.Result, toStdout bool) {
	counts := map[keepalived.Kind]int{}
	for _, i := range res.Issues {
		counts[i.Kind]++
		fmt.Fprintf(w, "%s: %s\n", i.Kind, i)
	}
	if res.Config == nil {
		fmt.Fprintf(w, "hakeep: %s is not converted\n", file)
		return
	}
	fmt.Fprintf(w, "hakeep: %s: %d instances; %d changed, %d lost\n", file, len(res.Config.Instances), counts[keepalived.Changed], counts[keepalived.Lost])
	if res.Secrets && toStdout {
		fmt.Fprintln(w, "hakeep: the result holds a password; --output writes a file that only its owner can read")
	}
}

// importResult is what `hakeep import --json` prints.
type importResult struct {
	Schema    int             `json:"schema"`
	File      string          `json:"file"`
	Outcome   string          `json:"outcome"` // complete, losses, failed
	Instances int             `json:"instances"`
	Secrets   bool            `json:"secrets"`
	Problems  []importProblem `json:"problems"`
	// TOML is the configuration, unless it is written to a file.
	TOML string `json:"toml,omitempty"`
}

// importProblem is one thing that was changed or lost.
type importProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Used    int    `json:"used,omitempty"` // the line that uses the definition in Line
	Key     string `json:"key,omitempty"`
	Kind    string `json:"kind"` // note, changed, lost, broken
	Message string `json:"message"`
	Text    string `json:"text"`
}

func printImportJSON(w io.Writer, file string, res *keepalived.Result, withText bool) error {
	r := importResult{Schema: status.Schema, File: file, Outcome: "complete", Secrets: res.Secrets, Problems: []importProblem{}}
	switch res.Exit() {
	case exitLosses:
		r.Outcome = "losses"
	case exitConfig:
		r.Outcome = "failed"
	}
	if res.Config != nil {
		r.Instances = len(res.Config.Instances)
	}
	if withText {
		r.TOML = string(res.Text)
	}
	for _, i := range res.Issues {
		r.Problems = append(r.Problems, importProblem{i.Pos.File, i.Pos.Line, i.Pos.Used, i.Key, i.Kind.String(), i.Message, i.String()})
	}
	return printJSON(w, r)
}

// writeImport writes the configuration, to a file as a whole or not at all.
func writeImport(w io.Writer, file, out string, res *keepalived.Result, asJSON bool) error {
	if out == "" {
		if asJSON {
			return nil
		}
		_, err := w.Write(res.Text)
		return err
	}
	if from, err := os.Stat(file); err == nil {
		if to, err := os.Stat(out); err == nil && os.SameFile(from, to) {
			return &codeError{code: exitUsage, err: errors.New("--output names the file that is to be converted")}
		}
	}
	mode := os.FileMode(0o644)
	if res.Secrets {
		mode = 0o600
	}
	tmp, err := os.CreateTemp(filepath.Dir(out), ".hakeep-import-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	defer os.Remove(tmp.Name()) // nothing to do after the renaming
	_, err = tmp.Write(res.Text)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), out)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	return nil
}
