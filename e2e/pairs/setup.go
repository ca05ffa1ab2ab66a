package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"hakeep/internal/config"
)

// standIn is what stands for a notify script that this host lacks: it writes down its
// call, and all that comes through a FIFO if it is to read one, also when it is told
// to end before the last lines. %s is the file.
const standIn = `#!/bin/sh
for last; do :; done
if test -p "$last"; then trap '' TERM HUP; exec cat "$last" >> %[1]s; fi
echo "${0##*/} $*" >> %[1]s
`

// wellIn stands for the script of a vrrp_script: all is well.
const wellIn = "#!/bin/sh\nexit 0\n"

// setup is a shell script that makes a file's surroundings: overlays with the
// stand-ins and the users.
func setup(c *config.Config, calls string) string {
	var b strings.Builder
	b.WriteString("set -e\n")
	n := 0
	over := func(dir string) {
		n++
		fmt.Fprintf(&b, "mkdir -p /run/over/%[1]d/u /run/over/%[1]d/w\nmount -t overlay over -o lowerdir=%[2]s,upperdir=/run/over/%[1]d/u,workdir=/run/over/%[1]d/w %[2]s\n", n, quote(dir))
	}
	over("/etc")
	b.WriteString("for u in hakeep_script keepalived_script; do grep -q ^$u: /etc/passwd || echo $u:x:64321:65534::/:/bin/false >> /etc/passwd; done\n")
	if ns := c.Global.NetNamespace; ns != "" { // it is the one that both are in
		fmt.Fprintf(&b, "mkdir -p %s\ntouch %s\nmount --bind /proc/self/ns/net %[2]s\n", quote(filepath.Dir(ns)), quote(ns))
	}
	seen := map[string]bool{"/etc": true, "/run": true, "/tmp": true}
	for _, u := range users(c) {
		fmt.Fprintf(&b, "grep -q ^%[1]s: /etc/passwd || echo %[1]s:x:64322:65534::/:/bin/false >> /etc/passwd\n", u)
	}
	notify, checks := missing(c)
	for _, path := range append(notify, checks...) {
		text := wellIn
		if slices.Contains(notify, path) {
			text = fmt.Sprintf(standIn, calls)
		}
		dir := filepath.Dir(path)
		for !exists(dir) {
			dir = filepath.Dir(dir)
		}
		under := false
		for d := range seen {
			under = under || dir == d || strings.HasPrefix(dir, d+"/")
		}
		if !under {
			over(dir)
			seen[dir] = true
		}
		fmt.Fprintf(&b, "mkdir -p %s\nprintf %%s %s > %s\nchmod 755 %[3]s\n", quote(filepath.Dir(path)), quote(text), quote(path))
	}
	return b.String()
}

// missing are the programs of a file that this host lacks, by whole path: those that
// are told of something, and those that check something.
func missing(c *config.Config) (notify, checks []string) {
	for _, cmd := range commands(c) {
		notify = lacking(notify, cmd)
	}
	for i := range c.Scripts {
		checks = lacking(checks, c.Scripts[i].Command)
	}
	return notify, checks
}

func lacking(list []string, cmd config.Command) []string {
	if cmd.IsZero() {
		return list
	}
	path := cmd.Argv[0]
	if !strings.Contains(path, "/") {
		if _, err := exec.LookPath(path); err == nil {
			return list
		}
		path = filepath.Join("/usr/local/bin", path)
	}
	if exists(path) || slices.Contains(list, path) {
		return list
	}
	return append(list, path)
}

// commands are those that are told of something.
func commands(c *config.Config) []config.Command {
	g := &c.Global
	out := []config.Command{g.StartupScript, g.ShutdownScript, g.NotifyFIFO.Script, g.VRRPNotifyFIFO.Script, g.LVSNotifyFIFO.Script}
	add := func(n *config.Notify) {
		out = append(out, n.Any, n.Master, n.Backup, n.Fault, n.Stop, n.Deleted, n.MasterRxLowerPri)
	}
	for i := range c.Instances {
		add(&c.Instances[i].Notify)
	}
	for i := range c.Groups {
		add(&c.Groups[i].Notify)
	}
	return out
}

// users are those that programs run as, if they are names that a shell leaves alone.
func users(c *config.Config) []string {
	var out []string
	all := commands(c)
	for i := range c.Scripts {
		all = append(all, c.Scripts[i].Command)
	}
	for _, cmd := range all {
		plain := strings.Trim(cmd.User, "abcdefghijklmnopqrstuvwxyz_-0123456789") == ""
		if cmd.User != "" && plain && !slices.Contains(out, cmd.User) {
			out = append(out, cmd.User)
		}
	}
	return out
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// quote makes one word for the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
