package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"hakeep/internal/lab"
)

// event is a line of `go test -json` (go doc test2json).
type event struct {
	Time                          time.Time
	Action, Package, Test, Output string
	ImportPath                    string
	FailedBuild                   string
}

// failure is a test that failed, and how long a bare thread stood still meanwhile at
// most.
type failure struct {
	pkg, test string
	stall     time.Duration
}

// ran is what is known of one test with its subtests.
type ran struct {
	pkg, test string
	from, to  time.Time
	output    []string
	failed    bool
}

// report reads the events of one go test, and prints what go test would have: the
// lines of packages and of the tests that failed, or all with -v.
type report struct {
	out     io.Writer
	verbose bool
	tests   map[[2]string]*ran
	order   []*ran
	// fatal are failures that are not made again.
	fatal []string
}

func newReport(out io.Writer, verbose bool) *report {
	return &report{out: out, verbose: verbose, tests: map[[2]string]*ran{}}
}

// read takes all events.
func (r *report) read(from io.Reader) error {
	for dec := json.NewDecoder(from); ; {
		var e event
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		r.take(e)
	}
}

func (r *report) take(e event) {
	if e.Test == "" {
		r.takePackage(e)
		return
	}
	top, sub, _ := strings.Cut(e.Test, "/")
	key := [2]string{e.Package, top}
	t := r.tests[key]
	if t == nil {
		t = &ran{pkg: e.Package, test: top, from: e.Time}
		r.tests[key], r.order = t, append(r.order, t)
	}
	switch e.Action {
	case "output":
		if r.verbose {
			fmt.Fprint(r.out, e.Output)
		} else if !strings.HasPrefix(e.Output, "=== ") {
			t.output = append(t.output, e.Output)
		}
		if why := unforgiven(e.Output); why != "" {
			r.fatal = append(r.fatal, top+": "+why)
		}
	case "pass", "skip", "fail":
		if sub != "" {
			return
		}
		t.to, t.failed = e.Time, e.Action == "fail"
		if t.failed && !r.verbose {
			fmt.Fprint(r.out, strings.Join(t.output, ""))
		}
		t.output = nil
	}
}

func (r *report) takePackage(e event) {
	switch e.Action {
	case "output", "build-output":
		if line := e.Output; line != "PASS\n" || r.verbose {
			fmt.Fprint(r.out, line)
		}
		if why := unforgiven(e.Output); why != "" {
			r.fatal = append(r.fatal, e.Package+": "+why)
		}
	case "build-fail":
		r.fatal = append(r.fatal, e.ImportPath+": build failed")
	case "fail":
		// A package may fail without a test: its TestMain, a test that never ended.
		open := func(t *ran) bool { return t.pkg == e.Package && t.to.IsZero() }
		if i := slices.IndexFunc(r.order, open); i >= 0 {
			fmt.Fprint(r.out, strings.Join(r.order[i].output, ""))
			r.fatal = append(r.fatal, r.order[i].test+": did not end")
		} else if !slices.ContainsFunc(r.order, func(t *ran) bool { return t.pkg == e.Package && t.failed }) {
			r.fatal = append(r.fatal, e.Package)
		}
	}
}

// unforgiven says why a line of output means a failure that no stall explains.
func unforgiven(line string) string {
	for prefix, why := range map[string]string{
		"WARNING: DATA RACE": "data race",
		"panic: ":            "panic",
		"fatal error: ":      "fatal error",
	} {
		if strings.HasPrefix(line, prefix) {
			return why
		}
	}
	return ""
}

// failures are the tests that failed, with the longest stall of any CPU while they
// ran. Threads that were not real-time are no witnesses.
func (r *report) failures(beats []lab.BeatResult) (out []failure) {
	for _, t := range r.order {
		if !t.failed {
			continue
		}
		f := failure{pkg: t.pkg, test: t.test}
		for _, b := range beats {
			for _, s := range b.Stalls {
				if b.Realtime && s.To.After(t.from) && s.From.Before(t.to) {
					f.stall = max(f.stall, s.To.Sub(s.From))
				}
			}
		}
		out = append(out, f)
	}
	return out
}
