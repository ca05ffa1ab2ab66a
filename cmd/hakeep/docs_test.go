package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"hakeep/cmd/hakeep/manual"
)

// commands calls fn for every command that users see.
func commands(c *cobra.Command, fn func(*cobra.Command)) {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && !sub.IsAdditionalHelpTopicCommand() {
			fn(sub)
			commands(sub, fn)
		}
	}
}

// TestManualOfEveryCommand: each command has a man page with its text and
// flags, and the others have none.
func TestManualOfEveryCommand(t *testing.T) {
	t.Parallel()
	root := newRootCommand()
	files, err := manual.Files(root, "1.2.3", time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]bool{"man8/hakeep.8": true}
	commands(root, func(c *cobra.Command) {
		name := "man8/" + strings.ReplaceAll(c.CommandPath(), " ", "-") + ".8"
		pages[name] = true
		page := strings.ReplaceAll(string(files[name]), `\`, "")
		if c.Short == "" || !strings.Contains(page, c.Short) {
			t.Errorf("%s does not say %q", name, c.Short)
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains(page, "--"+f.Name) {
				t.Errorf("%s does not name --%s", name, f.Name)
			}
		})
	})
	for name := range files {
		if strings.HasPrefix(name, "man8/") && !pages[name] {
			t.Errorf("%s is of no command that users see", name)
		}
	}
	if len(pages) < 5 {
		t.Errorf("only %d pages", len(pages))
	}
}

// TestCompletions: the shells read what is generated for them.
func TestCompletions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := manual.Write(dir, newRootCommand(), "1.2.3", time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	for file, shell := range map[string]string{"bash/hakeep": "bash", "zsh/_hakeep": "zsh", "fish/hakeep.fish": "fish"} {
		path := filepath.Join(dir, file)
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), "hakeep") {
			t.Errorf("%s: %v", file, err)
		}
		if program, err := exec.LookPath(shell); err == nil {
			if out, err := exec.Command(program, "-n", path).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", file, err, out)
			}
		}
	}
}

// TestOperationNamesEveryCommand: docs/operation.md names all commands with the
// exit codes that their help names, and all exit codes.
func TestOperationNamesEveryCommand(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operation.md"))
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`\b\d+\b`)
	commands(newRootCommand(), func(c *cobra.Command) {
		row := regexp.MustCompile(`(?m)^\| ` + "`" + c.CommandPath() + "[ `].*$").FindString(string(text))
		if row == "" {
			t.Errorf("no row about %s", c.CommandPath())
			return
		}
		cells := strings.Split(row, "|")
		listed := cells[len(cells)-2]
		_, said, _ := strings.Cut(c.Long, "Exit codes:")
		for _, n := range code.FindAllString(said, -1) {
			if !regexp.MustCompile(`\b` + n + `\b`).MatchString(listed) {
				t.Errorf("%s: its help names exit code %s, the row does not: %s", c.CommandPath(), n, row)
			}
		}
	})
}

// TestBuildCommandsAreNotInstalled: the generator of the manual is not in the
// program that runs.
func TestBuildCommandsAreNotInstalled(t *testing.T) {
	t.Parallel()
	if n := len(buildCommands()); n != 0 {
		t.Errorf("%d commands", n)
	}
}
