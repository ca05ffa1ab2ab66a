package netif

import (
	"errors"
	"fmt"
)

// ErrSuperseded says that a Sync ended early because the caller has a newer
// desired set; see Options.Superseded.
var ErrSuperseded = errors.New("superseded by a newer desired set")

// ResultKind says what became of an address.
type ResultKind uint8

// The kinds of results.
const (
	// ResultInstalled says that a desired address is on its interface and may
	// be used and announced.
	ResultInstalled ResultKind = iota + 1
	// ResultTentative says that it is there but duplicate address detection is
	// under way; ResultInstalled or ResultFailed follows.
	ResultTentative
	// ResultRemoved says that an address that is no longer desired is gone.
	ResultRemoved
	// ResultFailed says that an address could not be installed (it is retried,
	// or waits for its interface) or, if it is no longer desired, removed.
	ResultFailed
	// ResultTaken says that another program removed a desired address so often
	// that it is not put back any more, until it was not desired for a while.
	ResultTaken
)

// String returns a name for logs.
func (k ResultKind) String() string {
	switch k {
	case ResultInstalled:
		return "installed"
	case ResultTentative:
		return "tentative"
	case ResultRemoved:
		return "removed"
	case ResultFailed:
		return "failed"
	case ResultTaken:
		return "taken"
	}
	return fmt.Sprintf("ResultKind(%d)", uint8(k))
}

// Result tells the owner of a Reconciler what became of an address. One is
// given when an address's fate changes, not for each look at it.
type Result struct {
	// Kind says what happened.
	Kind ResultKind
	// Addr is the address as it was desired. Its Key identifies it.
	Addr Addr
	// Err is the reason of ResultFailed.
	Err error
	// Repaired says that the address had been there and was put back after
	// another program, or the kernel on its behalf, had removed it.
	Repaired bool
	// Foreign says that the address is another's: with ResultInstalled that it
	// was there without our mark, or was put back after the kernel had dropped
	// it together with one of ours; with ResultRemoved that it was left there.
	Foreign bool
}

// String returns the result as in `installed 192.0.2.1/24 dev eth0`.
func (r Result) String() string {
	s := r.Kind.String() + " " + r.Addr.Key().String()
	if r.Repaired {
		s += " (repaired)"
	}
	if r.Foreign {
		s += " (foreign)"
	}
	if r.Err != nil {
		s += ": " + r.Err.Error()
	}
	return s
}
