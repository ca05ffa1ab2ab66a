package hostcheck

import "fmt"

// Severity says how bad a finding is.
type Severity uint8

const (
	// Note is something to know; it may be meant to be so.
	Note Severity = iota + 1
	// Warning is something that makes hakeep work worse, or not where it should.
	Warning
	// Error is something that keeps the daemon from starting.
	Error
)

// String is the word for people and JSON.
func (s Severity) String() string {
	switch s {
	case Note:
		return "note"
	case Warning:
		return "warning"
	case Error:
		return "error"
	}
	return fmt.Sprintf("severity %d", uint8(s))
}

// MarshalText makes JSON say the word.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is one thing about this machine.
type Finding struct {
	Severity Severity `json:"severity"`
	// Check names what was looked at: one word, the same in all versions.
	Check string `json:"check"`
	// Text says what was found, what follows from it, and what to do.
	Text string `json:"text"`
}

// String is the finding in one line.
func (f Finding) String() string { return fmt.Sprintf("%v: %s: %s", f.Severity, f.Check, f.Text) }

// report collects findings.
type report struct{ findings []Finding }

func (r *report) add(s Severity, check, format string, args ...any) {
	r.findings = append(r.findings, Finding{Severity: s, Check: check, Text: fmt.Sprintf(format, args...)})
}
