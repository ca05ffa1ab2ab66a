// Command steady runs `go test` for tests that own real time, on machines whose
// host takes the processor away now and then:
//
//	steady [-always] FLAGS OF GO TEST -- PACKAGES
//
// Beside the tests it runs a bare real-time thread on each CPU, above the priority
// of everything that is tested. A test that failed while such a thread could not
// run for [excused] or longer is made again, at most twice, alone with the others
// that failed so; it is told of in the output. Any other failure stands: a test
// that failed on a machine that ran, a data race, a panic, a build that failed,
// and more than [mostAgain] tests. With -always, for emulated machines whose
// processors stand still for more reasons than their host's, the threads are not
// asked.
//
// It knows nothing of hakeep, and must not run anything but go test.
package main
