package daemon

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hakeep/internal/netif"
	"hakeep/internal/status"
	"hakeep/internal/wire"
)

func TestOwned(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got, _, err := readOwned(dir); err != nil || got != nil {
		t.Errorf("without a file: %v, %v", got, err)
	}
	want := []netif.Key{
		{Link: "eth0", Prefix: netip.MustParsePrefix("192.0.2.10/24")},
		{Link: "eth0.100", Prefix: netip.MustParsePrefix("fe80::10/64")},
	}
	left := wire.LeftItems{
		Routes: []netif.RouteKey{{Table: 254, Dst: netip.MustParsePrefix("10.0.0.0/8")}},
		Rules:  []netif.Rule{{From: netip.MustParsePrefix("10.0.0.0/8"), Table: 100, Priority: 1000}},
	}
	if err := writeOwned(dir, want, left); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, ownedName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info, err)
	}
	if got, items, err := readOwned(dir); err != nil || !slices.Equal(got, want) || !reflect.DeepEqual(items, left) {
		t.Errorf("got %v, %v, %v", got, items, err)
	}
	for _, text := range []string{"{", `{"version": 2}`} {
		if err := os.WriteFile(filepath.Join(dir, ownedName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _, err := readOwned(dir); err == nil {
			t.Errorf("%s: got %v", text, got)
		}
	}
	if err := errors.Join(removeFiles(dir), removeFiles(dir)); err != nil {
		t.Error(err)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got := readProgress(dir); got != (progress{}) {
		t.Errorf("got %+v", got)
	}
	want := progress{Elector: 42, Seq: 1 << 40}
	if err := writeProgress(dir, want); err != nil || readProgress(dir) != want {
		t.Errorf("got %+v, %v", readProgress(dir), err)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lock(dir)
	var running *RunningError
	if !errors.As(err, &running) || running.PID != os.Getpid() || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v", err)
	}
	first.Close()
	again, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestHistory(t *testing.T) {
	t.Parallel()
	h := newHistory()
	got, changed := h.after(0, 10)
	if len(got) != 0 {
		t.Errorf("got %v", got)
	}
	h.add(status.Event{Text: "first"})
	select {
	case <-changed:
	default:
		t.Error("followers are not told")
	}
	for range historySize + 9 {
		h.add(status.Event{})
	}
	const last = historySize + 10
	tests := []struct {
		name        string
		after       uint64
		n           int
		first, want uint64 // Seq of the first, and how many
		lost        uint64
	}{
		{"all", 0, last, 11, historySize, 0},
		{"some", 0, 5, 11, 5, 0},
		{"a slow follower", 4, 5, 11, 5, 6},
		{"a follower", last - 2, 5, last - 1, 2, 0},
		{"nothing new", last, 5, 0, 0, 0},
		{"of another life", last + 100, 5, 0, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, _ := h.after(tt.after, tt.n)
			if uint64(len(got)) != tt.want {
				t.Fatalf("got %d events, want %d", len(got), tt.want)
			}
			for i := range got {
				if got[i].Seq != tt.first+uint64(i) {
					t.Fatalf("event %d has number %d", i, got[i].Seq)
				}
			}
			if len(got) > 0 && got[0].Lost != tt.lost {
				t.Errorf("lost %d, want %d", got[0].Lost, tt.lost)
			}
		})
	}
}
