//go:build vm

package ipvs

// required: in the virtual machine of `make test-vm` the kernel has IPVS, or its
// tests would run nowhere.
const required = true
