package checks

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"reflect"
)

// Share finds checks that are the same, target and policy, so that each is done
// once however many servers it is for. It returns the different ones, in the
// order in which they come first, and for each of list the name of the one that
// does it. The Name of a Spec in list says in words what is checked, such as
// "TCP_CHECK 192.0.2.1:80"; it need not be unique. A check is paused if all that
// share it are.
//
// Names stay the same from one call to the next while the target and its words
// do, whatever happens to the rest of the list, unless the same target is done by
// several policies, or targets differ in their passwords only: those are numbered.
func Share(list []Spec) (unique []Spec, names []string) {
	type bucket struct {
		key  string
		uses []int // into unique
	}
	buckets := map[string]*bucket{}
	names = make([]string, len(list))
	for i, s := range list {
		key := s.Name + "\x00" + targetKey(s.Target)
		b := buckets[key]
		if b == nil {
			b = &bucket{key: key}
			buckets[key] = b
		}
		at := -1
		for _, u := range b.uses {
			if unique[u].Policy == s.Policy && reflect.DeepEqual(unique[u].Target, s.Target) {
				at = u
				break
			}
		}
		if at < 0 {
			at = len(unique)
			b.uses = append(b.uses, at)
			unique = append(unique, s)
			unique[at].Name = sharedName(s.Name, b.key, len(b.uses))
		}
		unique[at].Paused = unique[at].Paused && s.Paused
		names[i] = unique[at].Name
	}
	return unique, names
}

// sharedName is the words, a hash of the rest, and the number if there are
// several.
func sharedName(words, key string, number int) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	name := fmt.Sprintf("%s [%08x]", words, uint32(h.Sum64()>>32))
	if number > 1 {
		name = fmt.Sprintf("%s (%d)", name, number)
	}
	return name
}

// targetKey is equal for equal targets; it has no passwords in it.
func targetKey(t Target) string {
	text, err := json.Marshal(t)
	if err != nil {
		text = nil // the type alone: DeepEqual decides
	}
	return fmt.Sprintf("%T %s", t, text)
}
