// Package daemon is the main process of hakeep, `hakeep run`: it reads the
// configuration, keeps an elector running and tells it what to do, keeps the
// firewall's rules, answers the control socket, and writes the log. It may be
// busy, slow or dead without any effect on failover: that is the elector's.
//
// cmd/hakeep calls [Run]. Nothing else does.
//
// # Who owns what
//
//	loop (daemon.go)              the configuration in force, reloads, the stop; published in
//	                              daemon.current for readers
//	supervisor (supervisor.go)    the elector as a process and the conversation with it: it is
//	                              found or started, asked, replaced when it dies or hangs
//	a reload (reload.go)          runs beside the loop, one at a time, and hands its outcome back
//	watchStandbys (standby.go)    what was held back for a time, and who has no master meanwhile
//	writeDumps (dumping.go)       keepalived's dumps, when signals ask for them
//	balancer (balancer.go)        the pool of virtual servers, the checks of their servers, and the
//	                              kernel's services (nftbackend.go, ipvsbackend.go)
//	watchPeers (lonely.go)        which masters have heard no other router
//	history (history.go)          the last events, for `hakeep events`
//	control.Server, firewall.Run  their own
//
// All run in one errgroup: the end of one is the end of all. What is decided is
// decided by pure functions: compile.go makes the elector's configuration and
// the firewall's rules of a config.Config.
//
// # Start and stop
//
// A start that fails changes nothing that lasts. In order: the configuration is
// valid (else *[ConfigError]), the kernel permits the work (*[PermissionError]),
// nobody else uses the runtime directory (*[RunningError]); then the ownership
// file is written, the firewall set and the services of load balancing, an elector
// found or started, and it has the configuration in force. Then the service manager hears READY=1.
//
// SIGUSR1, SIGUSR2, SIGRTMIN+2 and SIGRTMAX-1 write dumps, as keepalived does.
// SIGTERM and SIGINT are an orderly stop, unless systemd says that it restarts
// the unit (restart.go): then the elector is left to the next main. The elector says that it leaves,
// removes the addresses and ends; then the services, rules, sockets and files go. Any
// other end leaves the elector alone, which goes on for main_timeout, so that a
// new main can attach to it without anybody noticing.
package daemon
