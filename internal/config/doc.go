// Package config reads hakeep's configuration file, /etc/hakeep.toml, and turns
// it into a validated Config.
//
// The way from text to Config has four steps:
//
//  1. Positions: an index of the line of every key and list entry
//     (position.go). BurntSushi/toml, which decodes the values, has no
//     positions for decoded keys. The index comes from a small scanner of our
//     own rather than from a second TOML parser, because it must accept exactly
//     what the decoder accepts, has to know the line of list entries too, and
//     because it is also the place where nesting is bounded and where keys that
//     are set twice are found, which the decoder misses in some cases.
//  2. Decoding of the text into generic maps by BurntSushi/toml; a syntax error
//     is translated into plain words (syntax.go).
//  3. Every key is looked up in the keyword table (keyword.go and
//     keywords_*.go), which says where it belongs, its type, range, default,
//     reload behaviour and whether hakeep does, tolerates or refuses it
//     (decode.go).
//  4. The typed values become Global, Instance and other values, and rules that
//     look at several keys or several instances are checked (global.go,
//     instance.go and others). What can be tracked and static items are read
//     before the instances, sync groups after them, whatever their order in the
//     file; the weights of trackers are settled last (group.go, track.go).
//
// Lines in the notation of ip route and ip rule and tables of the same parts go
// through one draft each (routeline.go, rule.go), so that both mean the same.
//
// Loading is all or nothing, but no step stops at the first problem: all of
// them are collected with file, line and key, what is wrong and what is
// allowed.
//
// The daemon and the commands check and import call this package. It looks at
// nothing but the text, and at iproute2's files for the names of routing tables
// and the like, through a file system that ParseFS is given: whether interfaces,
// users and programs exist on this host is asked through CheckOn. It runs
// nothing and knows neither the protocol nor the kernel; the daemon
// translates a Config into the inputs of those packages.
package config
