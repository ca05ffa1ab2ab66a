//go:build vm

// Package ipvs holds the end-to-end tests of load balancing by the kernel's IPVS: real
// connections through a director, with every way of forwarding, the table that hakeep
// makes beside the one that keepalived makes, and what becomes of connections when
// another director takes over. They run in a virtual machine,
// started by `make test-vm`; see package vm.
package ipvs
