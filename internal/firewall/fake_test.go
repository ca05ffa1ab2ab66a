package firewall

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// fakeKernel keeps a table and refuses what the kernel refuses.
type fakeKernel struct {
	mu      sync.Mutex
	t       *table
	gen     uint32
	reads   int
	applied [][]op // also those that were refused
	refused int
	readErr error
	lossy   int          // so many reads leave elements out
	applyFn func() error // before the next apply
	changes chan change
}

var _ kernel = (*fakeKernel)(nil)

func (k *fakeKernel) read(part *scope) (*table, uint32, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reads++
	t := cloneTable(k.t.within(part))
	if k.lossy > 0 && t != nil {
		k.lossy--
		for _, s := range t.sets {
			clear(s.elems)
		}
	}
	return t, k.gen, k.readErr
}

func (k *fakeKernel) generation() (uint32, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.gen, k.readErr
}

func (k *fakeKernel) apply(ops []op) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.applyFn != nil {
		if err := k.applyFn(); err != nil {
			return err
		}
	}
	k.applied = append(k.applied, ops)
	next := cloneTable(k.t)
	for _, o := range ops {
		var err error
		if next, err = applyTo(next, o); err != nil {
			k.refused++
			return fmt.Errorf("%v: %w", o, err)
		}
	}
	k.t = next
	k.gen++
	return nil
}

func (k *fakeKernel) watch(ctx context.Context, out chan<- change) error {
	for {
		select {
		case c := <-k.changes:
			select {
			case out <- c:
			case <-ctx.Done():
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (k *fakeKernel) close() error { return nil }

// meddle is another program's transaction.
func (k *fakeKernel) meddle(fn func(*table) *table) change {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.t = fn(cloneTable(k.t))
	k.gen++
	return change{gen: k.gen, comm: "nft"}
}

func cloneTable(t *table) *table {
	if t == nil {
		return nil
	}
	c := &table{sets: map[string]*setState{}, chains: map[string]*chainState{}, foreign: t.foreign}
	for n, s := range t.sets {
		c.sets[n] = &setState{def: s.def, elems: maps.Clone(s.elems)}
	}
	for n, ch := range t.chains {
		d := ch.def
		d.Rules = slices.Clone(d.Rules)
		c.chains[n] = &chainState{def: d, tags: slices.Clone(ch.tags)}
	}
	return c
}

// applyTo is one step of a transaction as the kernel does it. The rules of a
// chain are kept, to know what they refer to.
func applyTo(t *table, o op) (*table, error) {
	if o.kind == opAddTable {
		if t == nil {
			t = &table{sets: map[string]*setState{}, chains: map[string]*chainState{}}
		}
		return t, nil
	}
	if t == nil {
		return nil, unix.ENOENT
	}
	switch o.kind {
	case opDelTable:
		return nil, nil
	case opAddSet:
		if t.sets[o.set.def.Name] != nil {
			return nil, unix.EEXIST
		}
		t.sets[o.set.def.Name] = &setState{def: o.set.def, elems: map[string]nftables.SetElement{}}
	case opAddChain:
		if t.chains[o.chain.def.Name] != nil {
			return nil, unix.EEXIST
		}
		d := o.chain.def
		d.Rules = nil
		t.chains[d.Name] = &chainState{def: d}
	case opFlushChain:
		c := t.chains[o.chain.def.Name]
		if c == nil {
			return nil, unix.ENOENT
		}
		c.tags, c.def.Rules = nil, nil
	case opDelChain:
		c := t.chains[o.chain.def.Name]
		if c == nil {
			return nil, unix.ENOENT
		}
		if len(c.tags) > 0 || t.refers(o.chain.def.Name) {
			return nil, unix.EBUSY
		}
		delete(t.chains, o.chain.def.Name)
	case opDelSet:
		if t.sets[o.set.def.Name] == nil {
			return nil, unix.ENOENT
		}
		if t.refers(o.set.def.Name) {
			return nil, unix.EBUSY
		}
		delete(t.sets, o.set.def.Name)
	case opAddRule:
		return t, t.addRuleStep(o)
	default:
		return t, t.elementStep(o)
	}
	return t, nil
}

func (t *table) addRuleStep(o op) error {
	c := t.chains[o.chain.def.Name]
	if c == nil {
		return unix.ENOENT
	}
	for _, name := range references(o.rule) {
		if t.sets[name] == nil && t.chains[name] == nil {
			return unix.ENOENT
		}
	}
	c.tags = append(c.tags, o.tag)
	c.def.Rules = append(c.def.Rules, o.rule)
	return nil
}

func (t *table) elementStep(o op) error {
	s := t.sets[o.set.def.Name]
	if s == nil {
		return unix.ENOENT
	}
	if len(o.elems) > maxElements {
		return unix.EMSGSIZE
	}
	for _, e := range o.elems {
		old, ok := s.elems[elementID(e)]
		switch {
		case o.kind == opDelElements && !ok:
			return unix.ENOENT
		case o.kind == opDelElements:
			delete(s.elems, elementID(e))
		case ok && string(old.Val) != string(e.Val):
			return unix.EEXIST
		case e.VerdictData != nil && t.chains[e.VerdictData.Chain] == nil:
			return unix.ENOENT
		default:
			s.elems[elementID(e)] = e
		}
	}
	return nil
}

// refers reports whether a rule or a verdict map refers to a set or chain.
func (t *table) refers(name string) bool {
	for _, c := range t.chains {
		for _, r := range c.def.Rules {
			if slices.Contains(references(r), name) {
				return true
			}
		}
	}
	for _, s := range t.sets {
		for _, e := range s.elems {
			if e.VerdictData != nil && e.VerdictData.Chain == name {
				return true
			}
		}
	}
	return false
}

func references(r Rule) []string {
	var out []string
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Lookup:
			out = append(out, e.SetName)
		case *expr.Verdict:
			if e.Chain != "" {
				out = append(out, e.Chain)
			}
		}
	}
	return out
}
