package cpus

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func setOf(cpus ...int) (s unix.CPUSet) {
	for _, c := range cpus {
		s.Set(c)
	}
	return s
}

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		allowed, work, rest unix.CPUSet
		ok                  bool
	}{
		{setOf(0, 1), setOf(0), setOf(1), true},
		{setOf(3, 70, 130), setOf(3), setOf(70, 130), true},
		{setOf(5), setOf(), setOf(), false},
		{setOf(), setOf(), setOf(), false},
	} {
		if work, rest, ok := split(&tt.allowed); work != tt.work || rest != tt.rest || ok != tt.ok {
			t.Errorf("split(%v) = %v, %v, %v; want %v, %v, %v", tt.allowed, work, rest, ok, tt.work, tt.rest, tt.ok)
		}
	}
}

// TestApart: what is bound by Work and what by Adverts have no CPU in common, and
// neither leaves anything behind.
func TestApart(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here := func() (s unix.CPUSet) {
		if err := unix.SchedGetaffinity(0, &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := here()
	if before.Count() < 2 {
		t.Skip("needs two CPUs")
	}
	var work unix.CPUSet
	wrong := errors.New("wrong")
	if err := Work(func() error { work = here(); return wrong }); !errors.Is(err, wrong) {
		t.Errorf("Work returned %v", err)
	}
	if got := here(); got != before {
		t.Errorf("after Work the thread may use %v, before %v", got, before)
	}
	if err := Adverts(); err != nil {
		t.Fatal(err)
	}
	adverts := here()
	if err := Release(); err != nil {
		t.Fatal(err)
	}
	if got := here(); got != before {
		t.Errorf("after Release the thread may use %v, before %v", got, before)
	}
	if work.Count() != 1 || adverts.Count() != before.Count()-1 {
		t.Errorf("Work is on %v, Adverts on %v", work, adverts)
	}
	for cpu := range len(work) * 64 {
		if work.IsSet(cpu) && adverts.IsSet(cpu) {
			t.Errorf("both use CPU %d", cpu)
		}
	}
}
