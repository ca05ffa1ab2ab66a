package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// allThreadsIn fails unless every thread of a process is in the namespace.
func allThreadsIn(t *testing.T, pid int, ns *lab.Namespace) {
	t.Helper()
	want, err := os.Stat(ns.Path())
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/ns/net", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("process %d has no threads (%v)", pid, err)
	}
	for _, file := range files {
		if got, err := os.Stat(file); err != nil || !os.SameFile(got, want) {
			t.Errorf("%s is another network namespace (%v)", file, err)
		}
	}
}

// TestNetNamespace: with net_namespace the whole daemon is in that namespace,
// wherever it was started, and the address is there.
func TestNetNamespace(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	outside := nstest.Host(t, "outside")
	hk := nstest.Hakeep(t, outside, globals(instance{}, fmt.Sprintf("[global_defs]\nvrrp_version = 3\nnet_namespace = %q\n", p.a.Path())))
	awaitState(t, hk, "MASTER")
	p.awaitHolder(t, vip4, "a")
	elector, err := hk.ElectorPid()
	if err != nil {
		t.Fatal(err)
	}
	allThreadsIn(t, hk.Pid(), p.a)
	allThreadsIn(t, elector, p.a)
	out, stderr, code, err := hk.CLI(nstest.Context(t, patience), "status")
	if err != nil || code != 0 {
		t.Errorf("status: exit code %d, %v\n%s%s", code, err, out, stderr)
	}
	if err := hk.Stop(nstest.Context(t, patience)); err != nil {
		t.Fatal(err)
	}
	awaitAddr(t, p.a, vip4, false)
}

// TestNetNamespaceWrong: a namespace that is not there, or is none, ends the
// start with what is wrong.
func TestNetNamespaceWrong(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"no-such-namespace": "there is no network namespace /run/netns/no-such-namespace; make it with ip netns add",
		"/etc/hostname":     "/etc/hostname is no network namespace",
	} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			ns := nstest.Host(t, "ns")
			dir := nstest.ShortDir(t)
			file := writeFile(t, dir, "hakeep.toml", globals(instance{}, fmt.Sprintf("[global_defs]\nnet_namespace = %q\n", value)), 0o600)
			cmd := ns.CommandContext(nstest.Context(t, patience), nstest.Binary(t), "run", "--config", file, "--runtime-dir", dir)
			out, err := cmd.CombinedOutput()
			if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 1 || !strings.Contains(string(out), want) {
				t.Errorf("got %v, want exit code 1 and %q:\n%s", err, want, out)
			}
		})
	}
}

// TestStartupAndShutdownScripts: what startup_script makes is there before the
// elector looks, and shutdown_script sees a host without virtual addresses.
func TestStartupAndShutdownScripts(t *testing.T) {
	t.Parallel()
	ns := nstest.Host(t, "ns")
	dir := nstest.ShortDir(t)
	log := filepath.Join(dir, "log")
	up := writeFile(t, dir, "up.sh", "#!/bin/sh\nset -e\nip link add made type veth peer name other\nip link set other up\nip address add 192.0.2.1/24 dev made\nip link set made up\n", 0o755)
	down := writeFile(t, dir, "down.sh", "#!/bin/sh\nip -o address show dev made >"+log+"\nexit 1\n", 0o755)
	hk := nstest.Hakeep(t, ns, asRoot+fmt.Sprintf("startup_script = %q\nshutdown_script = %q\n", up, down)+
		"[[vrrp_instance]]\nname = \"VI_1\"\ninterface = \"made\"\nvirtual_router_id = 51\npriority = 255\nvirtual_ipaddress = [\"192.0.2.10/24\"]\n")
	awaitState(t, hk, "MASTER")
	nstest.Eventually(t, patience, func() error {
		if out := nstest.Run(t, ns, "ip", "-o", "address", "show", "dev", "made"); !strings.Contains(out, vip4+"/") {
			return fmt.Errorf("no %s:\n%s", vip4, out)
		}
		return nil
	})
	if err := hk.Stop(nstest.Context(t, patience)); err != nil {
		t.Fatal(err)
	}
	if got := readText(log); !strings.Contains(got, "192.0.2.1/24") || strings.Contains(got, vip4+"/") {
		t.Errorf("when shutdown_script ran, the interface had:\n%s", got)
	}
}

// TestPromoteSecondaries: the keyword sets the sysctl on the interface of an
// instance that has no IPv4 address; without it nothing is set.
func TestPromoteSecondaries(t *testing.T) {
	t.Parallel()
	for keyword, want := range map[string]string{"promote_secondaries = true": "1", "": "0"} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			for _, name := range []string{"all", "eth0"} {
				if err := p.a.Sysctl("net.ipv4.conf."+name+".promote_secondaries", "0"); err != nil {
					t.Fatal(err)
				}
			}
			hk := nstest.Hakeep(t, p.a, instance{addrs: []string{"fe80::10/64"}, toml: keyword}.TOML())
			awaitState(t, hk, "MASTER")
			nstest.Eventually(t, patience, func() error {
				got, err := p.a.ReadSysctl("net.ipv4.conf.eth0.promote_secondaries")
				if err == nil && got != want {
					err = fmt.Errorf("promote_secondaries is %s, want %s", got, want)
				}
				return err
			})
		})
	}
}

// TestNotifyDeleted: what notify says when a reload removes the instance, by
// notify_deleted.
func TestNotifyDeleted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ keyword, want string }{
		{"", "INSTANCE VI_1 FAULT"},
		{"notify_deleted = true", "INSTANCE VI_1 DELETED"},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			dir := nstest.ShortDir(t)
			log := filepath.Join(dir, "log")
			script := writeFile(t, dir, "n.sh", "#!/bin/sh\necho \"$@\" >>"+log+"\n", 0o755)
			other := "\n[[vrrp_instance]]\nname = \"VI_2\"\ninterface = \"eth0\"\nvirtual_router_id = 99\nno_virtual_ipaddress = true\n"
			hk := nstest.Hakeep(t, p.a, globals(instance{toml: fmt.Sprintf("notify = %q\n%s", script, c.keyword)}, asRoot)+other)
			awaitState(t, hk, "MASTER")
			if err := hk.WriteConfig(asRoot + other); err != nil {
				t.Fatal(err)
			}
			if out, stderr, code, err := hk.CLI(nstest.Context(t, patience), "reload"); err != nil || code != 0 {
				t.Fatalf("reload: exit code %d, %v\n%s%s", code, err, out, stderr)
			}
			nstest.Eventually(t, patience, func() error {
				if got := readText(log); !strings.Contains(got, c.want) {
					return fmt.Errorf("no %q in:\n%s", c.want, got)
				}
				return nil
			})
		})
	}
}
