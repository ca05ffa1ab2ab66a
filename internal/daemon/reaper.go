package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// reapInterval is how often PID 1 looks for orphans that have ended.
const reapInterval = 5 * time.Second

// reapOrphans does what a container's first process has to do: it reaps
// children of others that were left to it. Our own children are reaped by who
// started them, at once; so what is still there at the second look is an orphan,
// and nobody's exit status is taken away.
func reapOrphans(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	seen := map[int]bool{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		ended, err := endedChildren()
		if err != nil {
			return err
		}
		again := map[int]bool{}
		for _, pid := range ended {
			if seen[pid] {
				_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) // gone meanwhile is fine
			} else {
				again[pid] = true
			}
		}
		seen = again
	}
}

// endedChildren lists the children of this process that wait to be reaped.
func endedChildren() ([]int, error) {
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		return nil, fmt.Errorf("list children: %w", err)
	}
	var ended []int
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for field := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(field)
			if err == nil && zombie(pid) {
				ended = append(ended, pid)
			}
		}
	}
	return ended, nil
}

// zombie reports whether a process has ended and was not reaped.
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// The name, in parentheses, may contain anything.
	_, rest, ok := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
	return ok && strings.HasPrefix(rest, "Z")
}
