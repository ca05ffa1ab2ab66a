package firewall

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/google/nftables"
)

// table is the content of our table, wanted or read. A nil table is an absent
// one.
type table struct {
	sets   map[string]*setState
	chains map[string]*chainState
	// foreign says what in it is not ours and not understood, "" for
	// nothing.
	foreign string
}

// setState is a set and its elements by identity. One that is wanted again is the
// same one: it is not changed once it is made.
type setState struct {
	def   Set // without elements
	elems map[string]nftables.SetElement
	// listed are the elements as they were given, nil if the set was read.
	listed []nftables.SetElement
}

// chainState is a chain and its rules. Rules are compared by their tags: the
// kernel keeps a rule's comment as it was given but may write its expressions
// differently.
type chainState struct {
	def  Chain // Rules is empty in a table that was read
	tags []string
}

// build turns rules into the wanted table, nil if nothing is wanted.
func build(r Rules) (*table, error) { return buildAfter(r, nil) }

// buildAfter is build that takes sets which are as they were from the table that was
// wanted before, which may be nil: of 37,205 servers most are.
func buildAfter(r Rules, before *table) (*table, error) {
	own, err := noAccept(r)
	if err != nil {
		return nil, err
	}
	t := &table{sets: map[string]*setState{}, chains: map[string]*chainState{}}
	for _, c := range append([]Contribution{own}, r.Contributions...) {
		for _, s := range c.Sets {
			if before != nil && t.sets[s.Name] == nil && before.sets[s.Name].is(&s) {
				t.sets[s.Name] = before.sets[s.Name]
				continue
			}
			if err := t.addSet(s); err != nil {
				return nil, err
			}
		}
		for _, ch := range c.Chains {
			if err := t.addChain(ch); err != nil {
				return nil, err
			}
		}
	}
	if len(t.sets) == 0 && len(t.chains) == 0 {
		return nil, nil
	}
	return t, nil
}

func (t *table) addSet(s Set) error {
	if s.Name == "" || len(s.Name) > maxName || t.sets[s.Name] != nil {
		return fmt.Errorf("set %q: empty, long or repeated name", s.Name)
	}
	if s.Dynamic && (s.Size == 0 || len(s.Elements) > 0) {
		return fmt.Errorf("set %q: a dynamic set has a size, and no elements", s.Name)
	}
	st := &setState{def: s, elems: make(map[string]nftables.SetElement, len(s.Elements)), listed: s.Elements}
	st.def.Elements = nil
	for _, e := range s.Elements {
		id := elementID(e)
		if old, ok := st.elems[id]; ok && !sameValue(old, e) {
			return fmt.Errorf("set %q: key %x has two values", s.Name, e.Key)
		}
		if !e.IntervalEnd && (e.VerdictData != nil) != s.isVerdictMap() {
			return fmt.Errorf("set %q: key %x: verdicts belong to verdict maps", s.Name, e.Key)
		}
		st.elems[id] = e
	}
	t.sets[s.Name] = st
	return nil
}

func (t *table) addChain(c Chain) error {
	if c.Name == "" || len(c.Name) > maxName || t.chains[c.Name] != nil {
		return fmt.Errorf("chain %q: empty, long or repeated name", c.Name)
	}
	st := &chainState{def: c}
	for i, r := range c.Rules {
		tag, err := ruleTag(r)
		if err != nil {
			return fmt.Errorf("chain %q: rule %d: %w", c.Name, i+1, err)
		}
		st.tags = append(st.tags, tag)
	}
	t.chains[c.Name] = st
	return nil
}

// elementID identifies an element within its set.
func elementID(e nftables.SetElement) string {
	id := string(e.Key)
	if len(e.KeyEnd) > 0 {
		id += "-" + string(e.KeyEnd)
	}
	if e.IntervalEnd {
		id += "<"
	}
	return id
}

// tagMark begins the part of a comment that identifies a rule of ours.
const tagMark = " #"

// maxComment is what fits in a rule's user data beside its header and
// terminator: NFT_USERDATA_MAXLEN is 256, an attribute's length one byte.
const maxComment = 253

// ruleTag is the comment a rule carries in the kernel: its text and a digest
// of what it does.
func ruleTag(r Rule) (string, error) {
	h := sha256.New()
	for _, e := range r.Exprs {
		b, err := marshalExpr(e)
		if err != nil {
			return "", err
		}
		h.Write(b)
	}
	tag := r.Comment + tagMark + hex.EncodeToString(h.Sum(nil)[:6])
	if len(tag) > maxComment {
		return "", errors.New("comment is too long")
	}
	return tag, nil
}

// equal reports whether two tables have the same content. A table with
// something foreign in it equals none.
func (t *table) equal(o *table) bool {
	if t == nil || o == nil {
		return t == nil && o == nil
	}
	return t.foreign == "" && o.foreign == "" &&
		maps.EqualFunc(t.sets, o.sets, (*setState).equal) && maps.EqualFunc(t.chains, o.chains, (*chainState).equal)
}

// lacksElements reports whether t would equal o with more elements in its
// sets.
func (t *table) lacksElements(o *table) bool {
	if t == nil || o == nil || t.foreign != "" || o.foreign != "" || len(t.sets) != len(o.sets) ||
		!maps.EqualFunc(t.chains, o.chains, (*chainState).equal) {
		return false
	}
	missing := 0
	for name, s := range t.sets {
		w := o.sets[name]
		if w == nil || !s.sameDefinition(w) {
			return false
		}
		for id, e := range s.elems {
			if v, ok := w.elems[id]; !ok || !sameValue(e, v) {
				return false
			}
		}
		missing += len(w.elems) - len(s.elems)
	}
	return missing > 0
}

// is reports whether the state was made from such a set, with its elements in the
// same order.
func (s *setState) is(o *Set) bool {
	if s == nil {
		return false
	}
	return reflect.DeepEqual(s.def, withoutElements(*o)) && slices.EqualFunc(s.listed, o.Elements, sameElement)
}

func withoutElements(s Set) Set {
	s.Elements = nil
	return s
}

func sameElement(a, b nftables.SetElement) bool {
	return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.KeyEnd, b.KeyEnd) && a.IntervalEnd == b.IntervalEnd && sameValue(a, b)
}

func (s *setState) equal(o *setState) bool {
	if s == o {
		return true
	}
	return s.sameDefinition(o) && maps.EqualFunc(s.elems, o.elems, sameValue)
}

// sameValue compares what two elements of the same identity map to.
func sameValue(a, b nftables.SetElement) bool {
	if a.VerdictData == nil || b.VerdictData == nil {
		return a.VerdictData == nil && b.VerdictData == nil && bytes.Equal(a.Val, b.Val)
	}
	return a.VerdictData.Kind == b.VerdictData.Kind && a.VerdictData.Chain == b.VerdictData.Chain
}

func (s *setState) sameDefinition(o *setState) bool {
	a, b := &s.def, &o.def
	if a.Name != b.Name || a.isMap() != b.isMap() || a.Interval != b.Interval || a.Concat != b.Concat ||
		a.Dynamic != b.Dynamic || a.Size != b.Size {
		return false
	}
	// Nor does it read Counter and HostOrder, which nobody changes for one name.
	// The library does not read the key type of verdict maps.
	return a.isVerdictMap() || b.isVerdictMap() || sameType(a.Key, b.Key) && sameType(a.Data, b.Data)
}

func sameType(a, b nftables.SetDatatype) bool {
	return a.GetNFTMagic() == b.GetNFTMagic() && a.Bytes == b.Bytes
}

func (c *chainState) sameDefinition(o *chainState) bool {
	a, b := &c.def, &o.def
	return a.Name == b.Name && a.Type == b.Type && a.Hook == b.Hook && a.Priority == b.Priority
}

func (c *chainState) equal(o *chainState) bool {
	return c.sameDefinition(o) && slices.Equal(c.tags, o.tags)
}
