package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Severity says whether a Problem prevents the configuration from being used.
type Severity uint8

const (
	// Error is a problem with which the configuration is refused.
	Error Severity = iota + 1
	// Warning is a problem with which the configuration is used all the same.
	Warning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	}
	return "severity " + strconv.Itoa(int(s))
}

// Problem is one thing that is wrong with a configuration file.
type Problem struct {
	// File is the name of the file as given to Load or Parse.
	File string
	// Line counts from 1; 0 means that the problem belongs to the whole file.
	Line int
	// Key is the path of the key, for example vrrp_instance.VI_1.priority. It
	// is empty for syntax errors outside of a key.
	Key string
	// Message says what is wrong and what is allowed. It never contains a
	// password.
	Message string
	// Severity is Error or Warning.
	Severity Severity
}

// String returns the problem as "file:line: key: message". The line and the
// key are left out where there is none.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		b.WriteByte(':')
		b.WriteString(strconv.Itoa(p.Line))
	}
	b.WriteString(": ")
	if p.Key != "" {
		b.WriteString(p.Key)
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Problems is a list of problems, sorted by line.
type Problems []Problem

// Errors returns the problems with which the configuration is refused.
func (p Problems) Errors() Problems { return p.only(Error) }

// Warnings returns the problems with which the configuration is used all the
// same.
func (p Problems) Warnings() Problems { return p.only(Warning) }

// HasErrors reports whether the configuration is refused.
func (p Problems) HasErrors() bool {
	return slices.ContainsFunc(p, func(q Problem) bool { return q.Severity == Error })
}

// String returns one problem a line, without a newline at the end.
func (p Problems) String() string {
	lines := make([]string, len(p))
	for i, q := range p {
		lines[i] = q.String()
	}
	return strings.Join(lines, "\n")
}

func (p Problems) only(s Severity) Problems {
	var out Problems
	for _, q := range p {
		if q.Severity == s {
			out = append(out, q)
		}
	}
	return out
}

// maxProblems bounds what a broken file can make us print. A file with more
// problems than this is not a configuration.
const maxProblems = 1000

// sink collects problems. It is owned by one call of Parse.
type sink struct {
	file     string
	problems Problems
	errors   int // how many of all are errors
	dropped  int // how many are not in problems
}

func (s *sink) add(sev Severity, line int, key, format string, args ...any) {
	if sev == Error {
		s.errors++
	}
	if s.full() {
		s.dropped++
		return
	}
	msg := format
	if len(args) > 0 {
		msg = fmt.Sprintf(format, args...)
	}
	s.problems = append(s.problems, Problem{File: s.file, Line: line, Key: key, Message: msg, Severity: sev})
}

// full reports whether further problems are only counted.
func (s *sink) full() bool { return len(s.problems) >= maxProblems }

// sorted returns what was collected, by line. Problems of one line stay in the
// order in which they were found.
func (s *sink) sorted() Problems {
	slices.SortStableFunc(s.problems, func(a, b Problem) int { return a.Line - b.Line })
	if s.dropped > 0 {
		sev := Warning
		if s.errors > 0 {
			sev = Error
		}
		s.problems = append(s.problems, Problem{
			File: s.file, Severity: sev,
			Message: fmt.Sprintf("%d more problems are not shown", s.dropped),
		})
		s.dropped = 0
	}
	return s.problems
}
