package vrrp

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// restored is a router that went through JSON, as to another process.
func restored(t *testing.T, r *Router) *Router {
	t.Helper()
	text, err := json.Marshal(r.Export())
	if err != nil {
		t.Fatal(err)
	}
	var s RouterState
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return Restore(&s)
}

// TestRestore: a restored router behaves like the first one from any moment of
// its life on.
func TestRestore(t *testing.T) {
	t.Parallel()
	r := NewRouter()
	p, q := planned(150), with(planned(100), func(p *Params) { p.Name, p.VRID, p.SyncGroup = "VI_2", 52, "G" })
	p.SyncGroup = "G"
	now := second
	check := func(what string) {
		t.Helper()
		c := restored(t, r)
		if !bytes.Equal(c.Fingerprint(nil, now), r.Fingerprint(nil, now)) {
			t.Fatalf("%s: another fingerprint", what)
		}
		a, aok := r.NextDeadline()
		b, bok := c.NextDeadline()
		if a != b || aok != bok || !reflect.DeepEqual(c.Snapshot(nil), r.Snapshot(nil)) {
			t.Fatalf("%s: deadline %v %v, was %v %v", what, b, bok, a, aok)
		}
		r = c // and go on with it
	}
	check("empty")
	r.Step(now, LinkChanged{Link{Name: "eth0", Index: 2, Up: true, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}})
	r.Step(now, Reconfigure{Instances: []*Params{p, q}})
	check("started")
	for range 20 {
		var ok bool
		if now, ok = r.NextDeadline(); !ok {
			t.Fatal("nothing awaited")
		}
		r.Step(now, Timeout{})
		check("running")
		for id := ID(1); id <= 2; id++ {
			r.Step(now, Installed{ID: id})
		}
		check("installed")
	}
	if state(r).State != Master {
		t.Fatal("not master")
	}
	r.Step(now, Standby{ID: 2, On: true})
	check("standby")
	r.Step(now, Reconfigure{Instances: []*Params{r.Params(2)}})
	check("one is gone and lingers")
	r.Step(now, Shutdown{})
	check("stopped")
}

// TestExportHasEveryField changes one field of an instance after the other: none
// is lost.
func TestExportHasEveryField(t *testing.T) {
	t.Parallel()
	derived := map[string]bool{"heapAt": true}
	typ := reflect.TypeFor[instance]()
	for i := range typ.NumField() {
		name := typ.Field(i).Name
		if derived[name] || name == "p" {
			continue
		}
		r := started(testParams(100))
		in := &r.instances[0]
		f := reflect.ValueOf(in).Elem().Field(i)
		alter(t, name, reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem())
		got := restored(t, r).instances[0]
		want := *in
		got.p, got.heapAt = want.p, want.heapAt
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is lost", name)
		}
	}
}

// TestDeaf: a backup does not take over for what it could not hear.
func TestDeaf(t *testing.T) {
	t.Parallel()
	r := started(testParams(100))
	before, _ := r.NextDeadline()
	r.Step(before-time.Millisecond, Deaf{For: 30 * time.Millisecond})
	if after, _ := r.NextDeadline(); after != before+30*time.Millisecond {
		t.Errorf("deadline %v, was %v", after, before)
	}
}
