package track

import (
	"path"
	"slices"
	"strings"
)

// commSize is how much of a process's name the kernel keeps (TASK_COMM_LEN
// without the end).
const commSize = 15

// Matches reports whether a process counts: comm is its name as the kernel has
// it, cmdline its command line as in /proc/PID/cmdline, which is looked at only
// if [Process.NeedsCommandLine].
func (p Process) Matches(comm, cmdline string) bool {
	name, args, _ := strings.Cut(strings.TrimRight(cmdline, "\x00")+"\x00", "\x00")
	if p.FullCommand {
		if name != p.Argv[0] {
			return false
		}
	} else if comm != p.comm() {
		return false
	}
	if len(p.Argv) == 1 {
		return p.Match == 0 || args == ""
	}
	want := strings.Join(p.Argv[1:], "\x00")
	switch p.Match {
	case MatchInitial:
		return strings.HasPrefix(args, want)
	case MatchPartial:
		return strings.HasPrefix(args, want+"\x00")
	}
	return args == want+"\x00"
}

// NeedsCommandLine reports whether the name alone does not decide.
func (p Process) NeedsCommandLine() bool {
	return p.FullCommand || p.Match != 0 || len(p.Argv) > 1
}

// comm is the name to look for.
func (p Process) comm() string {
	name := path.Base(p.Argv[0])
	return name[:min(len(name), commSize)]
}

// procTable counts the processes that match.
type procTable struct {
	want  []Process
	have  map[int][]int // process → the indexes in want that it matches
	count []int
}

func newProcTable(want []Process) *procTable {
	return &procTable{want: want, have: map[int][]int{}, count: make([]int, len(want))}
}

// set takes what a process matches now.
func (t *procTable) set(pid int, matched []int) {
	for _, i := range t.have[pid] {
		t.count[i]--
	}
	delete(t.have, pid)
	if len(matched) > 0 {
		t.have[pid] = matched
	}
	for _, i := range matched {
		t.count[i]++
	}
}

// fork takes a new process: it is what its parent is until it executes
// something.
func (t *procTable) fork(parent, child int) { t.set(child, slices.Clone(t.have[parent])) }

// exit takes the end of a process.
func (t *procTable) exit(pid int) { t.set(pid, nil) }

// keep forgets all processes but those given.
func (t *procTable) keep(alive map[int]bool) {
	for pid := range t.have {
		if !alive[pid] {
			t.exit(pid)
		}
	}
}

// matched looks a process up, asking for its command line only if that decides.
func (t *procTable) matched(comm string, cmdline func() string) []int {
	var list []int
	line, read := "", false
	for i, p := range t.want {
		if !p.FullCommand && p.comm() != comm {
			continue
		}
		if p.NeedsCommandLine() && !read {
			line, read = cmdline(), true
		}
		if p.Matches(comm, line) {
			list = append(list, i)
		}
	}
	return list
}
