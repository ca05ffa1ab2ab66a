//go:build !docs

package main

import "github.com/spf13/cobra"

// buildCommands are those that only the build of packages needs: none of them
// is in the program that runs.
func buildCommands() []*cobra.Command { return nil }
