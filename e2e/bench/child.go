package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

// childFlags are those by which this program starts itself for a part of its
// work, in a process or a namespace of its own. What it returns is that work, nil
// if there is none.
func childFlags() func() func() error {
	bare := flag.Duration("beat", 0, "only run a bare real-time loop for this long and print how late it was")
	until := flag.Bool("beat-input", false, "with -beat: or until standard input ends")
	servers := flag.Bool("answer", false, "only be the servers of the part checks")
	probes := flag.Int("probe", 0, "only check this many servers")
	dead := flag.Bool("probe-dead", false, "with -probe: the servers do not answer")
	probeTime := flag.Duration("probe-time", 10*time.Second, "with -probe: how long")
	hog := flag.String("hog", "", "only be a load of the part lateness, which never ends")
	dir := flag.String("hog-dir", "", "with -hog: where to write")
	blast := flag.Int("send", 0, "only send this many adverts each 10 ms, for -send-time")
	blastTime := flag.Duration("send-time", 10*time.Second, "with -send: how long")
	raw := flag.Bool("send-bare", false, "with -send: by sendmmsg alone")
	return func() func() error {
		switch {
		case *servers:
			return answer
		case *probes > 0:
			return func() error { return probe(*probes, *dead, *probeTime) }
		case *blast > 0:
			return func() error { return sendOnly(*blast, *raw, *blastTime) }
		case *bare > 0:
			var in io.Reader
			if *until {
				in = os.Stdin
			}
			return func() error { return beat(*bare, in) }
		case *hog != "":
			return func() error {
				h, ok := hogs[*hog]
				if !ok {
					return fmt.Errorf("no load %q", *hog)
				}
				return h.run(*dir)
			}
		}
		return nil
	}
}
