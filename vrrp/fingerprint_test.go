package vrrp

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// irrelevant are the fields that no decision depends on.
var irrelevant = map[string]string{
	"instance.since":  "told in status only",
	"instance.cause":  "told in status only",
	"instance.heapAt": "derived from the deadlines",
	"Router.vips":     "derived from the parameters",
	"Router.byVRID":   "derived from the parameters",
	"Router.byID":     "derived from the instances",
	"Router.heap":     "derived from the deadlines",
	"Router.advert":   "only valid within a Step",
	"Router.due":      "only valid within a Step",
	"Router.overdue":  "only valid within a call",
	"Router.out":      "only valid within a Step",
	"Router.moved":    "only valid within a Step",
	"Router.departed": "only valid within a Step",
}

// TestFingerprintCoversEveryField changes one field after the other: the
// fingerprint changes with it unless the field is known to be irrelevant. A new
// field makes it fail until the fingerprint knows it.
func TestFingerprintCoversEveryField(t *testing.T) {
	t.Parallel()
	const now = time.Hour
	fresh := func() (*Router, *instance, *Params, *Link) {
		p := testParams(100)
		r := NewRouter()
		r.Step(now, LinkChanged{Link{Name: "eth0", Index: 2, Up: true, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}})
		r.Step(now, Reconfigure{Instances: []*Params{p}})
		in := &r.instances[0]
		in.state, in.sent = Master, now-1
		return r, in, p, r.links["eth0"]
	}
	r, _, _, _ := fresh()
	want := r.Fingerprint(nil, now)
	for _, of := range []struct {
		name string
		typ  reflect.Type
	}{
		{"Router", reflect.TypeFor[Router]()}, {"instance", reflect.TypeFor[instance]()},
		{"Params", reflect.TypeFor[Params]()}, {"Link", reflect.TypeFor[Link]()},
	} {
		for i := range of.typ.NumField() {
			name := of.name + "." + of.typ.Field(i).Name
			if irrelevant[name] != "" || name == "Router.instances" || name == "Router.links" || name == "instance.p" {
				continue
			}
			r, in, p, l := fresh()
			v := map[string]any{"Router": r, "instance": in, "Params": p, "Link": l}[of.name]
			f := reflect.ValueOf(v).Elem().Field(i)
			alter(t, name, reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem())
			if bytes.Equal(r.Fingerprint(nil, now), want) {
				t.Errorf("%s does not show in the fingerprint", name)
			}
		}
	}
}

// alter gives a field another value that is near to what it has.
func alter(t *testing.T, name string, f reflect.Value) {
	t.Helper()
	switch v := f.Addr().Interface().(type) {
	case *time.Duration:
		if *v < 0 || *v == 0 || *v == Forever {
			*v = time.Hour // now
		}
		*v -= time.Microsecond
	case *netip.Addr:
		*v = netip.MustParseAddr("198.51.100.1")
	case *[]netip.Addr:
		*v = append(*v, netip.MustParseAddr("198.51.100.1"))
	case *[]Peer:
		*v = append(*v, Peer{Addr: netip.MustParseAddr("198.51.100.1"), MaxTTL: 255})
	case *string:
		*v += "x"
	case *bool:
		*v = !*v
	case *[]TrackLink:
		*v = append(*v, TrackLink{Name: "eth1"})
	case *[]group:
		*v = append(*v, group{name: "G", state: Backup})
	case *[8]byte:
		v[0]++
	default:
		switch {
		case f.CanInt():
			f.SetInt(f.Int() + 1)
		case f.CanUint():
			f.SetUint(f.Uint() + 1)
		default:
			t.Fatalf("%s has a type that this test cannot change: %v", name, f.Type())
		}
	}
}

// TestFingerprintIsRelative: the same state at another time is the same.
func TestFingerprintIsRelative(t *testing.T) {
	t.Parallel()
	at := func(start time.Duration) []byte {
		p := testParams(100)
		r := NewRouter()
		r.Step(start, LinkChanged{Link{Name: "eth0", Index: 2, Up: true, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}})
		r.Step(start, Reconfigure{Instances: []*Params{p}})
		for range 10 {
			d, _ := r.NextDeadline()
			r.Step(d+time.Microsecond, Timeout{})
		}
		d, _ := r.NextDeadline()
		return r.Fingerprint(nil, d-time.Millisecond)
	}
	if !bytes.Equal(at(0), at(time.Hour+time.Nanosecond)) {
		t.Error("a later start has another fingerprint")
	}
}
