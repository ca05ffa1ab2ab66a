package track

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"hakeep/internal/script"
)

// MinInterval is the shortest interval of a script.
const MinInterval = 10 * time.Millisecond

// Kind is a kind of tracked objects.
type Kind int

// The kinds. Interfaces are tracked by the elector.
const (
	KindScript Kind = iota + 1
	KindFile
	KindProcess
	KindCheck
)

// String is "script", "file", "process" or "check".
func (k Kind) String() string {
	switch k {
	case KindScript:
		return "script"
	case KindFile:
		return "file"
	case KindProcess:
		return "process"
	case KindCheck:
		return "check"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// ID names a tracked object: names are unique within a kind.
type ID struct {
	Kind Kind
	Name string
}

// String is the kind and the name.
func (id ID) String() string { return id.Kind.String() + " " + id.Name }

func (id ID) compare(o ID) int {
	return cmp.Or(cmp.Compare(id.Kind, o.Kind), cmp.Compare(id.Name, o.Name))
}

// Script is a check script (keepalived: vrrp_script). Exit status 0 is success,
// anything else is failure.
type Script struct {
	Name    string
	Command script.Command
	// DefaultUser is script_user, Security is enable_script_security.
	DefaultUser string
	Security    bool
	// Interval is the time between starts, at least MinInterval. Timeout is how
	// long a run may take; 0 means the interval.
	Interval, Timeout time.Duration
	// Rise and Fall are how many results in a row turn the outcome; 0 means 1.
	Rise, Fall int
	// InitFail lets the script begin as failed.
	InitFail bool
}

// File is a file with a number in it (keepalived: track_file).
type File struct {
	Name string
	// Path is absolute.
	Path string
	// Init, if not nil, is written to the file when the daemon starts (keepalived:
	// init_file); never at a reload.
	Init *InitFile
}

// InitFile is what a tracked file holds at first.
type InitFile struct {
	Value int
	// Overwrite replaces what is in the file; otherwise only a missing file is
	// written.
	Overwrite bool
}

// Match says how the arguments of a process are compared (keepalived:
// param_match).
type Match int

// The ways of comparing. Without one, processes match whatever their arguments
// are if none are configured, and by all of them if some are. With one, and none
// configured, only processes without arguments match.
const (
	// MatchInitial wants the configured arguments first; the last of them may be
	// the beginning of a longer one.
	MatchInitial Match = iota + 1
	// MatchPartial wants the configured arguments first, whole; more may follow.
	MatchPartial
)

// String is keepalived's word.
func (m Match) String() string {
	switch m {
	case MatchInitial:
		return "initial"
	case MatchPartial:
		return "partial"
	}
	return fmt.Sprintf("Match(%d)", int(m))
}

// Process is a number of running processes (keepalived: vrrp_track_process).
type Process struct {
	Name string
	// Argv are the name of the program and the arguments to compare. The name is
	// compared with the process's (its last path element, in the kernel's 15
	// characters), or with FullCommand with the first word of the command line.
	Argv        []string
	Match       Match
	FullCommand bool
	// Quorum to QuorumMax processes are well; 0 means 1 and without limit, a
	// QuorumMax of NoProcess that none is.
	Quorum, QuorumMax int
	// ForkDelay is how long the number must be well before it counts as such,
	// TerminateDelay how long not. keepalived's delay is both.
	ForkDelay, TerminateDelay time.Duration
}

// Check is a built-in check that runs elsewhere; see [Manager.Report].
type Check struct{ Name string }

// Ref says that an instance tracks an object.
type Ref struct {
	ID ID
	// Weight is -253 to 253 (files: a factor, -254 to 254); 0 means FAULT. Reverse
	// turns the meaning around.
	Weight  int
	Reverse bool
}

// Instance is what one instance tracks, with everything that its sync group
// brings.
type Instance struct {
	Name  string
	Track []Ref
}

// Specs is all that is to be watched. Objects that no instance tracks are not.
type Specs struct {
	Scripts   []Script
	Files     []File
	Processes []Process
	Checks    []Check
	Instances []Instance
	// KeepFiles are names of Files that are watched although no instance may track
	// them; see [Manager.Value].
	KeepFiles []string
}

// validate finds what the configuration's own rules exclude: a mistake of the
// program.
func (s Specs) validate() error {
	have := map[ID]bool{}
	var errs []error
	add := func(id ID, wrong bool, what string) {
		if have[id] {
			errs = append(errs, fmt.Errorf("%s: twice", id))
		}
		have[id] = true
		if wrong {
			errs = append(errs, fmt.Errorf("%s: %s", id, what))
		}
	}
	for _, c := range s.Scripts {
		add(ID{KindScript, c.Name}, c.Interval < MinInterval || c.Timeout < 0, "interval or timeout too short")
	}
	for _, f := range s.Files {
		add(ID{KindFile, f.Name}, f.Path == "" || f.Path[0] != '/', "path is not absolute")
	}
	for _, p := range s.Processes {
		add(ID{KindProcess, p.Name}, len(p.Argv) == 0, "no program")
	}
	for _, c := range s.Checks {
		add(ID{KindCheck, c.Name}, false, "")
	}
	names := map[string]bool{}
	for _, in := range s.Instances {
		if names[in.Name] {
			errs = append(errs, fmt.Errorf("instance %s: twice", in.Name))
		}
		names[in.Name] = true
		for _, ref := range in.Track {
			if !have[ref.ID] {
				errs = append(errs, fmt.Errorf("instance %s tracks %s, which does not exist", in.Name, ref.ID))
			}
		}
	}
	return errors.Join(errs...)
}

// timeout is how long a run may take.
func (s Script) timeout() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return s.Interval
}

// sameCommand reports whether results of one are results of the other.
func (s Script) sameCommand(o Script) bool {
	return s.Command.Equal(o.Command) && (s.Command.User != "" || s.DefaultUser == o.DefaultUser)
}

// sameRun reports whether a run in flight and the next ticks are still right.
func (s Script) sameRun(o Script) bool {
	return s.sameCommand(o) && s.Security == o.Security && s.Interval == o.Interval && s.timeout() == o.timeout()
}

func (p Process) equal(o Process) bool {
	return p.Name == o.Name && slices.Equal(p.Argv, o.Argv) && p.Match == o.Match && p.FullCommand == o.FullCommand &&
		p.Quorum == o.Quorum && p.QuorumMax == o.QuorumMax && p.ForkDelay == o.ForkDelay && p.TerminateDelay == o.TerminateDelay
}
