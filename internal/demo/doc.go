// Package demo is `hakeep demo`: two routers and a client in network namespaces
// that the program makes itself, with real daemons, and a client that counts
// answers from the virtual address each millisecond. It shows what a failover
// costs on this machine. Nothing of the host's network is touched.
package demo
