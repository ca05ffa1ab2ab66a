// Package wire is what the two processes of hakeep say to each other: main and
// the elector, over a unix stream socket that the elector listens on in the
// runtime directory.
//
// A message is a length (4 bytes, big endian) and a [Message] in JSON: short
// enough to be logged, and old and new versions can at least read each other's
// [Hello]. Both sides begin with one; a different [Version] ends the
// conversation, and main then replaces the elector.
//
// A reload sends what differs from the configuration in force ([Config.Since]), if
// the elector's Hello says that it takes that.
//
// Nothing here is on the path of an advert. The elector never waits for main:
// what it has to tell is an [Event] in a bounded ring with sequence numbers,
// from which a main that attaches later reads on.
package wire
