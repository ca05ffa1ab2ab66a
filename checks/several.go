package checks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// Several looks at a number of targets at once and is well when Need of them
// are.
type Several struct {
	Targets []Target
	// Need is how many have to be well, 1 to their number.
	Need int
}

// Checker makes the checkers of all targets.
func (c Several) Checker(p *Pinger) (Checker, error) {
	if c.Need < 1 || c.Need > len(c.Targets) {
		return nil, fmt.Errorf("%d of %d targets cannot be needed", c.Need, len(c.Targets))
	}
	s := &several{need: c.Need}
	for _, t := range c.Targets {
		one, err := t.Checker(p)
		if err != nil {
			return nil, err
		}
		s.checkers = append(s.checkers, one)
	}
	return s, nil
}

type several struct {
	checkers []Checker
	need     int
}

var _ Checker = (*several)(nil)

// Check asks all targets at the same time and waits for all of them.
func (s *several) Check(ctx context.Context) Result {
	results := make([]Result, len(s.checkers))
	var wg sync.WaitGroup
	for i, c := range s.checkers {
		wg.Go(func() { results[i] = c.Check(ctx) })
	}
	wg.Wait()
	well := 0
	var bad []string
	var out Result
	for _, r := range results {
		out.Duration = max(out.Duration, r.Duration)
		if r.OK {
			well++
		} else {
			bad = append(bad, r.String())
		}
	}
	out.Detail = fmt.Sprintf("%d of %d", well, len(results))
	if out.OK = well >= s.need; !out.OK {
		out.Err = errors.New(strings.Join(bad, "; "))
	}
	return out
}
