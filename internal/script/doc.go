// Package script runs the commands of the configuration: check scripts, notify
// scripts and the like. It decides whether a command may run, as whom and with
// what environment ([Resolve]), runs it once ([Run]) and says how it went.
//
// # What a command can count on
//
//   - No shell: the arguments arrive as they are written.
//   - A process group of its own, normal scheduling and nice value, and the
//     working directory "/" unless another is configured.
//   - Standard input and output are /dev/null. The end of what it writes to
//     standard error is kept for the operator.
//   - No descriptors of the daemon, and an environment without IFS, LD_* and what
//     systemd says to the daemon alone.
//
// # What the daemon can count on
//
// A command never takes memory by writing much, never holds up its caller by
// leaving a process behind that keeps standard error open, is ended with its
// whole process group when its time is over, and is terminated when the daemon
// dies. One that the kernel cannot end (state D) holds its caller until it ends,
// or until [KillGrace] after the context is done.
//
// # Users
//
// The user is the command's own, else the configured default (keepalived:
// script_user), else [DefaultUser]. It is root only when that is said in so many
// words. Users are looked up in /etc/passwd and, where the C library is linked,
// by its name service; supplementary groups are those of the user.
//
// The package is used by the trackers and the notifier. It imports nothing of
// hakeep, keeps no state between runs, and logs nothing: its callers do.
package script
