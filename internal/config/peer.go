package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// placedPeer is a peer of the file with its line.
type placedPeer struct {
	Peer
	line int
}

// peers reads unicast_peer. The second result says whether one of the entries
// bounds the TTL, which switches the check of sources on.
func (b *block) peers() ([]placedPeer, bool) {
	const key = "unicast_peer"
	var out []placedPeer
	bounded := false
	seen := make(map[netip.Addr]bool)
	for _, it := range b.items(key) {
		shown, line := describe(it.raw), it.node.line
		fail := func(format string, args ...any) {
			b.d.add(Error, line, b.join(key), "%s %s", shown, fmt.Sprintf(format, args...))
		}
		var p Peer
		var ttl, ok bool
		switch v := it.raw.(type) {
		case string:
			p, ttl, ok = peerLine(v, fail)
		case map[string]any:
			shown = describe(v["address"])
			p, ttl, ok = peerTable(b.d.block(BlockPeer, b.join(key), v, it.node))
		default:
			fail(`is neither text nor a table; write for example "192.0.2.2"`)
		}
		switch {
		case !ok:
			continue
		case p.Addr.IsMulticast() || p.Addr.IsUnspecified():
			fail("is not the address of a router")
		case p.MinTTL > p.MaxTTL:
			fail("has a min_ttl of %d above its max_ttl of %d", p.MinTTL, p.MaxTTL)
		case seen[p.Addr]:
			b.d.add(Warning, line, b.join(key), "%s is listed twice; the second one is dropped", shown)
		default:
			seen[p.Addr] = true
			out = append(out, placedPeer{p, line})
			bounded = bounded || ttl
		}
	}
	return out, bounded
}

// peerLine reads keepalived's notation: IP [min_ttl N] [max_ttl N].
func peerLine(line string, fail func(string, ...any)) (p Peer, bounded, ok bool) {
	words := strings.Fields(line)
	if len(words) == 0 {
		fail(`is empty; write for example "192.0.2.2"`)
		return p, false, false
	}
	addr, wrong := parseAddr(words[0])
	if wrong != "" {
		fail("%s", wrong)
		return p, false, false
	}
	p = Peer{Addr: addr, MaxTTL: 255}
	for words = words[1:]; len(words) > 0; words = words[2:] {
		word := words[0]
		if word != "min_ttl" && word != "max_ttl" {
			fail("has the unknown word %s; known ones are min_ttl, max_ttl", describe(word))
			return p, false, false
		}
		if len(words) == 1 {
			fail("ends after %s; its value is missing", word)
			return p, false, false
		}
		n, err := strconv.ParseUint(words[1], 10, 8)
		if err != nil {
			fail("has the %s %s; allowed: 0 to 255", word, describe(words[1]))
			return p, false, false
		}
		if word == "min_ttl" {
			p.MinTTL = uint8(n)
		} else {
			p.MaxTTL = uint8(n)
		}
		bounded = true
	}
	return p, bounded, true
}

// peerTable reads the notation with named parts.
func peerTable(b *block) (p Peer, bounded, ok bool) {
	if !b.has("address") || b.wrong("min_ttl") || b.wrong("max_ttl") {
		return p, false, false
	}
	p = Peer{Addr: b.addr("address"), MinTTL: uint8(b.num("min_ttl")), MaxTTL: uint8(b.num("max_ttl"))}
	return p, b.has("min_ttl") || b.has("max_ttl"), true
}
