package status

import (
	"strings"
	"testing"
)

func TestDeaf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, state, reason string
		discarded, received uint64
		want                bool
	}{
		{"another version", "MASTER", "version", 67, 0, true},
		{"another password", "MASTER", "auth", 3, 0, true},
		{"a damaged one now and then", "MASTER", "checksum", 3, 1000, false},
		{"a backup hears its master", "BACKUP", "version", 67, 0, false},
		{"accepted all the same", "MASTER", "address-list", 67, 67, false},
	} {
		in := &Instance{Name: "VI_1", State: c.state, Counters: Counters{
			AdvertsReceived: c.received, Reasons: map[string]uint64{c.reason: c.discarded},
		}}
		got := deaf(in)
		if (len(got) == 1) != c.want || c.want && !strings.Contains(got[0], c.reason) {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
