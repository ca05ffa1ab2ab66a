package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"hakeep/internal/control"
	"hakeep/internal/daemon"
)

// The exit codes. They are an interface: scripts and units rely on them.
const (
	exitFailure    = 1  // runtime failure; an instance is in FAULT
	exitNoDaemon   = 2  // commands: no daemon is running
	exitRunning    = 3  // run: another daemon is running
	exitConfig     = 4  // the configuration is refused
	exitPermission = 5  // not permitted
	exitUsage      = 64 // wrong arguments (EX_USAGE of sysexits.h)
)

// codeError is an error with an exit code of its own. Without err nothing is
// printed: it was said already.
type codeError struct {
	code int
	err  error
}

// Error returns the message of what happened.
func (e *codeError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

// Unwrap returns what happened.
func (e *codeError) Unwrap() error { return e.err }

// silent ends the program with a code, without another word.
func silent(code int) error { return &codeError{code: code} }

// usageError says what is wrong with the arguments and where help is.
func usageError(cmd *cobra.Command, err error) error {
	return &codeError{code: exitUsage, err: fmt.Errorf("%w\nSee '%s --help'", err, cmd.CommandPath())}
}

// arguments makes a check of arguments a usage error.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError(cmd, err)
		}
		return nil
	}
}

// exitCode prints what went wrong and returns the code to exit with.
func exitCode(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	code, quiet := classify(err)
	if !quiet {
		fmt.Fprintln(w, "hakeep:", err)
	}
	return code
}

// classify finds the exit code of an error, and whether it was printed already.
func classify(err error) (code int, quiet bool) {
	var (
		own        *codeError
		configErr  *daemon.ConfigError
		running    *daemon.RunningError
		permission *daemon.PermissionError
	)
	switch {
	case errors.As(err, &own):
		return own.code, own.err == nil
	case errors.As(err, &configErr):
		return exitConfig, false
	case errors.As(err, &running):
		return exitRunning, false
	case errors.As(err, &permission), errors.Is(err, control.ErrPermission):
		return exitPermission, false
	case errors.Is(err, control.ErrNoDaemon):
		return exitNoDaemon, false
	case errors.Is(err, context.Canceled):
		return exitFailure, true // Ctrl-C in a client
	}
	return exitFailure, false
}
