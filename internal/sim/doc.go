// Package sim proves hakeep's VRRP core as far as running it can: it simulates
// whole networks of it in virtual time, searches through all states of small
// ones, and replays written scenarios. Only tests use it. It has no clock,
// socket or goroutine of its own.
//
// # The simulator
//
// A [World] is a network of hosts. Each host has the real vrrp.Router and the
// real arp.Schedule, driven in the order of the elector's loop, a clock that
// runs at a rate of its own, a kernel with a table of addresses that outlives
// the process and takes its time to change, and ports. The packets are the real
// bytes. Clients remember where the virtual addresses are and never find out by
// themselves that they are wrong. The network loses, delays, doubles, reorders
// and cuts; see [FaultKind] for everything that can happen.
//
// A monitor looks at every step and compares it with the invariants (see
// [Invariant] and the table in invariant.go), partly by an oracle that computes
// again, from the standard, what a router may do when.
//
//   - TestRandom makes a [Plan] from each seed: a network, rounds of many
//     faults, a quiet time, single faults. HAKEEP_SIM_SECONDS says how many
//     simulated seconds, HAKEEP_SIM_SEED replays one plan with a full trace. A
//     failing plan is minimised before it is shown.
//   - TestScenarios runs testdata/sim/*.txt: commands, then the expected trace;
//     -rewrite writes the traces anew. See [RunScenario] for the language.
//   - TestModel searches all states of two or three routers: every order of
//     events, every place for a few faults. See [Model].
//   - TestMutations plants bugs into copies of vrrp by go test -overlay; each
//     has to be found by one of the above.
//
// # Extending it
//
// What a router does belongs into host.go and process.go, what may go wrong into
// fault.go, what must hold into invariant.go. A change of the protocol's
// behaviour changes the oracle (oracle.go) in the same commit.
package sim
