// Package manual writes the manual from the program itself: man pages and
// shell completions from the commands, hakeep.toml(5) and
// docs/configuration.md from the keyword table. What the program does not know
// is not in the manual, and what it knows is; tests see to both.
//
// It belongs to `make install`, which runs cmd/hakeep with the build tag docs:
//
//	go run -tags docs ./cmd/hakeep manual --dir DIR
//
// The program that is installed does not carry it: it needs a Markdown and a
// YAML parser, and all of the program's code is locked into the elector's
// memory.
package manual
