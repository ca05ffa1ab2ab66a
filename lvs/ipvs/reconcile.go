package ipvs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hakeep/lvs"
)

// Resync is how often the caller should reconcile although nothing has changed on its
// side: so long does it take at most until what others have changed is put right.
// Reading a table of a few dozen services takes a few milliseconds; where it takes
// long, the caller should do it less often.
const Resync = 10 * time.Second

// rounds is how often a table that somebody else changes at the same time is read
// again before Reconcile gives up until the next time.
const rounds = 3

// Drain says that a server which is no longer wanted stays with weight 0, in view of
// the connections it still has. It is asked with every Reconcile.
type Drain func(lvs.ID, lvs.ServerCounters) bool

// Report is what [Client.Reconcile] has done.
type Report struct {
	// Applied are the changes that were made, in order.
	Applied []lvs.Op
	// Draining are the servers that are not wanted and stay with weight 0.
	Draining []Draining
}

// Draining is a server that stays until it has drained.
type Draining struct {
	ID     lvs.ID
	Server lvs.ServerCounters
}

// Reconcile makes the services of this owner the desired ones: those that are in
// desired or that owned accepts. It reads what is there and applies only the
// difference (see [lvs.Diff]); all other services are not touched. Owned may be nil,
// then nothing is deleted but servers of the desired services. Drain may be nil.
//
// What the kernel refuses does not keep the rest from being done. The error joins an
// [*OpError] for each refused change. What somebody else does to the table at the same
// time is no error: it is read again.
func (c *Client) Reconcile(ctx context.Context, desired []lvs.Service, owned func(lvs.ID) bool, drain Drain) (Report, error) {
	var report Report
	wanted := make(map[lvs.ID]bool, len(desired))
	for _, s := range desired {
		wanted[lvs.Canonical(lvs.Service{ID: s.ID}).ID] = true
	}
	mine := func(id lvs.ID) bool { return wanted[id] || owned != nil && owned(id) }
	// refused holds what this kernel does not take, so it is not tried again.
	refused := map[lvs.Op]error{}
	var order []lvs.Op
	for range rounds {
		actual, counters, err := c.read(ctx, mine)
		if err != nil {
			return report, err
		}
		ops := slices.DeleteFunc(c.plan(desired, actual, counters, drain, &report), func(op lvs.Op) bool {
			return refused[op] != nil
		})
		again, err := c.apply(ctx, ops, func(op lvs.Op, err error) {
			if refused[op] == nil {
				order = append(order, op)
			}
			refused[op] = err
		}, &report)
		if err != nil {
			return report, err
		}
		if !again {
			break
		}
	}
	var errs []error
	for _, op := range order {
		errs = append(errs, &OpError{Op: op, Err: refused[op]})
	}
	return report, errors.Join(errs...)
}

// Amend makes the services the desired ones if the table is as the last Reconcile left
// it, with the services before: it applies the difference of the two, and reads nothing. To read
// thousands of services takes longer than to change one. It reports false if the
// kernel took something otherwise: then Reconcile has to look.
func (c *Client) Amend(ctx context.Context, before, desired []lvs.Service) (bool, error) {
	asBefore := true
	again, err := c.apply(ctx, lvs.Diff(desired, before, nil), func(lvs.Op, error) { asBefore = false }, &Report{})
	return asBefore && !again && err == nil, err
}

// plan is lvs.Diff with the connections that Drain wants to know.
func (c *Client) plan(desired, actual []lvs.Service, counters []lvs.ServiceCounters, drain Drain, report *Report) []lvs.Op {
	report.Draining = nil
	if drain == nil {
		return lvs.Diff(desired, actual, nil)
	}
	type key struct {
		id       lvs.ID
		endpoint lvs.Endpoint
	}
	byKey := map[key]lvs.ServerCounters{}
	for _, s := range counters {
		for _, r := range s.Servers {
			byKey[key{s.ID, r.Server.Endpoint}] = r
		}
	}
	asked := map[key]bool{}
	return lvs.Diff(desired, actual, func(id lvs.ID, s lvs.Server) bool {
		k := key{id, s.Endpoint}
		// Diff may ask twice for the servers of a service that goes.
		if keep, known := asked[k]; known {
			return keep
		}
		asked[k] = drain(id, byKey[k])
		if asked[k] {
			report.Draining = append(report.Draining, Draining{ID: id, Server: byKey[k]})
		}
		return asked[k]
	})
}

// apply does the operations in order. Again says that the table was not what it was
// read as, so it has to be read once more. The error is one of the connection.
func (c *Client) apply(ctx context.Context, ops []lvs.Op, refused func(lvs.Op, error), report *Report) (again bool, err error) {
	// Services that could not be added: that their servers cannot be either is no news.
	missing := map[lvs.ID]bool{}
	changes := make([]change, 0, batch)
	for part := range slices.Chunk(ops, batch) {
		changes = changes[:0]
		for i := range part {
			changes = append(changes, changeOf(&part[i]))
		}
		failed := map[int]error{}
		if err := c.pipeline(ctx, changes, func(i int, err error) { failed[i] = err }); err != nil {
			return false, fmt.Errorf("change the IPVS table: %w", err)
		}
		for i, op := range part {
			err := failed[i]
			switch {
			case err == nil:
				report.Applied = append(report.Applied, op)
			case op.Kind == lvs.AddServer && missing[op.ID]:
			case race(op, err):
				again = true
			default:
				refused(op, err)
				if op.Kind == lvs.AddService {
					missing[op.ID] = true
				}
			}
		}
	}
	return again, nil
}

// changeOf translates an operation into its request.
func changeOf(op *lvs.Op) change {
	switch op.Kind {
	case lvs.AddService, lvs.EditService:
		cmd := uint8(cmdNewService)
		if op.Kind == lvs.EditService {
			cmd = cmdSetService
		}
		return change{cmd, func(b []byte) []byte { return appendService(b, op.ID, op.Attr) }}
	case lvs.DeleteService:
		return change{cmdDelService, func(b []byte) []byte { return appendID(b, op.ID) }}
	case lvs.AddServer, lvs.EditServer:
		cmd := uint8(cmdNewDest)
		if op.Kind == lvs.EditServer {
			cmd = cmdSetDest
		}
		return change{cmd, func(b []byte) []byte { return appendServer(appendID(b, op.ID), op.Server) }}
	case lvs.DeleteServer:
		return change{cmdDelDest, func(b []byte) []byte { return appendEndpoint(appendID(b, op.ID), op.Server.Endpoint) }}
	}
	panic("ipvs: unknown operation " + op.String())
}
