package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
)

// crashed is a pair of hakeep of which the better one is killed, both processes
// at once, while a client probes the address.
type crashed struct {
	*pair
	a, b  *lab.Hakeep
	dir   string
	probe *lab.Probe
	base  instance
}

func newCrashed(t *testing.T, base instance) *crashed {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "hk") // as /run is: in memory
	if err != nil {
		t.Skipf("no file system in memory: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	base.advert = "1s"
	c := &crashed{pair: newPair(t), dir: dir, base: base}
	c.a = nstest.HakeepIn(t, c.pair.a, dir, base.with("150").TOML())
	c.b = nstest.Hakeep(t, c.pair.b, base.with("100").TOML())
	awaitState(t, c.a, "MASTER")
	awaitState(t, c.b, "BACKUP")
	c.awaitHolder(t, vip4, "a")
	c.probe = nstest.Probe(t, c.client, vip4)
	if err := c.probe.AwaitAnswers(nstest.Context(t, patience), 1200); err != nil {
		t.Fatal(err)
	}
	return c
}

// again starts router a, with another configuration unless it is empty.
func (c *crashed) again(t *testing.T, config string) {
	t.Helper()
	c.a = nstest.HakeepIn(t, c.pair.a, c.dir, config)
	awaitState(t, c.a, "MASTER")
}

// wentOn checks that router a was master all the time for everybody.
func (c *crashed) wentOn(t *testing.T) {
	t.Helper()
	// Longer than the backup's timer, had it not heard of the resumed master.
	if err := c.probe.AwaitAnswers(nstest.Context(t, patience), 4500); err != nil {
		t.Fatal(err)
	}
	r := c.probe.Stop()
	t.Logf("%s", r)
	if r.Lost > allowedLost {
		t.Errorf("%d answers lost", r.Lost)
	}
	d := readDocument(t, c.a)
	if got := d.Instances[0]; got.State != "MASTER" || got.Why != "resumed" {
		t.Errorf("router a is %s (%s), want MASTER (resumed)", got.State, got.Why)
	}
	if n := readDocument(t, c.b).Instances[0].Counters.BecameMaster; n != 0 {
		t.Errorf("router b became master %d times", n)
	}
	checkOnce(t, c.pair.a, vip4)
	if hasAddr(t, c.pair.b, vip4) {
		t.Error("the address is on both routers")
	}
}

// TestResumeAfterCrash: everything is killed and started again at once, as a
// service manager does: the router goes on as master, and nobody notices.
func TestResumeAfterCrash(t *testing.T) {
	t.Parallel()
	c := newCrashed(t, instance{})
	for range 3 {
		c.a.Kill()
		c.again(t, "")
	}
	c.wentOn(t)
}

// TestResumeElector: the same if only the elector dies; main starts another.
func TestResumeElector(t *testing.T) {
	t.Parallel()
	c := newCrashed(t, instance{})
	before, err := c.a.ElectorPid()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.a.KillElector(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.a.WaitLog(nstest.Context(t, patience), "goes on as master"); err != nil {
		t.Fatal(err)
	}
	if after, err := c.a.ElectorPid(); err != nil || after == before {
		t.Errorf("elector is %d (%v), was %d", after, err, before)
	}
	c.wentOn(t)
}

// TestResumeWithLowerPriority: a configuration that was changed meanwhile is in
// force: the router goes on as master, and the better one takes over in a planned
// way.
func TestResumeWithLowerPriority(t *testing.T) {
	t.Parallel()
	c := newCrashed(t, instance{})
	c.a.Kill()
	c.again(t, c.base.with("50").TOML())
	awaitState(t, c.b, "MASTER")
	awaitAddr(t, c.pair.a, vip4, false)
	if err := c.probe.AwaitAnswers(nstest.Context(t, patience), 1000); err != nil {
		t.Fatal(err)
	}
	if r := c.probe.Stop(); r.Lost > allowedLost {
		t.Errorf("answers were lost: %s", r)
	}
}

// TestNoResume: too late, or after a boot, the router removes what is left and
// starts as a backup.
func TestNoResume(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name string
		do   func(t *testing.T, c *crashed)
	}{
		{"too late", func(t *testing.T, c *crashed) { awaitState(t, c.b, "MASTER") }},
		{"another boot", func(t *testing.T, c *crashed) {
			file := filepath.Join(c.dir, "masters")
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
			if err != nil {
				t.Fatal(err)
			}
			other := bytes.Replace(text, bytes.TrimSpace(id), []byte("00000000-0000-0000-0000-000000000000"), 1)
			if bytes.Equal(other, text) {
				t.Fatal("the file has no boot id")
			}
			if err := os.WriteFile(file, other, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			c := newCrashed(t, instance{})
			c.a.Kill()
			k.do(t, c)
			c.a = nstest.HakeepIn(t, c.pair.a, c.dir, "")
			awaitState(t, c.a, "BACKUP")
			awaitAddr(t, c.pair.a, vip4, false)
			c.probe.Stop()
			awaitState(t, c.a, "MASTER") // the better one, in the end
			if got := readDocument(t, c.a).Instances[0]; got.Why == "resumed" || time.Since(got.Since) > time.Minute {
				t.Errorf("it is %s since %v (%s)", got.State, got.Since, got.Why)
			}
		})
	}
}
