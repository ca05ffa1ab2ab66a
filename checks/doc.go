// Package checks finds out whether something answers: hosts by ping, services by
// TCP, HTTP or DNS. Instances track such checks (track_check), and load balancing
// decides by them which servers get traffic.
//
// # Parts
//
//   - A [Checker] does one attempt and says how it went. There is one file for
//     each kind: [Ping], [TCP], [HTTP], [DNS], [Get], [SMTP], [UDP], [Misc], [File],
//     [GRPC], [Redis], [MySQL], [PgSQL]. These types are descriptions, which
//     can be compared; [Target] makes a Checker of them.
//   - A [Judge] turns attempts into an outcome: how many in a row it takes, how
//     long a change has to last, when to try again. It is a value without clock.
//   - A [Runner] does the attempts of any number of checks at their times, judges
//     them, and calls back when an outcome changes. TCP checks, of which there may
//     be tens of thousands, share one poller; the others have a goroutine for each
//     attempt.
//   - [Share] finds checks that are the same, so that each is done once.
//
// Only [Misc] forks. All pings share one socket for each address family.
//
// # keepalived's words
//
// A checker of keepalived with retry n and delay_before_retry d, every
// delay_loop, is a [Policy] with Fall n+1, RetryDelay d, Interval delay_loop and
// Rise 1; without alpha Start is [StartUp], with it [StartDown]; warmup is
// Warmup. A track_check has rise and fall, and [StartUnknown]: its first result
// decides, as that of a vrrp_script does.
//
// # Rules
//
// The package logs nothing: who uses it does. Of hakeep it imports only
// internal/script. Its checks connect from the addresses that the kernel chooses,
// unless told otherwise ([Via]).
package checks
