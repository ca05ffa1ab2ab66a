package netif

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// ItemBackend is what an ItemReconciler works on: a Kernel or, in tests, a
// FakeItems.
type ItemBackend interface {
	// Links returns all interfaces.
	Links() ([]Link, error)
	// Items returns the routes with one of these protocols, and all rules.
	Items(protocols []uint8) ([]Item, error)
	// ApplyItems works operations off in order; see Kernel.ApplyItems.
	ApplyItems(ops []ItemOp, done func(op ItemOp, err error)) error
}

var _ ItemBackend = (*Kernel)(nil)

// Items returns the IPv4 and IPv6 routes of all tables whose protocol is one
// of these, and the rules of all protocols. Where the kernel can (Linux 4.20)
// it looks for the protocol, so that a full table of others costs little.
func (k *Kernel) Items(protocols []uint8) ([]Item, error) {
	routes, err := k.routes(protocols)
	if err != nil {
		return nil, err
	}
	rules, err := k.rules()
	if err != nil {
		return nil, err
	}
	return Items(routes, rules), nil
}

func (k *Kernel) routes(protocols []uint8) ([]Route, error) {
	strict := unix.SetsockoptInt(k.fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1) == nil
	defer func() { _ = unix.SetsockoptInt(k.fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 0) }()
	names := k.namer()
	var all []Route
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		asked := protocols
		if !strict && len(asked) > 1 {
			asked = asked[:1] // everything comes at once
		}
		for _, protocol := range asked {
			var some []Route
			err := k.dump(unix.RTM_GETROUTE, func(b []byte) []byte {
				some = some[:0]
				header := make([]byte, unix.SizeofRtMsg)
				header[0] = family
				if strict {
					header[5] = protocol
				}
				return append(b, header...)
			}, func(m message) error {
				if len(m.body) < unix.SizeofRtMsg || m.body[0] != family || !slices.Contains(protocols, m.body[5]) {
					return nil
				}
				r, ok, err := parseRoute(m.body, names)
				if ok && m.kind == unix.RTM_NEWROUTE {
					some = append(some, r)
				}
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("read routes: %w", err)
			}
			all = append(all, some...)
		}
	}
	return all, nil
}

func (k *Kernel) rules() ([]Rule, error) {
	var rules []Rule
	err := k.dump(unix.RTM_GETRULE, func(b []byte) []byte {
		rules = rules[:0]
		return append(b, make([]byte, sizeofRule)...)
	}, func(m message) error {
		r, ok, err := parseRule(m.body)
		if ok && m.kind == unix.RTM_NEWRULE {
			rules = append(rules, r)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	return rules, nil
}

// namer returns the names of interfaces, asking once for each.
func (k *Kernel) namer() func(int) string {
	names := map[int]string{0: ""}
	return func(index int) string {
		name, seen := names[index]
		if !seen {
			name, _ = linkName(k.fd, index)
			names[index] = name
		}
		return name
	}
}

// ApplyItems works the operations off in order, in batches of several requests
// per system call, and calls done for each, in order, when its batch is
// answered. VRFs must be resolved: Route.Table says the table.
//
// The error given to done is nil for success, also for a removal of what is
// not there. It wraps ErrNoLink if there is no such interface, ErrLinkDown if
// it is down, ErrItemExists if what is to be added is there, else the kernel's
// error number. The error that ApplyItems returns is about the socket.
func (k *Kernel) ApplyItems(ops []ItemOp, done func(op ItemOp, err error)) error {
	links := make(map[string]int)
	for chunk := range slices.Chunk(ops, batchOps) {
		errs, err := k.applyItems(chunk, links)
		if err != nil {
			return fmt.Errorf("change routes and rules: %w", err)
		}
		for i, op := range chunk {
			done(op, errs[i])
		}
	}
	return nil
}

// applyItems sends one batch and returns the outcome of each operation.
func (k *Kernel) applyItems(ops []ItemOp, links map[string]int) ([]error, error) {
	errs := make([]error, len(ops))
	requests := make([]int, 0, len(ops)) // indices of ops
	first := k.seq + 1
	last := 0
	k.out = k.out[:0]
	for i, op := range ops {
		if errs[i] = k.itemLinks(op, links); errs[i] != nil {
			if op.Kind == OpDelete && errors.Is(errs[i], ErrNoLink) {
				errs[i] = nil // gone with it
			}
			continue
		}
		k.seq++
		last = len(k.out)
		requests = append(requests, i)
		k.out = appendItem(k.out, op, k.seq, func(name string) int { return links[name] })
	}
	if len(requests) == 0 {
		return errs, nil
	}
	askForAck(k.out, last)
	if err := k.send(k.out); err != nil {
		return nil, err
	}
	return errs, k.receiveFrom(first, func(m message) (bool, error) {
		if m.kind != unix.NLMSG_ERROR {
			return false, nil
		}
		e, _, err := parseError(m)
		if err != nil {
			return true, err
		}
		if i := requests[m.seq-first]; e != nil {
			errs[i] = itemError(ops[i], e)
		}
		return m.seq == k.seq, nil
	})
}

// itemLinks finds the interfaces of an operation's item.
func (k *Kernel) itemLinks(op ItemOp, links map[string]int) error {
	if err := op.Item.Check(); err != nil {
		return err
	}
	if op.Item.Route == nil {
		return nil
	}
	for _, h := range op.Item.Route.NextHops {
		if h.Dev == "" {
			continue
		}
		index, seen := links[h.Dev]
		if !seen {
			var err error
			if index, err = linkIndex(k.fd, h.Dev); err != nil && !errors.Is(err, ErrNoLink) {
				return fmt.Errorf("%s: %w", op, err)
			}
			links[h.Dev] = index
		}
		if index == 0 {
			return fmt.Errorf("%s: interface %s: %w", op, h.Dev, ErrNoLink)
		}
	}
	return nil
}

// appendItem appends the request of an operation.
func appendItem(b []byte, op ItemOp, seq uint32, index func(string) int) []byte {
	if rule := op.Item.Rule; rule != nil {
		if op.Kind == OpDelete {
			return appendRule(b, unix.RTM_DELRULE, 0, seq, *rule)
		}
		// NLM_F_EXCL would refuse a rule if one of the same priority says more.
		return appendRule(b, unix.RTM_NEWRULE, unix.NLM_F_CREATE, seq, *rule)
	}
	r := op.Item.Route.normal()
	flags := uint16(unix.NLM_F_CREATE)
	switch {
	case op.Kind == OpDelete:
		return appendRoute(b, unix.RTM_DELROUTE, 0, seq, r, index)
	case op.Kind == OpReplace:
		flags |= unix.NLM_F_REPLACE
	case !r.is4() || r.Placement == PlaceAlone:
		// Without it IPv6 makes one multipath route of ours and another's.
		flags |= unix.NLM_F_EXCL
	case r.Placement == PlaceAppend:
		flags |= unix.NLM_F_APPEND
	}
	return appendRoute(b, unix.RTM_NEWROUTE, flags, seq, r, index)
}

// itemError is the kernel's error as it is reported; nil for a removal of what
// is gone.
func itemError(op ItemOp, e *kernelError) error {
	if op.Kind == OpDelete {
		switch e.errno {
		case unix.ESRCH, unix.ENOENT, unix.ENODEV, unix.ENETDOWN:
			return nil
		}
	}
	switch e.errno {
	case unix.EEXIST:
		return fmt.Errorf("%s: %w", op, ErrItemExists)
	case unix.ENODEV:
		return fmt.Errorf("%s: %w", op, ErrNoLink)
	case unix.ENETDOWN:
		return fmt.Errorf("%s: %w", op, ErrLinkDown)
	}
	return fmt.Errorf("%s: %w", op, e)
}

// ErrItemExists says that a route in the same place is there.
var ErrItemExists = fmt.Errorf("a route of another program is in its place, set another metric: %w", ErrExists)
