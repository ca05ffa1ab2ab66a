package firewall

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/google/nftables"
)

// opKind is a step of a transaction.
type opKind int

const (
	opAddTable opKind = iota + 1
	opDelTable
	opFlushChain
	opDelElements
	opDelChain
	opDelSet
	opAddSet
	opAddChain
	opAddElements
	opAddRule
)

// String is the step's name in nft's words.
func (k opKind) String() string {
	switch k {
	case opAddTable:
		return "add table"
	case opDelTable:
		return "delete table"
	case opFlushChain:
		return "flush chain"
	case opDelElements:
		return "delete element"
	case opDelChain:
		return "delete chain"
	case opDelSet:
		return "delete set"
	case opAddSet:
		return "add set"
	case opAddChain:
		return "add chain"
	case opAddElements:
		return "add element"
	case opAddRule:
		return "add rule"
	}
	return fmt.Sprintf("opKind(%d)", int(k))
}

// op is one step. Set, chain, elements, rule and tag are given as the kind
// needs them.
type op struct {
	kind  opKind
	set   *setState
	chain *chainState
	elems []nftables.SetElement
	rule  Rule
	tag   string
}

// String shows the step for logs and tests.
func (o op) String() string {
	switch {
	case o.chain != nil && o.tag != "":
		return fmt.Sprintf("%v %s %s", o.kind, o.chain.def.Name, o.tag)
	case o.chain != nil:
		return fmt.Sprintf("%v %s", o.kind, o.chain.def.Name)
	case o.set != nil && o.elems != nil:
		return fmt.Sprintf("%v %s (%d)", o.kind, o.set.def.Name, len(o.elems))
	case o.set != nil:
		return fmt.Sprintf("%v %s", o.kind, o.set.def.Name)
	}
	return o.kind.String()
}

// maxElements is the number of elements in one step. The library truncates
// longer lists silently (16-bit attribute length: 2,340 map elements).
const maxElements = 500

// plan computes the steps from actual to wanted, for one transaction; none if
// they are equal. Chains and sets that stay are not touched: they keep their
// counters. Where something foreign is in the table, or a definition changed,
// the table is replaced.
func plan(actual, wanted *table) []op {
	switch {
	case actual.equal(wanted):
		return nil
	case wanted == nil:
		return []op{{kind: opDelTable}}
	case actual == nil || !refinable(actual, wanted):
		return planReplace(wanted)
	}
	return planRefine(actual, wanted)
}

// planReplace works whatever is there, even nothing: adding a table that
// exists succeeds.
func planReplace(wanted *table) []op {
	ops := []op{{kind: opAddTable}, {kind: opDelTable}}
	if wanted == nil {
		return ops
	}
	ops = append(ops, op{kind: opAddTable})
	empty := &table{}
	return append(ops, planRefine(empty, wanted)...)
}

func refinable(actual, wanted *table) bool {
	if actual.foreign != "" {
		return false
	}
	for name, s := range actual.sets {
		if w := wanted.sets[name]; w != nil && !s.sameDefinition(w) {
			return false
		}
	}
	for name, c := range actual.chains {
		if w := wanted.chains[name]; w != nil && !c.sameDefinition(w) {
			return false
		}
	}
	return true
}

// planRefine orders the steps so that nothing is deleted that is still
// referred to, and nothing is referred to before it exists: rules refer to
// sets and chains, elements of verdict maps to chains. The elements of a
// verdict map are deleted before it: kernels before 6.4 give back its
// references to chains only after the transaction.
func planRefine(actual, wanted *table) []op {
	var flush, delElems, delChains, delSets, addSets, addChains, addElems, addRules []op
	for _, name := range sortedKeys(actual.chains) {
		c, w := actual.chains[name], wanted.chains[name]
		if w == nil || !c.equal(w) {
			flush = append(flush, op{kind: opFlushChain, chain: c})
		}
		if w == nil {
			delChains = append(delChains, op{kind: opDelChain, chain: c})
		}
	}
	for _, name := range sortedKeys(wanted.chains) {
		w, c := wanted.chains[name], actual.chains[name]
		if c == nil {
			addChains = append(addChains, op{kind: opAddChain, chain: w})
		}
		if c != nil && c.equal(w) {
			continue
		}
		for i, r := range w.def.Rules {
			addRules = append(addRules, op{kind: opAddRule, chain: w, rule: r, tag: w.tags[i]})
		}
	}
	for _, name := range sortedKeys(actual.sets) {
		if s := actual.sets[name]; wanted.sets[name] == nil {
			if s.def.isVerdictMap() {
				gone, _ := diffElements(s, &setState{def: s.def})
				delElems = append(delElems, chunked(opDelElements, s, gone)...)
			}
			delSets = append(delSets, op{kind: opDelSet, set: s})
		}
	}
	for _, name := range sortedKeys(wanted.sets) {
		w, s := wanted.sets[name], actual.sets[name]
		if s == nil {
			addSets = append(addSets, op{kind: opAddSet, set: w})
			s = &setState{def: w.def}
		}
		gone, added := diffElements(s, w)
		delElems = append(delElems, chunked(opDelElements, w, gone)...)
		addElems = append(addElems, chunked(opAddElements, w, added)...)
	}
	return slices.Concat(flush, delElems, delSets, delChains, addSets, addChains, addElems, addRules)
}

// diffElements returns what to delete and to add. A key that maps to another
// value is in both: the kernel does not overwrite (EEXIST).
func diffElements(actual, wanted *setState) (gone, added []nftables.SetElement) {
	if actual == wanted {
		return nil, nil
	}
	for id, e := range actual.elems {
		if w, ok := wanted.elems[id]; !ok || !sameValue(e, w) {
			gone = append(gone, e)
		}
	}
	for id, w := range wanted.elems {
		if e, ok := actual.elems[id]; !ok || !sameValue(e, w) {
			added = append(added, w)
		}
	}
	slices.SortFunc(gone, compareElements)
	slices.SortFunc(added, compareElements)
	return gone, added
}

// compareElements orders elements by key. The end of a range is before the
// beginning of the next: the kernel takes the other order for an overlap.
func compareElements(a, b nftables.SetElement) int {
	end := func(e nftables.SetElement) int {
		if e.IntervalEnd {
			return 0
		}
		return 1
	}
	return cmp.Or(bytes.Compare(a.Key, b.Key), cmp.Compare(end(a), end(b)), bytes.Compare(a.KeyEnd, b.KeyEnd))
}

func chunked(kind opKind, s *setState, elems []nftables.SetElement) []op {
	var ops []op
	for part := range slices.Chunk(elems, maxElements) {
		ops = append(ops, op{kind: kind, set: s, elems: part})
	}
	return ops
}

// Of a set with more elements than bigSet of which a transaction changes fewChanges
// at most, only what changed is read back.
const (
	bigSet     = 1000
	fewChanges = 50
)

// scopeOf names what the steps touch.
func scopeOf(ops []op, wanted *table) *scope {
	sets, chains := map[string]bool{}, map[string]bool{}
	elems := map[string][]nftables.SetElement{}
	for _, o := range ops {
		if o.set != nil {
			name := o.set.def.Name
			sets[name] = true
			elems[name] = append(elems[name], o.elems...)
		}
		if o.chain != nil {
			chains[o.chain.def.Name] = true
		}
	}
	maps.DeleteFunc(elems, func(name string, changed []nftables.SetElement) bool {
		s := wanted.sets[name]
		return s == nil || s.def.isVerdictMap() || s.def.Interval || len(s.elems) < bigSet || len(changed) > fewChanges
	})
	return &scope{sets: sortedKeys(sets), chains: sortedKeys(chains), elems: elems}
}

// within is the part of a table that is in the scope, all of it if that is nil.
func (t *table) within(part *scope) *table {
	if t == nil || part == nil {
		return t
	}
	out := &table{sets: map[string]*setState{}, chains: map[string]*chainState{}, foreign: t.foreign}
	for _, name := range part.sets {
		s := t.sets[name]
		if s != nil && part.elems[name] != nil {
			s = &setState{def: s.def, elems: map[string]nftables.SetElement{}}
			for _, e := range part.elems[name] {
				id := elementID(e)
				if have, ok := t.sets[name].elems[id]; ok {
					s.elems[id] = have
				}
			}
		}
		if s != nil {
			out.sets[name] = s
		}
	}
	for _, name := range part.chains {
		if c := t.chains[name]; c != nil {
			out.chains[name] = c
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
