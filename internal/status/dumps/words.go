package dumps

import (
	"fmt"
	"strconv"
	"strings"

	"hakeep/internal/config"
)

// mask stands for a password. Its length says nothing.
const mask = "********"

// command is a program with its arguments, each in quotes, as keepalived prints
// it; quotes within are left as they are.
func command(c config.Command) string {
	quoted := make([]string, len(c.Argv))
	for i, a := range c.Argv {
		quoted[i] = "'" + a + "'"
	}
	return strings.Join(quoted, " ")
}

// scopes are the kernel's numbers (rtnetlink.h), in the words of ip address.
var scopes = map[uint8]string{0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}

// address is a virtual address in keepalived's order of words: address, peer,
// brd, dev, scope, label, flags, and the word set when it is in the kernel;
// behind it nftable_set when packets to it are dropped.
func address(a *config.Address, set, dropped bool) string {
	var b strings.Builder
	put := func(show bool, format string, args ...any) {
		if show {
			fmt.Fprintf(&b, " "+format, args...)
		}
	}
	if a.Prefix.IsSingleIP() {
		b.WriteString(a.Prefix.Addr().String())
	} else {
		b.WriteString(a.Prefix.String())
	}
	put(a.Peer.IsValid(), "peer %s", a.Peer)
	put(a.Broadcast.IsValid(), "brd %s", a.Broadcast)
	put(true, "dev %s", a.Dev)
	scope, known := scopes[a.Scope]
	if !known {
		scope = strconv.Itoa(int(a.Scope))
	}
	put(true, "scope %s", scope)
	put(a.Label != "", "label %s", a.Label)
	put(a.Home, "home")
	put(a.DAD, "-nodad")
	put(a.MngTmpAddr, "mngtmpaddr")
	put(a.NoPrefixRoute, "noprefixroute")
	put(a.Autojoin, "autojoin")
	if a.Prefix.Addr().Is6() {
		put(a.PreferredLft == config.Forever, "preferred_lft forever")
		put(a.PreferredLft == 0, "deprecated")
	}
	put(a.NoTrack, "no_track")
	put(set, "set")
	put(set && dropped, "nftable_set")
	return b.String()
}

// tracked is a tracker with its weight, as in .data.
func tracked(t *config.Track) string {
	s := fmt.Sprintf("%s weight %d", t.Name, t.Weight)
	if t.Reverse {
		s += " reverse"
	}
	return s
}

// match is the word of param_match; empty if arguments do not matter.
func match(m config.ProcessMatch) string {
	if m == config.MatchAny {
		return ""
	}
	return m.String()
}

// parameters are the arguments of a tracked process.
func parameters(p *config.TrackProcess) string { return strings.Join(p.Args, " ") }
