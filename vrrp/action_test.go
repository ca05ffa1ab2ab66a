package vrrp

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// TestSameAdverts: with each field of Params changed on its own, SameAdverts says
// just what a comparison of the packets says.
func TestSameAdverts(t *testing.T) {
	t.Parallel()
	src := netip.MustParseAddr("192.0.2.1")
	packets := func(p *Params) []byte {
		var b bytes.Buffer
		a := Action{Kind: SendAdvert, Priority: 100, Src: src, Link: 1, Params: p}
		a.Packets(nil, func(o *Outgoing) { fmt.Fprintf(&b, "%d %v %v %x\n", o.Link, o.Src, o.Dst, o.Payload) })
		return b.Bytes()
	}
	base := func(unicast bool, v Version) *Params {
		return &Params{
			Name: "VI_1", Family: IPv4, Version: v, VRID: 51, Link: "eth0", Priority: 100, Interval: time.Second, Unicast: unicast,
			Group: netip.MustParseAddr("224.0.0.18"), Peers: []Peer{{Addr: netip.MustParseAddr("192.0.2.2")}},
			Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.10")}, Auth: AuthPass, Password: PasswordFrom("one"), Form: ChecksumPseudo,
		}
	}
	changed := map[string]bool{}
	for _, unicast := range []bool{false, true} {
		for _, v := range []Version{V2, V3} {
			p := base(unicast, v)
			for i := range reflect.TypeFor[Params]().NumField() {
				q := base(unicast, v)
				name := reflect.TypeFor[Params]().Field(i).Name
				change(reflect.ValueOf(q).Elem().Field(i))
				differ := !bytes.Equal(packets(p), packets(q))
				if differ {
					changed[name] = true
				}
				if p.SameAdverts(q) && differ {
					t.Errorf("%v, unicast %v: %s makes other packets, and SameAdverts says it does not", v, unicast, name)
				}
			}
			if !p.SameAdverts(base(unicast, v)) {
				t.Errorf("%v, unicast %v: the same parameters are said to differ", v, unicast)
			}
		}
	}
	for _, name := range []string{"VRID", "Interval", "Addrs", "Peers", "Group", "Password", "Unicast", "Version"} {
		if !changed[name] {
			t.Errorf("a change of %s made no other packet, so the test shows nothing", name)
		}
	}
}

// change gives a field another value that is possible.
func change(f reflect.Value) {
	switch v := f.Addr().Interface().(type) {
	case *[]netip.Addr:
		*v = append(*v, netip.MustParseAddr("192.0.2.11"))
	case *[]Peer:
		*v = []Peer{{Addr: netip.MustParseAddr("192.0.2.3")}}
	case *netip.Addr:
		*v = netip.MustParseAddr("224.0.0.19")
	case *[8]byte:
		v[0]++
	case *Version:
		*v = V2 + V3 - *v
	case *AuthType:
		*v = AuthNone
	case *ChecksumForm:
		*v = ChecksumPlain
	case *Family:
		*v = IPv6
	default:
		switch f.Kind() {
		case reflect.Bool:
			f.SetBool(!f.Bool())
		case reflect.Int, reflect.Int64:
			f.SetInt(f.Int() + int64(10*time.Millisecond))
		case reflect.Uint8:
			f.SetUint(f.Uint() + 1)
		case reflect.String:
			f.SetString(f.String() + "x")
		}
	}
}
