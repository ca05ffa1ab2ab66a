// Package control is the control socket: how the commands of hakeep talk to
// the daemon that runs.
//
// It is HTTP over a unix socket, with JSON:
//
//	GET  /status                     status.Document
//	GET  /dump?form=F[&version=N]     keepalived's .json, .data or .stats, as it is
//	GET  /version                    version.Info of the daemon
//	POST /reload                     status.Reload; 200 if in force, 422 if refused
//	POST /standby                    a [Hold] in, status.Moved out; 404 unknown instance, 409 not possible
//	POST /resume                     likewise
//	POST /server                     a [ServerOrder] in, status.ServerAnswer out; 404 unknown server
//	POST /upgrade                    status.Upgrade; 409 if the installed binary cannot take over
//	GET  /events[?after=N][&follow=1] status.Event, one a line; with follow the
//	                                 answer goes on until one side leaves
//
// so that `curl --unix-socket` works too. An error is {"error": "…"}.
//
// The [Server] is run by the daemon, which gives it a [Backend]; the [Client]
// is what the commands use. The socket belongs to root and, where it exists, to
// the group "hakeep", which may do all of this.
package control
