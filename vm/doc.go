//go:build vm

// Package vm holds the end-to-end tests that need a kernel which the machine
// that tests may not have: VRRP over VLANs, bonds and interfaces of a VRF. They
// run inside a virtual machine, started by run.sh:
//
//	vm/build.sh                                    # once: makes the image
//	HAKEEP_BIN=./hakeep ADD=bin/hakeep go test -tags vm -exec $PWD/vm/run.sh ./vm/
//
// `make test-vm` does this, and then runs package vm/ipvs, load balancing by the
// kernel's IPVS, and package vm/systemd, the test of packaging/hakeep.service on a
// machine where systemd is PID 1. Tests of other
// packages that are skipped for want of a kernel module can run there in the
// same way; without the build tag there is nothing in this package.
package vm
