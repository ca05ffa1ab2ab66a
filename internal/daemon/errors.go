package daemon

import (
	"fmt"

	"hakeep/internal/config"
)

// ConfigError says that the daemon cannot start because of its configuration.
type ConfigError struct {
	// Problems are what is wrong with the file; empty if it could not be read.
	Problems config.Problems
	// Err says why the file could not be read.
	Err error
}

// Error returns the problems, one a line.
func (e *ConfigError) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return e.Problems.Errors().String()
}

// Unwrap returns Err.
func (e *ConfigError) Unwrap() error { return e.Err }

// RunningError says that a daemon with the same runtime directory, or on the
// same control socket, is running.
type RunningError struct {
	// What is what it holds.
	What string
	// PID is its process id, 0 if not known.
	PID int
}

// Error names the process and what it holds.
func (e *RunningError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("already running: another daemon uses %s", e.What)
	}
	return fmt.Sprintf("already running: process %d uses %s", e.PID, e.What)
}

// PermissionError says what the daemon is not permitted to do.
type PermissionError struct {
	// Missing names what is missing, a capability or the right to write a file.
	Missing string
	// Err is what was tried and refused.
	Err error
}

// Error says what is missing and what was refused.
func (e *PermissionError) Error() string {
	return fmt.Sprintf("not permitted: %v (%s)", e.Err, e.Missing)
}

// Unwrap returns Err.
func (e *PermissionError) Unwrap() error { return e.Err }
