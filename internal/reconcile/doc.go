// Package reconcile holds the parts that every reconciler of hakeep shares:
// the difference between what should be and what is ([Diff]), a bound on how
// often something may be put right again ([Budget]), and the pause between
// attempts that fail ([Backoff]).
//
// Everything here is a pure value. Time is an argument (a monotonic reading as
// a time.Duration), so callers are tested on virtual time. A value has one
// owner and is not safe for concurrent use.
//
// It is used by netif, firewall and lvs. It imports the standard library only
// and must not know what it compares.
package reconcile
