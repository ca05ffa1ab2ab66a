// Command hakeep is the daemon and everything that is used with it, in one
// binary. See `hakeep --help`.
//
// It parses arguments, prints, and turns errors into exit codes (exit.go);
// what is done is in the packages under internal.
package main
