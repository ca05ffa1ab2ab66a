package lab

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
)

// KeepalivedOptions are the settings of a keepalived.
type KeepalivedOptions struct {
	// Conf is the text of keepalived.conf.
	Conf string
	// Dir receives the configuration, pid files and dumps. It must exist
	// and must not be below /run, which the daemon sees as empty.
	Dir string
	// Args are further arguments, like "--vrrp".
	Args []string
	// Binary is the program; empty means keepalived of the system.
	Binary string
	// Log, if set, receives every line as well.
	Log io.Writer
	// Terse leaves the details out of the log (-D), among them a line for each
	// gratuitous ARP: with 200 addresses, writing them holds its protocol up for a
	// second.
	Terse bool
}

// Keepalived is a running keepalived, with a /run of its own so that several
// share a host.
type Keepalived struct {
	daemon
	conf string
}

// stateLine matches the line that keepalived 2.x logs for a transition.
var stateLine = regexp.MustCompile(`\(([^()]+)\) Entering (MASTER|BACKUP|FAULT|STOP) STATE`)

func keepalivedState(line string) (instance, state string, ok bool) {
	m := stateLine.FindStringSubmatch(line)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// StartKeepalived writes the configuration and starts keepalived in the
// foreground inside the namespace. It does not wait for any state. Stop, Kill
// or Close of the namespace end it; it also ends with this program.
func StartKeepalived(ns *Namespace, opts KeepalivedOptions) (*Keepalived, error) {
	if opts.Binary == "" {
		opts.Binary = "keepalived"
	}
	k := &Keepalived{
		daemon: daemon{name: "keepalived", log: opts.Log, state: keepalivedState},
		conf:   filepath.Join(opts.Dir, "keepalived.conf"),
	}
	if err := writeConf(k.conf, opts.Conf); err != nil {
		return nil, fmt.Errorf("start keepalived in %s: %w", ns.name, err)
	}
	pid := func(name string) string { return filepath.Join(opts.Dir, name+".pid") }
	args := append([]string{
		// Without a syslog daemon, as in a namespace, libc would write each line to the
		// console: on a serial one that is seconds of a processor with interrupts off.
		"-n", "-l", "--no-syslog", "-f", k.conf,
		"-p", pid("keepalived"), "-r", pid("vrrp"), "-c", pid("checkers"), "-b", pid("bfd"),
	}, opts.Args...)
	if !opts.Terse {
		args = append(args, "-D")
	}
	k.cmd = ns.Command(opts.Binary, args...)
	k.cmd.Private = []string{"/run"}
	k.cmd.Env = append(os.Environ(), "TMPDIR="+opts.Dir)
	if err := k.start(); err != nil {
		return nil, err
	}
	return k, nil
}

// writeConf puts a configuration in place at once.
func writeConf(path, text string) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// Reload replaces the configuration and signals a reload; an empty conf
// reloads the same text.
func (k *Keepalived) Reload(conf string) error {
	if conf != "" {
		if err := writeConf(k.conf, conf); err != nil {
			return fmt.Errorf("reload keepalived: %w", err)
		}
	}
	return k.Signal(syscall.SIGHUP)
}

// Dir is where it writes its pid files and dumps.
func (k *Keepalived) Dir() string { return filepath.Dir(k.conf) }

// Kill ends all processes of keepalived at once, as a crash of the host would:
// when only the parent is killed, the children leave in order. It returns
// after their end.
func (k *Keepalived) Kill() { k.kill() }
