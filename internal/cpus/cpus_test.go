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
		allowed unix.CPUSet
		want    parts
		ok      bool
	}{
		{setOf(0, 1), parts{setOf(0), setOf(1), setOf(0)}, true},
		{setOf(3, 70, 130), parts{setOf(3), setOf(70, 130), setOf(3)}, true},
		{setOf(0, 1, 2, 3), parts{setOf(0), setOf(1, 2), setOf(3)}, true},
		{setOf(5), parts{}, false},
		{setOf(), parts{}, false},
	} {
		if got, ok := split(&tt.allowed); got != tt.want || ok != tt.ok {
			t.Errorf("split(%v) = %v, %v; want %v, %v", tt.allowed, got, ok, tt.want, tt.ok)
		}
	}
}

// TestApart: what is bound by Adverts has no CPU in common with what is bound by Work
// and by Relief, and none leaves anything behind.
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
	if err := Relief(); err != nil {
		t.Fatal(err)
	}
	relief := here()
	if err := Release(); err != nil {
		t.Fatal(err)
	}
	if got := here(); got != before {
		t.Errorf("after Release the thread may use %v, before %v", got, before)
	}
	if work.Count() != 1 || relief.Count() != 1 || adverts.Count() != before.Count()-1-min(1, before.Count()/4) {
		t.Errorf("Work is on %v, Adverts on %v, Relief on %v", work, adverts, relief)
	}
	for cpu := range len(work) * 64 {
		if (work.IsSet(cpu) || relief.IsSet(cpu)) && adverts.IsSet(cpu) {
			t.Errorf("adverts and others use CPU %d", cpu)
		}
	}
}
