package wire

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"hakeep/vrrp"
)

// configOf is a configuration of instances of these names; n tells apart contents.
func configOf(digest string, n map[string]uint8, names ...string) *Config {
	c := &Config{Digest: digest}
	for _, name := range names {
		c.Instances = append(c.Instances, &Instance{Params: vrrp.Params{Name: name, Priority: n[name]}})
	}
	return c
}

// sent is what the other side reads.
func sent(t *testing.T, c *Config) *Config {
	t.Helper()
	body, err := json.Marshal(&Message{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	return m.Config
}

// TestSince: whatever changes between two configurations, the second comes out of
// the first and what was sent, and nothing is sent that stays.
func TestSince(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		pick := func(digest string) *Config {
			n, names := map[string]uint8{}, []string{}
			for _, i := range r.Perm(12)[:r.IntN(12)] {
				name := fmt.Sprint(i)
				names = append(names, name)
				n[name] = uint8(r.IntN(2))
			}
			if r.IntN(2) == 0 { // mostly in order
				names = append(names[:0:0], "a", "b", "c", "d", "e")
				for _, name := range names {
					n[name] = uint8(r.IntN(2))
				}
			}
			return configOf(digest, n, names...)
		}
		base, next := pick("base"), pick("next")
		part := sent(t, next.Since(base))
		whole, err := part.On(base)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !reflect.DeepEqual(whole, next) {
			t.Fatalf("seed %d: got %+v, want %+v", seed, whole, next)
		}
		for _, in := range part.Instances {
			for _, was := range base.Instances {
				if reflect.DeepEqual(in, was) {
					t.Fatalf("seed %d: %s was sent, which stays", seed, in.Params.Name)
				}
			}
		}
	}
}

// TestSinceIsSmall: of a thousand instances of which one changes, one is sent.
func TestSinceIsSmall(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprint(i))
	}
	base := configOf("base", nil, names...)
	part := configOf("next", map[string]uint8{"500": 9}, names...).Since(base)
	if len(part.Instances) != 1 || len(part.Kept) != 2 {
		t.Fatalf("sent: %d instances, %d pieces", len(part.Instances), len(part.Kept))
	}
	whole, err := sent(t, part).On(base)
	if err != nil || len(whole.Instances) != 1000 || whole.Instances[0] != base.Instances[0] || whole.Instances[500].Params.Priority != 9 {
		t.Errorf("%d instances, %v", len(whole.Instances), err)
	}
}

func TestOnWrong(t *testing.T) {
	t.Parallel()
	base := configOf("base", nil, "a", "b", "c")
	whole := configOf("whole", nil, "a")
	if got, err := whole.On(nil); err != nil || got != whole {
		t.Errorf("without a base: %v, %v", got, err)
	}
	for name, c := range map[string]struct {
		part *Config
		base *Config
	}{
		"no base":          {&Config{Base: "base"}, nil},
		"another base":     {&Config{Base: "base"}, whole},
		"null":             {&Config{Instances: []*Instance{nil}}, nil},
		"beyond the end":   {&Config{Base: "base", Kept: []Kept{{From: 2, Count: 2}}}, base},
		"before the start": {&Config{Base: "base", Kept: []Kept{{From: -1, Count: 2}}}, base},
		"negative":         {&Config{Base: "base", Kept: []Kept{{Count: -1}}}, base},
		"too many":         {&Config{Base: "base", Kept: []Kept{{From: 1, Count: int(^uint(0) >> 1)}}}, base},
		"gap":              {&Config{Base: "base", Kept: []Kept{{At: 1, Count: 1}}}, base},
		"backwards":        {&Config{Base: "base", Kept: []Kept{{At: 0, Count: 2}, {At: 1, Count: 1}}}, base},
	} {
		if got, err := c.part.On(c.base); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
