package nstest_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"hakeep/internal/nstest"
)

func netns(t *testing.T) string {
	t.Helper()
	s, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEnterMovesTheTestAndItsCleanups(t *testing.T) {
	before := netns(t)
	t.Run("inside", func(t *testing.T) {
		nstest.Enter(t)
		in := netns(t)
		if in == before {
			t.Error("still in the old namespace")
		}
		t.Cleanup(func() {
			if netns(t) != in {
				t.Error("cleanup ran outside")
			}
		})
	})
	nstest.InNewNS(t, func() {
		if netns(t) == before {
			t.Error("still in the old namespace")
		}
	})
}

func TestProcessStaysInItsNamespace(t *testing.T) {
	nstest.Require(t)
	before, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		nstest.New(t)
	}
	after, err := os.Readlink("/proc/self/ns/net")
	if err != nil || after != before {
		t.Errorf("main thread is in %s (%v), want %s", after, err, before)
	}
}

func TestEventuallyReturnsAtFirstSuccess(t *testing.T) {
	calls := 0
	nstest.Eventually(t, time.Second, func() error {
		if calls++; calls < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if calls != 3 {
		t.Errorf("got %d calls, want 3", calls)
	}
}

// A thread that moved must not be handed to other goroutines.
func TestNoGoroutineStraysIntoANamespace(t *testing.T) {
	before := netns(t)
	ns := nstest.New(t)
	for range 50 {
		if err := ns.Do(func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		got := make(chan string)
		go func() {
			s, _ := os.Readlink("/proc/thread-self/ns/net")
			got <- s
		}()
		if s := <-got; s != before {
			t.Fatalf("goroutine runs in %s, want %s", s, before)
		}
	}
}
