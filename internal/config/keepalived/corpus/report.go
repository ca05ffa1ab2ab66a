package main

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"hakeep/internal/config/keepalived"
)

// shape takes names and numbers out of a message so that like ones count
// together.
func shape(s string) string {
	s = regexp.MustCompile(`^\(Line \d+\) *`).ReplaceAllString(s, "")
	s = regexp.MustCompile(`'[^']*'|"[^"]*"|\([^()]*\)|\[[^\]]*\]`).ReplaceAllString(s, "…")
	s = regexp.MustCompile(`[0-9a-fA-F:.]*[0-9][0-9a-fA-F:.]*`).ReplaceAllString(s, "N")
	return s[:min(len(s), 110)]
}

// summary prints figures over all the files and returns how many disagreements have
// no explanation.
func summary(all []outcome, compared bool) int {
	exits := map[int]int{}
	var slowest, biggest outcome
	for _, o := range all {
		exits[o.exit]++
		if o.took > slowest.took {
			slowest = o
		}
		if o.memory > biggest.memory {
			biggest = o
		}
	}
	fmt.Printf("\n%d files: exit 0 %d, exit 2 %d, exit 4 %d\n", len(all), exits[0], exits[2], exits[4])
	fmt.Printf("slowest %s %v, most allocated %s %.1f MB\n", slowest.name, slowest.took.Round(time.Millisecond), biggest.name, float64(biggest.memory)/1e6)
	if !compared {
		return 0
	}
	bad := verdicts(all)
	losses := map[string]int{}
	for _, o := range all {
		for _, m := range o.messages {
			if m.Kind >= keepalived.Lost {
				losses[shape(m.Message)]++
			}
		}
	}
	top("what hakeep leaves out", losses)
	return bad
}

// hasLine reports whether we said something about the line of a message.
func (o *outcome) hasLine(message string) bool {
	m := regexp.MustCompile(`^\(Line (\d+)\)`).FindStringSubmatch(message)
	if m == nil {
		return len(o.messages) > 0
	}
	for _, i := range o.messages {
		if fmt.Sprint(i.Pos.Line) == m[1] || fmt.Sprint(i.Pos.Used) == m[1] {
			return true
		}
	}
	return false
}

func top(title string, counts map[string]int) {
	fmt.Printf("\n%s:\n", title)
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) })
	for _, k := range keys[:min(len(keys), 60)] {
		fmt.Printf("%5d  %s\n", counts[k], k)
	}
}
