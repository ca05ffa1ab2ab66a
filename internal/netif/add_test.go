package netif

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// reads counts how often the addresses are read.
type reads struct {
	*Fake
	n int
}

func (r *reads) Addrs() ([]Installed, error) {
	r.n++
	return r.Fake.Addrs()
}

// TestAddReadsNothing: what is desired besides goes in without reading what all the
// others have put there, and stays desired.
func TestAddReadsNothing(t *testing.T) {
	t.Parallel()
	f := &reads{Fake: NewFake("vip0")}
	b := newBench(t, f.Fake)
	b.r.k = f
	b.sync(addr("192.0.2.1/24"))
	b.expect("installed 192.0.2.1/24 dev vip0")
	before := f.n
	for i := range 3 {
		if err := b.r.Add(b.now, []Addr{addr(fmt.Sprintf("192.0.2.%d/24", 10+i)), addr("192.0.2.1/24")}); err != nil {
			t.Fatal(err)
		}
		b.expect(fmt.Sprintf("installed 192.0.2.%d/24 dev vip0", 10+i))
	}
	if f.n != before {
		t.Errorf("the addresses were read %d times", f.n-before)
	}
	b.follow()
	b.take(addr("192.0.2.11/24"))
	b.expect("installed 192.0.2.11/24 dev vip0 (repaired)")
	b.sync(addr("192.0.2.1/24"))
	b.expect("removed 192.0.2.10/24 dev vip0", "removed 192.0.2.11/24 dev vip0", "removed 192.0.2.12/24 dev vip0")
}

// TestAddWhatIsThere: an address that the kernel has already is looked at as Sync
// does.
func TestAddWhatIsThere(t *testing.T) {
	t.Parallel()
	f := NewFake("vip0")
	b := newBench(t, f)
	other := addr("192.0.2.8/24")
	other.Label = "vip0:x"
	for _, put := range []struct {
		a     Addr
		proto uint8
	}{{addr("192.0.2.7/24"), 0}, {other, Protocol}} {
		if err := f.Put(put.a, put.proto); err != nil {
			t.Fatal(err)
		}
	}
	b.sync(addr("192.0.2.1/24"), other)
	b.expect("installed 192.0.2.8/24 dev vip0", "installed 192.0.2.1/24 dev vip0")
	b.sync(addr("192.0.2.1/24"))
	b.expect("removed 192.0.2.8/24 dev vip0")
	if err := f.Put(other, Protocol); err != nil {
		t.Fatal(err)
	}
	if err := b.r.Add(b.now, []Addr{addr("192.0.2.9/24"), addr("192.0.2.7/24"), addr("192.0.2.8/24")}); err != nil {
		t.Fatal(err)
	}
	b.expect("installed 192.0.2.9/24 dev vip0", "installed 192.0.2.7/24 dev vip0 (foreign)", "installed 192.0.2.8/24 dev vip0")
	if !b.there(addr("192.0.2.8/24")) {
		t.Error("the label was not changed")
	}
	b.follow()
	b.expect()
}

// TestAddFirst: before the first Sync, leftovers go as with Sync.
func TestAddFirst(t *testing.T) {
	t.Parallel()
	f := NewFake("vip0")
	b := newBench(t, f)
	if err := f.Put(addr("192.0.2.7/24"), Protocol); err != nil {
		t.Fatal(err)
	}
	if err := b.r.Add(b.now, []Addr{addr("192.0.2.1/24")}); err != nil {
		t.Fatal(err)
	}
	b.expect("installed 192.0.2.1/24 dev vip0", "removed 192.0.2.7/24 dev vip0")
}

// TestAddFails: what the kernel refuses is reported and tried again, on a link that
// is missing when it appears.
func TestAddFails(t *testing.T) {
	t.Parallel()
	f := NewFake("vip0")
	b := newBench(t, f)
	b.sync()
	boom := errors.New("boom")
	f.FailWith(func(op Op) error {
		if op.Addr.Prefix.Addr().String() == "192.0.2.2" {
			return boom
		}
		return nil
	})
	elsewhere := addr("192.0.2.3/24")
	elsewhere.Link = "vip1"
	if err := b.r.Add(b.now, []Addr{addr("192.0.2.1/24"), addr("192.0.2.2/24"), elsewhere}); err != nil {
		t.Fatal(err)
	}
	b.expect("installed 192.0.2.1/24 dev vip0", "failed 192.0.2.2/24 dev vip0: add 192.0.2.2/24 dev vip0: boom", "failed 192.0.2.3/24 dev vip1: add 192.0.2.3/24 dev vip1: no such interface")
	f.FailWith(nil)
	f.AddLink("vip1")
	b.follow()
	b.expect("installed 192.0.2.2/24 dev vip0", "installed 192.0.2.3/24 dev vip1")
}

// TestAddSuperseded: a newer desired set ends it, and takes over what was done.
func TestAddSuperseded(t *testing.T) {
	t.Parallel()
	f := NewFake("vip0")
	b := newBench(t, f)
	b.sync()
	batches := 0
	b.r.opt.Superseded = func() bool { batches++; return batches > 1 }
	var list []Addr
	for i := range 2 * batchOps {
		list = append(list, addr(fmt.Sprintf("192.0.2.%d/24", 1+i)))
	}
	if err := b.r.Add(b.now, list); !errors.Is(err, ErrSuperseded) {
		t.Fatalf("got %v", err)
	}
	if !b.there(list[0]) || b.there(list[batchOps]) {
		t.Error("not the first batch alone is there")
	}
	b.r.opt.Superseded = nil
	b.log = nil
	b.sync()
	if b.there(list[0]) {
		t.Error("what was added before is still there")
	}
	if at, ok := b.r.NextDeadline(); ok {
		t.Errorf("something is due at %v", at-time.Duration(b.now))
	}
}
