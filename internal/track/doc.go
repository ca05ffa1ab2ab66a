// Package track watches what instances track besides interfaces: the results of
// scripts (keepalived: vrrp_script), numbers in files (track_file), running
// processes (vrrp_track_process) and built-in checks (track_check), and adds up
// for every instance what that means for its priority.
//
// # Parts
//
// The decisions are pure values: [Counter] (rise and fall of a script),
// [FileWeight], [Process.Matches], [Quorum], and [Weight], which turns one
// tracked object into a weight or a fault. The plumbing around them is
// [Manager]: it runs scripts, watches files by inotify and processes by the
// kernel's process events, and calls back when the sum for an instance changes.
// Built-in checks run elsewhere (package checks); the daemon hands their results
// to [Manager.Report].
//
// # What the sum means
//
// [Total].Weight is added to the priority by the elector, which adds that of the
// tracked interfaces and clips the result to 1..254; so the sum here is not
// clipped. Total.Fault is FAULT: an object with weight 0 has failed, or a file
// holds -254 or less times its weight. Until Total.Ready an instance must not be
// elected: an object with weight 0 has given no result yet (keepalived holds an
// instance in the same way). Once ready, an instance stays ready: what a reload
// adds counts as well until its first result.
//
// Which objects count for which instance is for the caller to say: members of a
// sync group bring those of the group, and lose their weights or not
// (sync_group_tracking_weight), before the list comes here.
//
// # Deliberate differences to keepalived
//
//   - init_fail has an effect: the script counts as failed until rise successes.
//   - A failure by timeout counts when the time is over, not when the processes
//     have ended, and a tick that still finds them counts as one more: a script
//     that hangs in the kernel brings its tracker down after fall intervals.
//   - Time in which the machine stood still does not time a script out.
//   - A script whose command a reload changes keeps its outcome until the new
//     command's first result, which decides.
//   - Starts are spread over the interval.
//   - A tracked file may be on a file system that is mounted read-only.
//
// The package is used by the daemon. It must not know sockets of VRRP, the
// configuration file, or other trackers' meaning beyond weights.
package track
