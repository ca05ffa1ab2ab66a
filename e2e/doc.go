// Package e2e holds the end-to-end tests: real daemons in network namespaces,
// seen from another host. Each file draws its topology. They need root and
// Debian's keepalived; without, they are skipped, and fail where
// HAKEEP_E2E=strict.
package e2e
