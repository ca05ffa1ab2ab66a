package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// surroundings is a shell script that makes what a file asks of its host, in
// namespaces of its own: $1 are the network namespaces that it names, all of them
// this one, $2 the interfaces. keepalived -t ends in silence, and with exit status
// 0, when a namespace is missing, and says nothing about what follows a missing
// interface. There is no user keepalived_script: 2.2.7 with -t kills itself at the
// first script that is to run as another user.
const surroundings = `set -e
mount --make-rprivate /
mount -t tmpfs none /run
for n in $1; do mkdir -p "${n%/*}"; touch "$n"; mount --bind /proc/self/ns/net "$n"; done
ip link set lo up
i=0
for l in $2; do
	i=$((i+1))
	ip link add "$l" type veth peer name "peer$i" || continue
	ip addr add 10.200.$i.1/24 dev "$l"
	ip link set "peer$i" up
	ip link set "$l" up
done
shift 2
cd /tmp
exec "$@"
`

// rounds is how often a file is tried with the interfaces that keepalived has
// missed before.
const rounds = 5

var (
	// missingLink matches keepalived's words about an interface that is not there.
	missingLink = regexp.MustCompile(`interface (\S+) (?:(?:specified )?for .*)?(?:doesn't exist|linkbeat)`)
	// removed matches those about a script whose user this host does not have, with
	// its name or without; it is then missed where it is used.
	removed = regexp.MustCompile(`for vrrp script (\S+) - removing|Unable to set uid/gid for script`)
	// notFound matches those about a script that is missed.
	notFound = regexp.MustCompile(`track script (\S+) not found`)
	// aboutHost matches messages about this host, not about the file: users, programs,
	// interfaces, processors and the program's own build.
	aboutHost = regexp.MustCompile(`uid/gid|Unable to set default user|track script \S+ since not found/accessible|interface \S+ .*doesn't exist|` +
		`Non-existent interface specified|unknown interface|iptables not supported|nftables already specified|Invalid cpu_id|SECURITY VIOLATION`)
	// namedPlace is the place of a message in one of several files.
	namedPlace = regexp.MustCompile(`^\([^()]*Line (\d+)\)`)
)

// verdict is what keepalived -t says about a file.
type verdict struct {
	about []string // messages about the file
	host  []string // messages about this host
	exit  int
}

// oracle asks keepalived about a file, in the namespaces and with the interfaces
// that the file names. It needs root.
func oracle(program, file, id string, namespaces []string) (v verdict, err error) {
	var links []string
	for range rounds {
		out, exit, err := ask(program, file, id, namespaces, links)
		if err != nil {
			return verdict{}, err
		}
		v = sort(out)
		v.exit = exit
		more := false
		for _, m := range missingLink.FindAllStringSubmatch(out, -1) {
			if !slices.Contains(links, m[1]) {
				links, more = append(links, m[1]), true
			}
		}
		if !more {
			break
		}
	}
	return v, nil
}

// ask runs keepalived once. An end by a signal is an error: nothing is known then.
func ask(program, file, id string, namespaces, links []string) (out string, exit int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", surroundings, "sh", strings.Join(namespaces, " "), strings.Join(links, " "),
		program, "-t", "-i", id, "-f", file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	text, err := cmd.CombinedOutput()
	var status *exec.ExitError
	if err != nil && (!errors.As(err, &status) || status.ExitCode() < 0) {
		return "", 0, fmt.Errorf("run %s for %s: %w", program, file, err)
	}
	return string(text), cmd.ProcessState.ExitCode(), nil
}

// sort parts messages about the file from those about this host.
func sort(out string) verdict {
	var v verdict
	seen := map[string]bool{}
	gone := map[string]bool{}
	for _, m := range removed.FindAllStringSubmatch(out, -1) {
		gone[m[1]] = true
	}
	missed := func(l string) bool {
		m := notFound.FindStringSubmatch(l)
		return m != nil && (gone[m[1]] || gone[""])
	}
	for l := range strings.Lines(out) {
		l = strings.TrimSpace(l)
		// keepalived reads the file three times, once with its name.
		l = namedPlace.ReplaceAllString(l, "(Line $1)")
		switch {
		case l == "" || seen[l]:
		case aboutHost.MatchString(l) || missed(l):
			v.host = append(v.host, l)
		default:
			v.about = append(v.about, l)
		}
		seen[l] = true
	}
	return v
}
