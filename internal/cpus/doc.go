// Package cpus keeps what has to be on time apart from long work inside the kernel.
//
// A real-time thread preempts every program, but not the kernel: where that is built
// or started with preempt=none or voluntary, as most distributions do, a thread that
// is due on a CPU on which the kernel does something for another process waits until
// it is done. Loading nftables tables with thousands of servers or reading their
// counters is such work, for tens to hundreds of milliseconds at a time. A thread that
// wakes up is not moved to another CPU because of it.
//
// So both sides keep to one rule: main does that work on the first CPU that it may
// use ([Work]), and the elector's thread of the adverts uses others ([Adverts]). Its
// relief, which acts when that thread is late, has the last CPU for itself, or with two
// or three CPUs shares that for work ([Relief]). With one CPU there is nothing to choose.
package cpus
