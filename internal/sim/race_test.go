//go:build race

package sim

// raceEnabled: the race detector makes everything here ten times slower, and
// there is one goroutine.
const raceEnabled = true
