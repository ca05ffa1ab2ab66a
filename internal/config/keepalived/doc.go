// Package keepalived reads keepalived.conf files and turns them into hakeep's
// configuration.
//
// The way from a file to a Config has four steps:
//
//  1. Lines (reader.go, define.go, sequence.go, include.go): comments,
//     conditions (@id), definitions ($NAME), repetitions (~SEQ, ~LST) and
//     includes are resolved. Every line keeps its place in the user's own file.
//  2. A tree of statements and blocks (words.go, tree.go).
//  3. Conversion by the keyword table of package config into TOML text
//     (convert.go, values.go, document.go). What keepalived tolerates and hakeep
//     does not is changed with a message; what hakeep does not do is reported
//     as a loss and stays in the text as a comment.
//  4. Package config reads that text, so that the same rules hold for both
//     formats. Its problems get the places in the keepalived.conf (load.go).
//
// The commands run, check and import call this package. It is pure: files come
// from an fs.FS, environment and host name from Options. Whatever the input,
// time and memory are bounded by the constants of limits.go.
package keepalived
