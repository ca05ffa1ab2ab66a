// Package notify tells others what instances, sync groups and the servers of load
// balancing do: it runs notify scripts, writes lines to FIFOs and sends mail, with
// keepalived's words, arguments and line formats.
//
// The daemon says what is wanted ([Manager.Apply]) and what happened
// ([Manager.Notify]); neither call waits for anything. [Manager.Run] does the
// work, [Manager.Stop] ends it in order.
//
// # Scripts
//
// Each instance, each group and each server has a queue of its own: one script at a time, in
// the order of events, each ended when its time is over. The last state wins: a
// state that is over before its scripts have started is skipped, and so is what
// had not started of the scripts of a state (keepalived runs all of them at the
// same time, in no order). Both kinds of scripts run, the specific one first.
// A script that hangs holds up its own instance only.
//
// # FIFOs
//
// Every event is a line; lines are never put together. A FIFO without a reader
// keeps what fits into it (64 KiB) and this package keeps 4,096 lines more; then
// the oldest of those are dropped, so that the newest state always arrives. A
// FIFO that somebody removes is made again.
//
// # Groups
//
// As in keepalived an instance is silent when it enters the state that its group
// has already, except for its first notification. All of scripts, FIFO and mail
// follow that rule.
//
// # Mail
//
// Messages are queued (256), sent over plain SMTP and tried again with growing
// pauses for a day. A recipient that is refused does not keep others from theirs.
//
// The package imports nothing that knows configuration or protocol; the daemon
// translates. It must not be waited for on the way of adverts, and never is.
package notify
