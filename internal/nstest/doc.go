// Package nstest brings package lab into tests: namespaces, switches and
// daemons that are removed when the test ends, and the rule for tests that
// need more than an ordinary user may do.
//
// A test begins with [Require], which skips it where network namespaces
// cannot be made. With HAKEEP_E2E=strict in the environment nothing is
// skipped: what is missing fails the test, so that a machine that is meant to
// run them all cannot pass by running none.
//
// Tests wait for events (lab.Capture.Wait, lab.Keepalived.WaitState), or poll
// with [Eventually] where there is no event; nothing else in them sleeps.
package nstest
