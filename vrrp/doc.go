// Package vrrp is the Virtual Router Redundancy Protocol as a pure value: the
// wire format and the state machine of RFC 9568 (version 3) and RFC 3768
// (version 2), with the operator's switches named as keepalived names them.
//
// It has no clock, no socket, no goroutine and no log. A [Router] is one
// host's whole protocol. It is driven by
//
//	actions := router.Step(now, event)
//	deadline, ok := router.NextDeadline()
//
// The same state, the same now and the same event give the same actions. The
// caller (internal/elector, internal/sim) owns time and effects. Two rules
// bind it:
//
//   - A [Timeout] is stepped only after every advert that had already arrived
//     was stepped. Else a process that was stalled would take over from a
//     master whose adverts wait in its socket.
//   - Actions are carried out in their order.
//
// # Glossary
//
// The words are the protocol's, or keepalived's where operators know them
// better:
//
//	instance     one virtual router on one host (vrrp_instance)
//	VRID         virtual router identifier, 1-255
//	master       the router that answers for the addresses (RFC 9568: Active)
//	backup       a router that waits to take over
//	fault        an instance that may not take part, for example its link is down
//	owner        priority 255: the addresses are the router's own
//	advert       an ADVERTISEMENT message
//	learned      interval taken from the master's adverts (Active_Adver_Interval)
//	skew         Skew_Time: the better the priority, the sooner the take-over
//	master down  Active_Down_Interval: silence after which a backup takes over
//
// # States
//
//	          startup delay over
//	Init ───────────────────────────► Backup ◄───────────┐
//	 │                                 │  ▲             │
//	 │ owner                   timer   │  │ better      │ last fault
//	 └───────────────► Master ◄────────┘  │ advert      │ ends
//	                     │  └─────────────┘             │
//	                     └──────────► Fault ────────────┘
//	                       any fault, from any state
//
// # Where things are
//
//	packet.go checksum.go auth.go   what is on the wire
//	reason.go cause.go              vocabularies of counters and transitions
//	timing.go                       one formula a function
//	params.go                       what an instance is configured to do
//	event.go action.go              input and output of Step
//	router.go reconfigure.go        all instances, their timers, reload
//	instance.go                     what all states share
//	accept.go                       the receive checks
//	backup.go master.go fault.go    one file a state
//	snapshot.go                     what status shows
package vrrp
