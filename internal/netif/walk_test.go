package netif

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// pick returns a random set of desired addresses, from few enough that they
// meet: networks in common, variants of one address, both interfaces.
func pick(random *rand.Rand) []Addr {
	var list []Addr
	for range random.IntN(14) {
		a := Addr{Link: fmt.Sprintf("vip%d", random.IntN(2))}
		if random.IntN(3) == 0 {
			text := fmt.Sprintf("2001:db8::%d/%d", 1+random.IntN(4), []int{64, 96, 128}[random.IntN(3)])
			a.Prefix = netip.MustParsePrefix(text)
			a.Home = random.IntN(4) == 0
			if random.IntN(6) == 0 {
				a.Peer = netip.MustParsePrefix("2001:db8::77/64")
			}
		} else {
			text := fmt.Sprintf("192.0.2.%d/%d", 1+random.IntN(6), []int{24, 24, 28, 32}[random.IntN(4)])
			a.Prefix = netip.MustParsePrefix(text)
			if random.IntN(4) == 0 {
				a.Label = a.Link + ":1"
			}
			if random.IntN(4) == 0 {
				a.Broadcast = netip.MustParseAddr("192.0.2.255")
			}
			if random.IntN(6) == 0 {
				a.Peer = netip.MustParsePrefix("192.0.2.77/24")
			}
		}
		a.NoPrefixRoute = random.IntN(4) == 0
		if random.IntN(4) == 0 {
			a.PreferredLft = PreferredNever
		}
		if !slices.ContainsFunc(list, func(b Addr) bool { return b.slot() == a.slot() }) {
			list = append(list, a)
		}
	}
	// The addresses of a network have one scope in common.
	if random.IntN(3) == 0 {
		for i := range list {
			list[i].Scope = unix.RT_SCOPE_LINK
		}
	}
	return list
}

// walk goes from random sets to random sets and fails the test when what is
// there is not what is desired, or when an address of the administrator's was
// touched. The administrator's are in a network of their own on vip0 (scope
// global) and one that is in ours.
func walk(t *testing.T, k Backend, steps int, seed uint64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	failures := 0
	r := NewReconciler(k, Options{
		Owned: ours,
		Report: func(r Result) {
			if r.Kind == ResultFailed {
				failures++
				t.Errorf("%v", r)
			}
		},
	})
	before := foreigners(t, k)
	for step := range steps {
		desired := pick(random)
		at := random.IntN(2*len(desired) + 1) // what comes after it is added
		if err := r.Sync(0, desired[:min(at, len(desired))]); err != nil {
			t.Fatal(err)
		}
		if err := r.Add(0, desired[min(at, len(desired)):]); err != nil {
			t.Fatal(err)
		}
		actual, err := k.Addrs()
		if err != nil {
			t.Fatal(err)
		}
		if ops := Plan(desired, actual, ours); len(ops) > 0 || failures > 0 {
			t.Fatalf("step %d, desired %v: still planned: %v", step, desired, ops)
		}
		if after := foreigners(t, k); !slices.Equal(before, after) {
			t.Fatalf("step %d: others' addresses were %v, are %v", step, before, after)
		}
	}
}

// foreigners are the addresses that are not ours. Which of a network is the
// primary one changes with ours.
func foreigners(t *testing.T, k Backend) []Installed {
	t.Helper()
	actual, err := k.Addrs()
	if err != nil {
		t.Fatal(err)
	}
	list := slices.DeleteFunc(actual, ours)
	for i := range list {
		list[i].Secondary = false
	}
	slices.SortFunc(list, func(a, b Installed) int {
		return slices.Compare([]byte(a.Key().String()), []byte(b.Key().String()))
	})
	return list
}

func TestWalkFake(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		f := NewFake("vip0", "vip1")
		f.NoPromote = seed%2 == 0
		if err := f.Put(addr("198.51.100.9/24"), 0); err != nil {
			t.Fatal(err)
		}
		walk(t, f, 300, seed)
	}
}

func TestWalkKernel(t *testing.T) {
	for _, promoted := range []string{"0", "1"} {
		t.Run("promote_secondaries="+promoted, func(t *testing.T) {
			w := newWorld(t)
			promote(t, "all", "0")
			promote(t, "vip0", promoted)
			promote(t, "vip1", promoted)
			w.ip("addr add 198.51.100.9/24 dev vip0")
			w.ip("addr add 2001:db8:1::9/64 dev vip1 nodad")
			walk(t, &fixedSysctl{w.k}, 400, 7)
		})
	}
}

// fixedSysctl is a kernel whose promote_secondaries cannot be set, as in a
// container.
type fixedSysctl struct{ *Kernel }

func (*fixedSysctl) SetPromoteSecondaries(string) error { return unix.EROFS }

// The administrator's address that became secondary to ours stays in place
// when ours go, with either value of the sysctl.
func TestAdministratorsSecondaryStays(t *testing.T) {
	for _, promoted := range []string{"0", "1"} {
		t.Run("promote_secondaries="+promoted, func(t *testing.T) {
			w := newWorld(t)
			promote(t, "vip0", promoted)
			r := NewReconciler(&fixedSysctl{w.k}, Options{Owned: ours, Report: func(Result) {}})
			w.do(r.Sync(0, []Addr{addr("192.0.2.10/24"), addr("192.0.2.11/24")}))
			w.ip("addr add 192.0.2.1/24 dev vip0 label vip0:adm")
			w.do(r.Sync(0, []Addr{addr("192.0.2.11/24")}))
			if got := w.addrs(); len(got) != 2 {
				t.Errorf("kernel has %+v", got)
			}
			w.do(r.Sync(0, nil))
			got := w.addrs()
			if len(got) != 1 || got[0].Label != "vip0:adm" || got[0].Proto != 0 {
				t.Errorf("kernel has %+v", got)
			}
		})
	}
}
