// Package status is what hakeep tells about itself: the schema of
// `hakeep status --json` and of `hakeep events --json`, how it is put together
// and how it reads for people.
//
// [Build] is pure: from the configuration in force, the elector's snapshot and
// what main knows of itself it makes a [Document]. The daemon builds it, the
// control socket carries it, and the commands print it with [Render]; nobody
// asks the kernel or a clock here.
//
// The JSON is an interface: [Schema] counts its incompatible changes, a golden
// file guards it, and CHANGELOG.md records additions. Durations are seconds as
// a fraction, in fields whose names end in _seconds; times are RFC 3339.
package status
