// Command pairs runs keepalived.conf files of a folder, in place, with hakeep and
// with keepalived in network namespaces, and compares what they do:
//
//	go run ./e2e/pairs [-id ID] [-n 20] [-jobs 4] DIR [FILE...]
//
// For each file that hakeep can run, that has multicast instances and not too many
// of them, two things are done. First each daemon runs the file alone on links of
// its own, with the same addresses: the virtual addresses, the adverts byte by
// byte with their IP headers' addresses and TTL, and the calls of notify scripts up
// to the stop have to be the same. Then both run the file on one link: exactly one
// of them has the addresses, the other takes over when it stops, and back.
//
// Nothing of a file is changed. The interfaces that it names are made; scripts that
// it names and this host lacks are put in their places as stand-ins that write down
// their calls, on overlays that only the daemon sees; so are the users hakeep_script
// and keepalived_script. Nothing is kept.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"hakeep/internal/config"
	"hakeep/internal/config/keepalived"
)

const (
	// maxInstances and maxLinks keep a file's part short.
	maxInstances = 8
	maxLinks     = 14
)

func main() {
	id := flag.String("id", "low", "config-id")
	n := flag.Int("n", 20, "how many files, 0 for all")
	jobs := flag.Int("jobs", 4, "how many files at a time")
	hakeep := flag.String("hakeep", "bin/hakeep", "hakeep")
	verbose := flag.Bool("v", false, "print the logs of what fails")
	flag.Parse()
	if flag.NArg() < 1 {
		fmt.Fprintln(os.Stderr, "usage: pairs [-id ID] [-n FILES] [-jobs N] [-hakeep PROGRAM] [-v] DIR [FILE...]")
		os.Exit(64)
	}
	binary, err := filepath.Abs(*hakeep)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	chosen, err := choose(flag.Arg(0), flag.Args()[1:], *id, *n)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	results := runAll(chosen, *jobs, interrupted, &host{hakeep: binary, id: *id})
	bad := 0
	fmt.Printf("%-24s %-9s %-9s %-7s %-8s %-6s\n", "file", "addresses", "adverts", "calls", "one link", "")
	idle := 0
	for _, r := range results {
		if r.idle {
			idle++
			fmt.Printf("%-24s neither becomes master of everything here: %s\n", r.file, r.addresses)
			continue
		}
		fmt.Printf("%-24s %-9s %-9s %-7s %-8s\n", r.file, r.addresses, r.adverts, r.calls, r.link)
		for _, p := range r.problems {
			fmt.Printf("    %s\n", p)
		}
		if len(r.problems) > 0 {
			bad++
			if *verbose {
				fmt.Println(r.logs)
			}
		}
	}
	fmt.Printf("%d files, %d differ, %d left out\n", len(results)-idle, bad, idle)
	if bad > 0 {
		os.Exit(1)
	}
}

// subject is a file with what it says.
type subject struct {
	path string
	cfg  *config.Config
}

// choose returns the files to run: those named, or the first n that qualify.
func choose(dir string, names []string, id string, n int) ([]subject, error) {
	named := len(names) > 0
	if !named {
		found, err := filepath.Glob(filepath.Join(dir, "*.conf"))
		if err != nil || len(found) == 0 {
			return nil, fmt.Errorf("no files in %s: %v", dir, err)
		}
		for _, f := range found {
			names = append(names, filepath.Base(f))
		}
	}
	whole, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	var out []subject
	for _, name := range names {
		path := filepath.Join(whole, name)
		res, err := keepalived.ConvertFile(path, id)
		if err != nil {
			return nil, err
		}
		if res.Exit() != 0 || !suits(res.Config) {
			if named {
				return nil, fmt.Errorf("%s cannot be run as a pair", name)
			}
			continue
		}
		out = append(out, subject{path, res.Config})
		if !named && len(out) == n {
			break
		}
	}
	return out, nil
}

// suits reports whether a file describes a pair on links that can be made here. Load
// balancing needs more of the kernel.
func suits(c *config.Config) bool {
	if len(c.VirtualServers) > 0 || len(c.Instances) == 0 || len(c.Instances) > maxInstances || len(links(c)) > maxLinks {
		return false
	}
	for i := range c.Instances {
		in := &c.Instances[i]
		if in.Unicast || len(in.Addresses) == 0 || in.Interface == "lo" || in.AdvertInt.Seconds() > 3 {
			return false
		}
	}
	return true
}

// links are the interfaces that a file names, sorted.
func links(c *config.Config) []string {
	names := map[string]bool{}
	for i := range c.Instances {
		in := &c.Instances[i]
		names[in.Interface] = true
		for _, list := range [][]config.Address{in.Addresses, in.Excluded} {
			for j := range list {
				names[list[j].Dev] = true
			}
		}
		for _, t := range in.Tracks.Interfaces {
			names[t.Name] = true
		}
		for _, r := range in.Routes {
			names[r.Dev] = true
		}
	}
	for _, list := range [][]config.Address{c.StaticAddresses} {
		for j := range list {
			names[list[j].Dev] = true
		}
	}
	delete(names, "lo")
	delete(names, "")
	var out []string
	for name := range names {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// runAll runs several files at a time.
func runAll(list []subject, jobs int, interrupted <-chan os.Signal, h *host) []*result {
	var mu sync.Mutex // guards results
	var results []*result
	var wg sync.WaitGroup
	work := make(chan subject)
	for range max(jobs, 1) {
		wg.Go(func() {
			for s := range work {
				r := h.compare(s)
				mu.Lock()
				results = append(results, r)
				mu.Unlock()
			}
		})
	}
feed:
	for _, s := range list {
		select {
		case work <- s:
		case <-interrupted:
			break feed
		}
	}
	close(work)
	wg.Wait()
	slices.SortFunc(results, func(a, b *result) int { return cmp.Compare(a.file, b.file) })
	return results
}
