package track

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// maxCommandLine bounds what is read of a command line: longer ones than any that
// is configured need not be told apart.
const maxCommandLine = 64 << 10

// procfs reads processes below a directory, which is /proc but in tests.
type procfs string

// stat reads the name of a process. ok is false if it is gone, or has ended and
// was not reaped.
func (fs procfs) stat(pid int) (comm string, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("%s/%d/stat", string(fs), pid))
	if err != nil {
		return "", false
	}
	return parseStat(string(text))
}

// parseStat reads /proc/PID/stat (proc_pid_stat(5)): "PID (NAME) STATE …", where
// the name may contain anything.
func parseStat(text string) (comm string, ok bool) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open || len(text) < end+3 {
		return "", false
	}
	state := text[end+2]
	return text[open+1 : end], state != 'Z' && state != 'X'
}

// cmdline reads the command line; it is empty for threads of the kernel, and if
// the process is gone.
func (fs procfs) cmdline(pid int) string {
	f, err := os.Open(fmt.Sprintf("%s/%d/cmdline", string(fs), pid))
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxCommandLine))
	if err != nil {
		return ""
	}
	return string(text)
}

// pids lists the processes.
func (fs procfs) pids() ([]int, error) {
	dir, err := os.Open(string(fs))
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var list []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			list = append(list, pid)
		}
	}
	return list, nil
}

// look reads one process into the table.
func (fs procfs) look(t *procTable, pid int) {
	comm, ok := fs.stat(pid)
	if !ok {
		t.exit(pid)
		return
	}
	t.set(pid, t.matched(comm, func() string { return fs.cmdline(pid) }))
}

// scan reads all processes into the table.
func (fs procfs) scan(t *procTable) error {
	pids, err := fs.pids()
	if err != nil {
		return err
	}
	alive := make(map[int]bool, len(pids))
	for _, pid := range pids {
		alive[pid] = true
		fs.look(t, pid)
	}
	t.keep(alive)
	return nil
}
