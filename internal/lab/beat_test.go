package lab

import (
	"testing"
	"time"
)

func TestBeat(t *testing.T) {
	t.Parallel()
	b, err := StartBeat(time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(50 * time.Millisecond) // what is measured is real time
	r := b.Stop()
	if r.Count == 0 || r.P50 > r.P99 || r.P99 > r.Max {
		t.Errorf("%+v", r)
	}
	t.Log(r)
}
