//go:build !vm

package ipvs

// required: on any other machine the kernel may do without.
const required = false
