package reconcile

import "slices"

// Delta is what leads from an actual state to a desired one. The three lists
// are disjoint and each is in the order of the comparison given to [Diff].
type Delta[K comparable] struct {
	// Add holds the keys that are desired and not there.
	Add []K
	// Replace holds the keys that are there, but not as desired.
	Replace []K
	// Delete holds the keys that are there and not desired.
	Delete []K
}

// Empty reports whether nothing has to be done.
func (d Delta[K]) Empty() bool {
	return len(d.Add) == 0 && len(d.Replace) == 0 && len(d.Delete) == 0
}

// Diff compares a desired state with the actual one. A key that is in both is
// replaced unless same says that the two values are equal; what is equal is
// not mentioned in the result, so it is never touched. The actual state must
// hold only what the caller owns: everything in it that is not desired is
// deleted.
//
// Compare orders the keys (negative, zero, positive, as cmp.Compare does) and
// must be a strict order over all keys of both maps, so that equal input gives
// equal output.
func Diff[K comparable, D, A any](desired map[K]D, actual map[K]A, same func(D, A) bool, compare func(a, b K) int) Delta[K] {
	var d Delta[K]
	for k, want := range desired {
		got, there := actual[k]
		switch {
		case !there:
			d.Add = append(d.Add, k)
		case !same(want, got):
			d.Replace = append(d.Replace, k)
		}
	}
	for k := range actual {
		if _, wanted := desired[k]; !wanted {
			d.Delete = append(d.Delete, k)
		}
	}
	slices.SortFunc(d.Add, compare)
	slices.SortFunc(d.Replace, compare)
	slices.SortFunc(d.Delete, compare)
	return d
}
