// Package lvs is load balancing without a kernel: which services there are,
// which servers they have, what the health of the servers means for the
// traffic, and in which order a kernel's tables are changed.
//
// # Parts
//
//   - The model (model.go): a [Service] is what a kernel knows, with its
//     identity ([ID]), its attributes ([Attr]) and its [Server] list. A
//     [VirtualServer] is what the operator configured: one or many services
//     (virtual_server_group) with the same servers, a quorum, a sorry server.
//   - The pool: health and configuration to the services that are wanted, and
//     what is to be told about it (quorum gained, server down). It is pure.
//   - The plan: wanted and actual services to an ordered list of operations.
//     It is pure too.
//
// The kernel's sides are lvs/ipvs and lvs/nft. internal/daemon owns the pools,
// feeds them with the results of package checks, and hands what they want to one
// of the two.
//
// Words are keepalived's and IPVS's. The package imports nothing of hakeep.
package lvs
