package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hakeep/internal/lab"
	"hakeep/internal/nstest"
	hakeepstatus "hakeep/internal/status"
)

// readDocument is the whole status of a daemon.
func readDocument(t *testing.T, h *lab.Hakeep) *hakeepstatus.Document {
	t.Helper()
	doc := new(hakeepstatus.Document)
	if err := json.Unmarshal([]byte(cli(t, h, 0, "status", "--json")), doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestUpgrade: main and elector become another image in their places, on the
// master and on the backup: no answer is lost, nobody changes state, addresses
// are not touched, and no advert is later than one interval.
func TestUpgrade(t *testing.T) {
	for _, c := range []struct {
		name, vip string
		base      instance
	}{
		{"100 ms", vip4, instance{}},
		{"1 s", vip4, instance{advert: "1s"}},
		{"ipv6", vip6, instance{addrs: []string{"fe80::10/64", vip6 + "/64"}}},
		{"50 addresses", "192.0.2.200", instance{addrs: manyAddrs(50)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProbed(t, c.base, c.vip)
			frames := nstest.Capture(t, p.client, "eth0", lab.FilterVRRP)
			before := readDocument(t, p.a)
			for i := range 3 {
				p.probe.Mark("master")
				if out := cli(t, p.a, 0, "upgrade"); !strings.Contains(out, "is running, was ") {
					t.Errorf("upgrade %d says %q", i, out)
				}
				p.probe.Mark("backup")
				cli(t, p.b, 0, "upgrade")
			}
			p.settle(t)
			after := readDocument(t, p.a)
			if after.Elector.PID != before.Elector.PID || after.Daemon.PID != before.Daemon.PID {
				t.Errorf("processes %d and %d, were %d and %d", after.Daemon.PID, after.Elector.PID, before.Daemon.PID, before.Elector.PID)
			}
			was, is := before.Instances[0], after.Instances[0]
			if is.State != "MASTER" || is.Since.Sub(was.Since).Abs() > 10*time.Millisecond || is.Counters.BecameMaster != 1 ||
				is.Counters.AdvertsSent <= was.Counters.AdvertsSent || len(is.Addresses.Missing) > 0 {
				t.Errorf("instance is %+v, was %+v", is, was)
			}
			if s := p.b.State("VI_1"); s != "BACKUP" {
				t.Errorf("the backup is %s", s)
			}
			interval, err := time.ParseDuration(c.base.defaults().advert)
			if err != nil {
				t.Fatal(err)
			}
			var last time.Time
			var worst time.Duration
			for _, f := range frames.Frames() {
				if _, ok := f.VRRP(); !ok {
					continue
				}
				if !last.IsZero() {
					worst = max(worst, f.Time.Sub(last))
				}
				last = f.Time
			}
			t.Logf("longest time between two adverts at %v: %v", interval, worst)
			if worst > 2*interval {
				t.Errorf("an advert came %v after the one before", worst)
			}
			p.probe.Mark("stop")
			if err := p.a.Stop(nstest.Context(t, patience)); err != nil {
				t.Fatal(err)
			}
			awaitState(t, p.b, "MASTER")
			p.settle(t)
			p.check(t)
			if hasAddr(t, p.pair.a, c.vip) {
				t.Error("address left behind")
			}
			if sockets, err := filepath.Glob(filepath.Join(p.a.Dir(), "*.sock")); err != nil || len(sockets) > 0 {
				t.Errorf("sockets left behind: %v, %v", sockets, err)
			}
		})
	}
}

// TestUpgradeReplacedBinary: both processes execute the file that was renamed
// into place, twice; one that does not work changes nothing.
func TestUpgradeReplacedBinary(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	dir := nstest.ShortDir(t)
	path := filepath.Join(dir, "hakeep")
	text, err := os.ReadFile(nstest.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	install := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(path+".new", text, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	install(text)
	h, err := lab.StartHakeep(p.a, lab.HakeepOptions{Config: instance{}.TOML(), Dir: dir, Binary: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Kill()
		if t.Failed() {
			t.Log(h.LogText())
		}
	})
	awaitState(t, h, "MASTER")
	before := readDocument(t, h)
	for range 2 {
		install(text)
		cli(t, h, 0, "upgrade")
		want, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, pid := range []int{before.Daemon.PID, before.Elector.PID} {
			if got, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid)); err != nil || !os.SameFile(got, want) {
				t.Errorf("process %d does not execute the new file (%v)", pid, err)
			}
		}
	}
	started := readDocument(t, h).Daemon.Started
	install([]byte("#!/bin/sh\nexit 1\n"))
	out, err := p.a.Run(nstest.Binary(t), "upgrade", "--runtime-dir", dir)
	if err == nil || !strings.Contains(out+err.Error(), "nothing has changed") {
		t.Errorf("upgrade to a file that does not work: %v\n%s", err, out)
	}
	install(text)
	if after := readDocument(t, h); !after.Daemon.Started.Equal(started) || after.Instances[0].Counters.BecameMaster != 1 {
		t.Errorf("started %v, was %v; master for the %d. time", after.Daemon.Started, started, after.Instances[0].Counters.BecameMaster)
	}
}
