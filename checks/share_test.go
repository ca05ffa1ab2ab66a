package checks

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestShare(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddrPort("192.0.2.1:80")
	p := Policy{Interval: time.Second}
	page := func(path string) Get { return Get{Address: at, TLS: &TLS{}, Pages: []Page{{Path: path}}} }
	list := []Spec{
		{Name: "a", Target: TCP{Address: at}, Policy: p, Paused: true},
		{Name: "b", Target: page("/"), Policy: p},
		{Name: "a", Target: TCP{Address: at}, Policy: p},
		{Name: "b", Target: page("/"), Policy: p},
		{Name: "b", Target: page("/x"), Policy: p},
		{Name: "a", Target: TCP{Address: at}, Policy: Policy{Interval: 2 * time.Second}},
		{Name: "r", Target: Redis{Address: at, Password: "horse"}, Policy: p},
		{Name: "r", Target: Redis{Address: at, Password: "battery"}, Policy: p},
		{Name: "r", Target: Redis{Address: at, Password: "horse"}, Policy: p},
	}
	unique, names := Share(list)
	if len(unique) != 6 {
		t.Fatalf("%d different checks: %v", len(unique), names)
	}
	if names[0] != names[2] || names[1] != names[3] || names[6] != names[8] || names[6] == names[7] || names[0] == names[5] || names[1] == names[4] {
		t.Errorf("names %v", names)
	}
	if unique[0].Paused {
		t.Error("paused although one of the two is not")
	}
	again, more := Share(slices.Concat(list[1:2], list[3:5], list[0:1]))
	if more[0] != names[1] || more[2] != names[4] || more[3] != names[0] {
		t.Errorf("names changed: %v, were %v", more, names)
	}
	if !again[len(again)-1].Paused {
		t.Error("not paused although alone")
	}
	if text := fmt.Sprintf("%v %+v %#v", list, list, list) + targetKey(list[6].Target); strings.Contains(text, "horse") {
		t.Error("a password in " + text)
	}
}

// TestShareScale: the size of the largest keepalived configuration in sight.
func TestShareScale(t *testing.T) {
	t.Parallel()
	var list []Spec
	for i := range 37205 {
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		list = append(list, Spec{Name: "TCP_CHECK", Target: TCP{Address: netip.AddrPortFrom(addr, 80)}, Policy: Policy{Interval: time.Second}})
	}
	unique, names := Share(append(list, list...))
	if len(unique) != len(list) || len(names) != 2*len(list) {
		t.Errorf("%d different of %d", len(unique), len(names))
	}
}
