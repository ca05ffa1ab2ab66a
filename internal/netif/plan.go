package netif

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"hakeep/internal/reconcile"
)

// OpKind is what an operation does.
type OpKind uint8

// The kinds of operations.
const (
	// OpAdd puts an address on an interface. That it is there already with the
	// same attributes is success.
	OpAdd OpKind = iota + 1
	// OpReplace changes the attributes of an address that is there: in place
	// where the kernel can, else by a delete and an add in one batch.
	OpReplace
	// OpDelete removes an address. That it, or its interface, is gone already
	// is success.
	OpDelete
)

// String returns add, replace or delete.
func (k OpKind) String() string {
	switch k {
	case OpAdd:
		return "add"
	case OpReplace:
		return "replace"
	case OpDelete:
		return "delete"
	}
	return fmt.Sprintf("OpKind(%d)", uint8(k))
}

// Op is one operation on the kernel's addresses.
type Op struct {
	// Kind says what to do.
	Kind OpKind
	// Addr is the address as it is to be; for OpDelete, as it is.
	Addr Addr
	// Old is what is there now, for OpReplace and OpDelete. It is found by its
	// interface's index, so a renamed interface is met too.
	Old Installed
	// Proto is the owner's mark that an added address gets. Plan sets Protocol.
	Proto uint8
	// Probe is for OpAdd: ErrExists is reported for an address that is there,
	// whatever its attributes, which saves reading them.
	Probe bool
}

// String returns the operation as in `add 192.0.2.1/24 dev eth0`.
func (o Op) String() string { return o.Kind.String() + " " + o.Addr.Key().String() }

// Plan returns the operations that lead from the actual addresses to the
// desired ones. Actual addresses for which owned is false are foreign: they
// are neither changed nor deleted, and where one takes the place of a desired
// address, that is not added (see Conflicts). What is as desired gives no
// operation. Of two desired addresses that are the same to the kernel the
// first counts. Desired addresses must have passed Check.
//
// Adds come in the order of desired, then replacements, then deletes, so that
// an address that moves is never missing and a network keeps its route. The
// exception is the kernel's own: IPv4 addresses of one network and prefix
// length on an interface must be of one scope, so where the scope changes,
// deletes come first. Secondary addresses are replaced and deleted before
// primary ones: the other way round the kernel promotes or drops each in turn,
// and 1,000 labels take 8 s to change instead of 50 ms.
func Plan(desired []Addr, actual []Installed, owned func(Installed) bool) []Op {
	rank := make(map[slot]int, len(desired))
	want := make(map[slot]Addr, len(desired))
	for i, a := range desired {
		if s := a.slot(); want[s].Link == "" {
			want[s], rank[s] = a, i
		}
	}
	// have keeps what a delta may speak of: all that is owned, and of the rest
	// what takes the place of a desired address.
	have := make(map[slot]Installed, len(actual))
	for _, in := range actual {
		s := in.slot()
		_, wanted := want[s]
		if wanted || owned(in) {
			have[s] = in
		}
	}
	delta := reconcile.Diff(want, have,
		func(a Addr, in Installed) bool { return a.same(in) || !owned(in) },
		func(a, b slot) int { return compareSlots(a, b, rank, have) })

	ops := make([]Op, 0, len(delta.Add)+len(delta.Replace)+len(delta.Delete))
	scopes := scopesOf(delta, want)
	var last []Op
	for _, s := range delta.Delete {
		op := Op{Kind: OpDelete, Addr: have[s].Addr, Old: have[s]}
		if scopes.conflict(have[s]) {
			ops = append(ops, op)
		} else {
			last = append(last, op)
		}
	}
	adds := slices.Clone(delta.Add)
	for _, s := range delta.Replace {
		if scopes.conflict(have[s]) {
			ops = append(ops, Op{Kind: OpDelete, Addr: have[s].Addr, Old: have[s]})
			adds = append(adds, s)
		}
	}
	slices.SortFunc(adds, func(a, b slot) int { return cmp.Compare(rank[a], rank[b]) })
	for _, s := range adds {
		ops = append(ops, Op{Kind: OpAdd, Addr: want[s], Proto: Protocol})
	}
	for _, s := range delta.Replace {
		if in := have[s]; !scopes.conflict(in) {
			ops = append(ops, Op{Kind: OpReplace, Addr: want[s], Old: in, Proto: Protocol})
		}
	}
	return append(ops, last...)
}

// compareSlots orders secondary addresses before primary ones and then desired
// slots as configured; the rest is so that the order is always the same.
func compareSlots(a, b slot, rank map[slot]int, have map[slot]Installed) int {
	x, y := have[a], have[b]
	if x.Secondary != y.Secondary {
		if x.Secondary {
			return -1
		}
		return 1
	}
	ra, wantedA := rank[a]
	rb, wantedB := rank[b]
	if wantedA && wantedB {
		return cmp.Compare(ra, rb)
	}
	return cmp.Or(
		cmp.Compare(x.Index, y.Index),
		cmp.Compare(a.link, b.link),
		a.addr.Compare(b.addr),
		a.net.Addr().Compare(b.net.Addr()),
		cmp.Compare(a.net.Bits(), b.net.Bits()),
	)
}

// scopes says which scope the IPv4 addresses to be added want in a network.
type scopes map[scopeKey]uint8

type scopeKey struct {
	link string
	net  netip.Prefix
}

func scopesOf(delta reconcile.Delta[slot], want map[slot]Addr) scopes {
	m := scopes{}
	for _, list := range [][]slot{delta.Add, delta.Replace} {
		for _, s := range list {
			if s.addr.Is4() {
				m[scopeKey{s.link, s.net}] = want[s].Scope
			}
		}
	}
	return m
}

// conflict reports whether in keeps an address of another scope from being
// added (the kernel's EINVAL "Invalid scope value").
func (m scopes) conflict(in Installed) bool {
	scope, ok := m[scopeKey{in.Link, in.network()}]
	return ok && in.is4() && scope != in.Scope
}

// Conflicts returns the actual addresses that equal a desired one on the same
// interface, with whatever prefix length, and do not carry our mark: those of
// the administrator or of another program. They stay when the desired ones are
// given up, so a host that is backup would still answer for them. On a kernel
// without marks ([Kernel.MarksSupported]) every address looks like that.
func Conflicts(desired []Addr, actual []Installed) []Installed {
	type place struct {
		link string
		addr netip.Addr
	}
	wanted := make(map[place]bool, len(desired))
	for _, a := range desired {
		wanted[place{a.Link, a.Prefix.Addr()}] = true
	}
	var found []Installed
	for _, in := range actual {
		if in.Proto != Protocol && wanted[place{in.Link, in.Prefix.Addr()}] {
			found = append(found, in)
		}
	}
	return found
}
