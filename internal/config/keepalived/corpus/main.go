// Command corpus runs the keepalived.conf reader over every file of a folder
// and prints what became of each, beside what keepalived -t says:
//
//	go run ./internal/config/keepalived/corpus [-keepalived PROGRAM] [-id ID] [-v] DIR
//
// keepalived is judged by its messages, not by its exit status, which also
// counts users and scripts that this host does not have. It runs in namespaces of
// its own, which needs root. Every file about which only one of the two has something
// to say is printed with the class that explains it; the exit status is 1 if one has
// none, or took too long or too much. Nothing of the files is kept.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"syscall"
	"time"

	"hakeep/internal/config/keepalived"
)

// Limits for each file that the project promises.
const (
	maxTime   = time.Second
	maxMemory = 100 << 20
)

// outcome is what became of one file.
type outcome struct {
	name     string
	exit     int
	took     time.Duration
	memory   uint64 // allocated in all, of which not everything is held at a time
	counts   map[keepalived.Kind]int
	messages []keepalived.Issue
	theirs   verdict
	text     []byte // of the file itself
	// namespaces are the network namespaces that the file names, as paths.
	namespaces []string
}

func main() {
	program := flag.String("keepalived", "", "keepalived to compare with; empty for none")
	id := flag.String("id", "low", "config-id")
	verbose := flag.Bool("v", false, "print every message")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: corpus [-keepalived PROGRAM] [-id ID] [-v] DIR")
		os.Exit(64)
	}
	bad, err := run(flag.Arg(0), *program, *id, *verbose)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if bad > 0 {
		os.Exit(1)
	}
}

// run returns how many files took too long or too much, or are judged otherwise by
// keepalived without an explanation.
func run(dir, program, id string, verbose bool) (bad int, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.conf"))
	if err != nil {
		return 0, err
	}
	var all []outcome
	for _, f := range files {
		o := convert(f, id)
		if program != "" {
			if o.theirs, err = oracle(program, f, id, o.namespaces); err != nil {
				return 0, err
			}
		}
		if o.took > maxTime {
			bad++
		}
		fmt.Printf("%-40s exit %d  %7.1f ms %6.1f MB allocated  lost %d changed %d notes %d  keepalived: %d messages\n", o.name, o.exit,
			float64(o.took)/1e6, float64(o.memory)/1e6, o.counts[keepalived.Lost]+o.counts[keepalived.Broken], o.counts[keepalived.Changed], o.counts[keepalived.Note], len(o.theirs.about))
		if verbose {
			for _, m := range o.messages {
				fmt.Printf("    ours %s %s\n", m.Kind, m)
			}
			for _, m := range o.theirs.about {
				fmt.Printf("    keepalived %s\n", m)
			}
		}
		all = append(all, o)
	}
	bad += summary(all, program != "")
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err == nil {
		fmt.Printf("\nmost memory of this process at any time: %.1f MB\n", float64(usage.Maxrss)*1024/1e6)
		if usage.Maxrss*1024 > maxMemory {
			bad++
		}
	}
	return bad, nil
}

// convert reads one file.
func convert(file, id string) outcome {
	o := outcome{name: filepath.Base(file), counts: map[keepalived.Kind]int{}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	res, err := keepalived.ConvertFile(file, id)
	o.took = time.Since(start)
	runtime.ReadMemStats(&after)
	o.memory = after.TotalAlloc - before.TotalAlloc
	if err != nil {
		o.exit = 4
		return o
	}
	o.exit = res.Exit()
	for _, i := range res.Issues {
		o.counts[i.Kind]++
	}
	o.messages = res.Issues
	if o.text, err = os.ReadFile(file); err != nil {
		o.exit = 4
	}
	o.namespaces = namespaces(o.text, res)
	return o
}

// namespaces returns the network namespaces that a file names: its own one as it was
// read, and any other as it stands there.
func namespaces(text []byte, res *keepalived.Result) []string {
	var out []string
	add := func(path string) {
		if path != "" && !slices.Contains(out, path) {
			out = append(out, path)
		}
	}
	if res.Config != nil {
		add(res.Config.Global.NetNamespace)
	}
	for _, m := range namesNamespace.FindAllSubmatch(text, -1) {
		add("/run/netns/" + string(m[1]))
	}
	return out
}

var namesNamespace = regexp.MustCompile(`(?m)\bnet_namespace(?:_ipvs)?[ \t]+([\w.-]+)`)
