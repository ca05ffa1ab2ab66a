package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakeep/internal/nstest"
)

// keepalivedUse is a script that uses "keepalived" as units, init scripts and
// exporters do, and tells what it sees. It runs in a directory of its own with an
// empty /run; $D is the directory.
const keepalivedUse = `
export TMPDIR=$D
await() { # until a command succeeds
	n=0
	until eval "$1" >/dev/null 2>&1; do n=$((n+1)); [ $n -gt 300 ] && { echo "no: $1"; return; }; sleep 0.1; done
	echo "yes: $1"
}
keepalived -n -l -f $D/none.conf >/dev/null 2>&1; echo "no such file: $?"
keepalived --no-such-option >/dev/null 2>&1; echo "unknown option: $?"
keepalived -f >/dev/null 2>&1; echo "argument missing: $?"
for s in DATA STATS JSON STATS_CLEAR RELOAD STOP; do echo "$s $(keepalived --signum=$s)"; done
keepalived --signum=OTHER >/dev/null 2>&1; echo "unknown signal: $?"
keepalived -v 2>&1 | head -1 | cut -d' ' -f1,2
keepalived -h >/dev/null 2>&1; echo "help: $?"
keepalived -t -f $D/good.conf >/dev/null 2>&1; echo "test of a good file: $?"
keepalived -t -f $D/unknown.conf >/dev/null 2>&1; echo "test of an unknown word: $?"
keepalived --config-test=$D/said -f $D/unknown.conf; echo "test into a file: $?"
grep -q no_such_word $D/said; echo "the file says it: $?"

echo "as a unit does"
keepalived --dont-fork --log-console -D -f $D/good.conf >$D/log 2>&1 &
main=$!
await 'test -s /run/keepalived.pid && test -s /run/vrrp.pid'
test $(cat /run/keepalived.pid) = $main; echo "the pid file has the main process: $?"
await 'ip addr show dev eth0 | grep 192.0.2.10/24'
kill -s $(keepalived --signum=JSON) $(cat /run/keepalived.pid)
await 'grep iname $D/keepalived.json'
kill -USR1 $(cat /run/vrrp.pid)
await 'grep "VRRP Instance = VI_1" $D/keepalived.data'
kill -USR2 $main
await 'grep "Became master: 1" $D/keepalived.stats'
keepalived --dont-fork -l -f $D/good.conf >/dev/null 2>&1; echo "a second one: $?"
kill -0 $main; echo "the first one goes on: $?"
kill -TERM $main; wait $main; echo "stopped: $?"
await '! test -e /run/keepalived.pid && ! test -e /run/vrrp.pid'
await '! ip addr show dev eth0 | grep 192.0.2.10'

echo "as an init script does"
keepalived -G -f $D/good.conf -p $D/a.pid -r $D/b.pid </dev/null >/dev/null 2>&1; echo "in the background: $?"
await 'test -s $D/a.pid && test -s $D/b.pid'
await 'ip addr show dev eth0 | grep 192.0.2.10/24'
kill -TERM $(cat $D/a.pid)
await '! test -e $D/a.pid && ! test -e $D/b.pid'
await '! ip addr show dev eth0 | grep 192.0.2.10'
`

// TestAsKeepalived runs the same script with keepalived and with a link of its name
// to hakeep, and compares what the scripts saw.
func TestAsKeepalived(t *testing.T) {
	t.Parallel()
	real := nstest.RequireTool(t, "keepalived")
	const good = "global_defs {\n script_user root\n enable_script_security\n" + realtimePeer + "}\nvrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n advert_int 1\n virtual_ipaddress { 192.0.2.10/24\n }\n}\n"
	use := func(binary string) string {
		ns := nstest.Host(t, "router")
		nstest.Attach(t, nstest.LAN(t), ns, "eth0", "192.0.2.1/24")
		dir := nstest.ShortDir(t)
		for name, text := range map[string]string{"good.conf": good, "unknown.conf": good + "no_such_word 5\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		bin := filepath.Join(dir, "bin")
		if err := os.Mkdir(bin, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(binary, filepath.Join(bin, "keepalived")); err != nil {
			t.Fatal(err)
		}
		cmd := ns.CommandContext(nstest.Context(t, 4*patience), "sh", "-c", keepalivedUse)
		cmd.Private = []string{"/run"}
		cmd.Env = append(os.Environ(), "D="+dir, "PATH="+bin+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v", binary, err)
		}
		return string(out)
	}
	ours, theirs := use(nstest.Binary(t)), use(real)
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("the script sees (-keepalived +hakeep):\n%s", diff)
	}
	if strings.Contains(ours, "no: ") {
		t.Errorf("hakeep:\n%s", ours)
	}
}

// TestKeepalivedOptions: what an option promises is kept, or it is refused; none is
// silently ignored.
func TestKeepalivedOptions(t *testing.T) {
	t.Parallel()
	ns := nstest.Host(t, "router")
	nstest.Attach(t, nstest.LAN(t), ns, "eth0", "192.0.2.1/24")
	dir := nstest.ShortDir(t)
	conf := filepath.Join(dir, "k.conf")
	const text = "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress { 192.0.2.10/24\n }\n}\n@other include nothing.conf\ninclude nothing*.conf\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(ctx context.Context, args ...string) (string, int) {
		cmd := ns.CommandContext(ctx, nstest.Binary(t), append([]string{"keepalived", "-n", "-l", "-G", "-f", conf, "-p", dir + "/a.pid", "-r", dir + "/b.pid", "--runtime-dir", dir}, args...)...)
		out, err := cmd.CombinedOutput()
		code := 0
		if err != nil {
			code = -1
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				code = exit.ExitCode()
			}
		}
		return string(out), code
	}
	for _, tt := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"-V"}, "removes its addresses", 1},
		{[]string{"-T"}, "no genhash", 1},
		{[]string{"-C"}, "-C: the configuration has instances", 1},
		{[]string{"-S", "9"}, "allowed are 0-7", 1},
		{[]string{"-u", "9999"}, "allowed are numbers", 1},
		{[]string{"-e"}, "there is no such file", 2},
		{[]string{"-i", "other"}, "nothing.conf", 2},
		{[]string{"-s", "no-such-namespace"}, "no-such-namespace", 1},
		{[]string{"-g", dir}, "-g: ", 1},
	} {
		if out, code := run(nstest.Context(t, patience), tt.args...); code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%v: exit %d, want %d and %q\n%s", tt.args, code, tt.code, tt.want, out)
		}
	}
	// What has no effect is told.
	h := nstest.HakeepWith(t, ns, dir, "keepalived", "-n", "-l", "-G", "-f", conf, "-p", dir+"/a.pid", "-r", dir+"/b.pid", "--runtime-dir", dir, "-d", "-x", "-a", "-R", "-P", "-I", "--all", "-M", "-DD", "-u", "0137", "-g", filepath.Join(dir, "log"), "--ignore-sigint")
	awaitState(t, h, "MASTER")
	log := h.LogText()
	for _, option := range []string{"--dump-conf", "--snmp", "--address-monitoring", "--dont-respawn", "--all", "--core-dump-pattern"} {
		if !strings.Contains(log, option) {
			t.Errorf("no word about %s\n%s", option, log)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "log")); err != nil || !strings.Contains(string(text), "hakeep is ready") {
		t.Errorf("log file: %v\n%s", err, text)
	}
	if info, err := os.Stat(filepath.Join(dir, "a.pid")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("pid file under umask 0137: %v, %v", info, err)
	}
	if err := h.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if out, _, code, err := h.CLI(nstest.Context(t, patience), "status", "--probe"); err != nil || code != 0 {
		t.Errorf("after SIGINT: %d %v %s", code, err, out)
	}
	if err := h.Stop(nstest.Context(t, patience)); err != nil {
		t.Error(err)
	}
}
