// Package elector is the small real-time process of hakeep. It owns the
// vrrp.Router with its sockets, the announcements, and the take-over of the
// addresses; nothing else. It never reads a configuration file, resolves a
// name, runs a script or waits for main: adverts at 10 ms leave 30 ms until
// another router takes over, and a busy process or a garbage collection is late
// by more.
//
// `hakeep run` starts it (the same binary, command `elector`), tells it what to
// do over the socket in the runtime directory (package wire) and may die and
// come back meanwhile.
//
// # Threads
//
//	loop (loop.go)          one locked thread under SCHED_FIFO: sockets, timers, the Router,
//	                        announcements. Never allocates in the steady state, never waits
//	                        for anything but its descriptors, and the relief's turn.
//	relief (relief.go)      sends what is due from another CPU when the loop is late
//	addresses (addrs.go)    one locked thread at a lower real-time priority: brings the
//	                        kernel's addresses in line with what the loop wants, puts back
//	                        what others remove
//	watch (links.go)        reads netlink and tells both
//	conflicts (conflict.go) hears other hosts with our addresses (package acd)
//	control (control.go)    the conversation with main
//
// How the first two wait is in wait.go. The loop, or its relief in its turn, owns all
// state. The others post messages to its inbox; what they get is handed over and not
// touched again.
package elector
