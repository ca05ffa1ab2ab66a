// Package metrics answers over HTTP how hakeep is: /metrics for Prometheus,
// /status as JSON, /healthz and /livez for probes.
//
// The daemon calls it, when http_listen is set: [Handler] turns the daemon's
// status.Document into answers, [Follow] serves them on the configured address
// and moves along when a reload changes it. Everything comes from the
// document: this package keeps no counters, starts nothing at construction and
// registers nothing globally.
//
// Names follow the statistics of RFC 8347 (ietf-vrrp) where it has them. They
// are an interface: the table in families_*.go is the only place where they are
// said, a golden file guards what is served, docs/operation.md and the
// dashboard and alerts in packaging/ are tested against the table, and
// CHANGELOG.md records changes.
//
// Counters are the elector's and start at zero when it does; while it does not
// answer they are absent rather than zero.
package metrics
