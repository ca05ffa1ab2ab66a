package netif

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// on returns a on another interface.
func on(link string, a Addr) Addr { return with(a, func(a *Addr) { a.Link = link }) }

// inKernel is what the kernel makes of addresses of ours, in order.
func inKernel(addrs ...Addr) []Installed {
	f := NewFake("vip0", "vip1")
	for _, a := range addrs {
		if err := f.Put(a, Protocol); err != nil {
			panic(err)
		}
	}
	return f.addrs
}

// ofOthers is what the kernel makes of addresses of others.
func ofOthers(addrs ...Addr) []Installed {
	list := inKernel(addrs...)
	for i := range list {
		list[i].Proto = 0
	}
	return list
}

func TestPlan(t *testing.T) {
	t.Parallel()
	a, b, c := addr("192.0.2.10/24"), addr("192.0.2.11/24"), addr("198.51.100.1/24")
	six := addr("2001:db8::1/64")
	linkScope := func(a Addr) Addr { return with(a, func(a *Addr) { a.Scope = unix.RT_SCOPE_LINK }) }
	labelled := with(a, func(a *Addr) { a.Label = "vip0:1" })
	tests := []struct {
		name    string
		desired []Addr
		actual  []Installed
		want    []string
	}{
		{"nothing", nil, nil, nil},
		{"what is there stays", []Addr{a, b, six}, inKernel(a, b, six), nil},
		{"no_track is not an attribute of the kernel", []Addr{with(a, func(a *Addr) { a.NoTrack = true })}, inKernel(a), nil},
		{"adds in the given order", []Addr{c, a, six}, nil, []string{"add " + c.Key().String(), "add " + a.Key().String(), "add " + six.Key().String()}},
		{"adds before deletes", []Addr{b}, inKernel(a), []string{"add " + b.Key().String(), "delete " + a.Key().String()}},
		{"to another interface", []Addr{on("vip1", a)}, inKernel(a), []string{"add 192.0.2.10/24 dev vip1", "delete 192.0.2.10/24 dev vip0"}},
		{"another IPv4 prefix length is another address", []Addr{addr("192.0.2.10/32")}, inKernel(a), []string{"add 192.0.2.10/32 dev vip0", "delete 192.0.2.10/24 dev vip0"}},
		{"another IPv6 prefix length is the same address", []Addr{addr("2001:db8::1/96")}, inKernel(six), []string{"replace 2001:db8::1/96 dev vip0"}},
		{"a label", []Addr{labelled}, inKernel(a), []string{"replace 192.0.2.10/24 dev vip0"}},
		{"secondary ones are deleted first", nil, inKernel(a, b), []string{"delete 192.0.2.11/24 dev vip0", "delete 192.0.2.10/24 dev vip0"}},
		{"what is another's stays", nil, ofOthers(a, six), nil},
		{"another's in our place stays as it is", []Addr{labelled, addr("2001:db8::1/96")}, ofOthers(a, six), nil},
		{"the first of two counts", []Addr{six, addr("2001:db8::1/96")}, nil, []string{"add 2001:db8::1/64 dev vip0"}},
		{"scope changes delete first", []Addr{linkScope(a), linkScope(b)}, inKernel(a, b), []string{
			"delete 192.0.2.11/24 dev vip0", "delete 192.0.2.10/24 dev vip0", "add 192.0.2.10/24 dev vip0", "add 192.0.2.11/24 dev vip0",
		}},
		{"an address of another scope is deleted first", []Addr{linkScope(b)}, inKernel(a, six), []string{
			"delete 192.0.2.10/24 dev vip0", "add 192.0.2.11/24 dev vip0", "delete 2001:db8::1/64 dev vip0",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, op := range Plan(tt.desired, tt.actual, ours) {
				got = append(got, op.String())
				if op.Kind != OpDelete && op.Proto != Protocol {
					t.Errorf("%s carries mark %d", op, op.Proto)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			back := slices.Clone(tt.actual)
			slices.Reverse(back)
			var again []string
			for _, op := range Plan(tt.desired, back, ours) {
				again = append(again, op.String())
			}
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("plan depends on the order of what is there:\n%s", diff)
			}
		})
	}
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	a, six := addr("192.0.2.10/24"), addr("2001:db8::1/64")
	actual := slices.Concat(inKernel(a), ofOthers(addr("192.0.2.11/32"), six, on("vip1", a)))
	got := Conflicts([]Addr{a, addr("192.0.2.11/24"), six}, actual)
	if len(got) != 2 || got[0].Prefix.String() != "192.0.2.11/32" || got[1].Prefix != six.Prefix {
		t.Errorf("Conflicts = %+v", got)
	}
}

func TestPreferred(t *testing.T) {
	t.Parallel()
	tests := []struct {
		prefix string
		lft    time.Duration
		want   time.Duration
	}{
		{"192.0.2.1/32", PreferredDefault, PreferredForever},
		{"192.0.2.1/32", PreferredNever, PreferredNever},
		{"192.0.2.1/32", time.Hour, PreferredForever},
		{"2001:db8::1/64", PreferredDefault, PreferredForever},
		{"2001:db8::1/128", PreferredDefault, PreferredNever},
		{"2001:db8::1/128", PreferredForever, PreferredForever},
		{"2001:db8::1/64", PreferredNever, PreferredNever},
		{"2001:db8::1/64", 1500 * time.Millisecond, 2 * time.Second},
		{"2001:db8::1/64", 5e9 * time.Second, PreferredForever},
	}
	for _, tt := range tests {
		a := with(addr(tt.prefix), func(a *Addr) { a.PreferredLft = tt.lft })
		if got := a.preferred(); got != tt.want {
			t.Errorf("preferred(%s, %v) = %v, want %v", tt.prefix, tt.lft, got, tt.want)
		}
	}
}

// A lifetime that runs down is not a difference; one that is longer is.
func TestFiniteLifetime(t *testing.T) {
	t.Parallel()
	want := with(addr("2001:db8::1/64"), func(a *Addr) { a.PreferredLft = time.Minute })
	for left, same := range map[time.Duration]bool{
		time.Minute: true, time.Second: true, PreferredNever: true, time.Hour: false, PreferredForever: false,
	} {
		in := installedFrom(want)
		in.PreferredLft = left
		if got := want.same(in); got != same {
			t.Errorf("same with %v left = %v, want %v", left, got, same)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	good := addr("192.0.2.1/24")
	tests := map[string]Addr{
		"no address":         {Link: "vip0"},
		"mapped":             {Link: "vip0", Prefix: netip.MustParsePrefix("::ffff:192.0.2.1/128")},
		"no link":            with(good, func(a *Addr) { a.Link = "" }),
		"long link":          with(good, func(a *Addr) { a.Link = "0123456789abcdef" }),
		"long label":         with(good, func(a *Addr) { a.Label = "vip0:0123456789a" }),
		"peer, other family": with(good, func(a *Addr) { a.Peer = netip.MustParsePrefix("2001:db8::1/64") }),
		"IPv6 broadcast":     with(good, func(a *Addr) { a.Broadcast = netip.MustParseAddr("2001:db8::1") }),
	}
	for name, a := range tests {
		if err := a.Check(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
}
