package e2e

import (
	"encoding/json"
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
		})
	}
}
