package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// routeDraft is a route while it is read, from a line or a table.
type routeDraft struct {
	Route
	spot

	seen      map[string]bool
	family    Family // as said by inet or inet6, else 0
	viaFamily Family // as said before the gateway, else 0
	to        string
	proto     string
	table     string
	scope     string
	hops      []*hopDraft
	static    bool
}

// hopDraft is a gateway of a multipath route while it is read.
type hopDraft struct {
	NextHop
	family Family // as said before the gateway, else 0
}

// routes reads virtual_routes or static_routes.
func (b *block) routes(key string, static bool) []Route {
	var out []Route
	seen := map[string]bool{} // a route has a list and is no key itself
	for _, it := range b.items(key) {
		r := &routeDraft{spot: spot{d: b.d, line: it.node.line, key: b.join(key), shown: describe(it.raw)}, seen: map[string]bool{}, static: static}
		r.Type, r.Placement = RouteUnicast, PlacePrepend
		switch v := it.raw.(type) {
		case string:
			r.readLine(v)
		case map[string]any:
			r.shown = describe(v["to"])
			r.readTable(v, it.node)
		default:
			r.errorf(`is neither text nor a table; write for example "192.0.2.0/24 via 198.51.100.1 dev eth0"`)
		}
		if r.finish() {
			r.d.addLinks(&r.spot, r.Dev, r.VRF)
			for _, h := range r.NextHops {
				r.d.addLinks(&r.spot, h.Dev)
			}
			id := fmt.Sprint(r.Route)
			if seen[id] {
				r.warnf("is a duplicate and is dropped")
				continue
			}
			seen[id] = true
			out = append(out, r.Route)
		}
	}
	return out
}

// addLinks notes interfaces that an entry needs.
func (d *decoder) addLinks(s *spot, links ...string) {
	for _, link := range links {
		if link != "" {
			d.links = append(d.links, linkRef{link, s.line, s.key, "this is put into the kernel when it appears"})
		}
	}
}

// readLine reads keepalived's notation, which is that of ip route.
func (r *routeDraft) readLine(line string) {
	words := strings.Fields(line)
	if len(words) == 0 {
		r.errorf(`is empty; write for example "192.0.2.0/24 via 198.51.100.1 dev eth0"`)
		return
	}
	words = r.readHead(words)
	for len(words) > 0 && !r.failed {
		word := words[0]
		words = words[1:]
		switch {
		case word == "nexthop":
			words = r.readHop(words)
		case slices.Contains([]string{"add", "prepend", "append"}, word):
			r.set("placement", word)
		case slices.Contains(routeFlags(), word):
			r.set(word, "true")
		case !slices.Contains(routeWords(), routeSynonym(word)):
			r.unknownWord(word, routeWords(), routeFlags(), []string{"nexthop", "add", "prepend", "append"})
		default:
			var value string
			value, words = takeValue(words)
			if value == "" {
				r.errorf("ends after %s; its value is missing", word)
				return
			}
			r.set(routeSynonym(word), value)
		}
	}
}

// readHead reads the family, type and destination, which come first.
func (r *routeDraft) readHead(words []string) []string {
	if f := familyWord(words[0]); f != 0 && len(words) > 1 {
		r.family = f
		words = words[1:]
	}
	if _, ok := routeTypes()[words[0]]; ok || words[0] == "nat" {
		r.set("type", words[0])
		words = words[1:]
	}
	if len(words) > 0 && words[0] == "to" {
		words = words[1:]
	}
	if len(words) == 0 {
		r.errorf(`has no destination; write for example "192.0.2.0/24 via 198.51.100.1 dev eth0"`)
		return nil
	}
	r.set("to", words[0])
	return words[1:]
}

// familyWord returns the family that inet and inet6 stand for, else 0.
func familyWord(word string) Family {
	switch word {
	case "inet":
		return FamilyIPv4
	case "inet6":
		return FamilyIPv6
	}
	return 0
}

// takeValue takes a value off the words, with a word before it that belongs to
// it: lock, inet or inet6.
func takeValue(words []string) (string, []string) {
	n := 1
	if len(words) > 0 && (words[0] == "lock" || familyWord(words[0]) != 0) {
		n = 2
	}
	if len(words) < n {
		return "", nil
	}
	return strings.Join(words[:n], " "), words[n:]
}

// unknownWord reports a word that the line cannot have.
func (s *spot) unknownWord(word string, known ...[]string) {
	s.errorf("has the unknown word %s; known ones are %s", describe(word), strings.Join(slices.Concat(known...), ", "))
}

// readHop reads what follows the word nexthop in a line.
func (r *routeDraft) readHop(words []string) []string {
	h := &hopDraft{NextHop: NextHop{Weight: 1}}
	r.hops = append(r.hops, h)
	for len(words) > 0 && !r.failed {
		word := words[0]
		if word == "onlink" {
			h.Onlink = true
			words = words[1:]
			continue
		}
		if !slices.Contains([]string{"via", "dev", "weight", "realms", "encap"}, word) {
			break
		}
		value, rest := takeValue(words[1:])
		if value == "" {
			r.errorf("ends after %s; its value is missing", word)
			return nil
		}
		words = rest
		r.setHop(h, word, value)
	}
	return words
}

// setHop sets a part of a gateway of a multipath route.
func (r *routeDraft) setHop(h *hopDraft, name, value string) {
	switch name {
	case "via":
		h.Via, h.family = r.gateway(value)
	case "dev":
		h.Dev = r.link("dev", value)
	case "weight":
		n, err := strconv.ParseUint(value, 10, 16)
		if err != nil || n < 1 || n > 256 {
			r.errorf("has the weight %s; allowed: 1 to 256", describe(value))
		}
		h.Weight = int(n)
	case "realms":
		h.Realms = r.realms(value)
	case "onlink":
		h.Onlink = value == "true"
	case "encap":
		r.errorf("has encap, which is not done: encapsulation")
	}
}

// readTable reads the notation with named parts.
func (r *routeDraft) readTable(table map[string]any, n *node) {
	before := r.d.errors
	b := r.d.block(BlockRoute, r.key, table, n)
	parts := &fields{vals: map[string]string{}}
	parts.take(b)
	for _, name := range slices.Concat([]string{"to", "type", "family", "placement"}, routeWords(), routeFlags()) {
		if v, ok := parts.vals[name]; ok {
			r.set(name, v)
		}
	}
	for _, it := range b.items("nexthop") {
		switch v := it.raw.(type) {
		case string:
			words := strings.Fields(strings.TrimPrefix(v, "nexthop "))
			if rest := r.readHop(words); len(rest) > 0 {
				r.unknownWord(rest[0], []string{"via", "dev", "weight", "onlink", "realms"})
			}
		case map[string]any:
			h := &hopDraft{NextHop: NextHop{Weight: 1}}
			r.hops = append(r.hops, h)
			hop := &fields{vals: map[string]string{}}
			hop.take(r.d.block(BlockNextHop, b.join("nexthop"), v, it.node))
			for _, name := range slices.Sorted(maps.Keys(hop.vals)) {
				r.setHop(h, name, hop.vals[name])
			}
		default:
			r.errorf(`has the nexthop %s; write for example "via 198.51.100.1 dev eth0 weight 2"`, describe(v))
		}
	}
	r.failed = r.failed || r.d.errors > before
}

// routeFlags are the words of a route that stand alone.
func routeFlags() []string { return []string{"onlink", "no_track"} }

// routeWords are the words of a route that take a value.
func routeWords() []string {
	return slices.Concat([]string{
		"via", "dev", "src", "from", "table", "protocol", "scope", "metric", "tos", "realms", "vrf", "expires", "pref",
		"features", "quickack", "fastopen_no_cookie", "congctl", "track_group", "encap", "ttl-propagate", "or",
	}, metricWords())
}

// metricWords are those whose value may be locked.
func metricWords() []string {
	return []string{"mtu", "hoplimit", "advmss", "rtt", "rttvar", "reordering", "window", "cwnd", "ssthresh", "rto_min", "initcwnd", "initrwnd"}
}

// routeSynonym returns the word that a line may have another one for.
func routeSynonym(word string) string {
	switch word {
	case "gw":
		return "via"
	case "oif":
		return "dev"
	case "priority", "preference":
		return "metric"
	case "dsfield":
		return "tos"
	case "proto":
		return "protocol"
	}
	return word
}

// set sets a part of the route.
func (r *routeDraft) set(name, value string) {
	if r.seen[name] {
		r.errorf("has %s twice", name)
		return
	}
	r.seen[name] = true
	switch name {
	case "to":
		r.to = value
	case "family":
		r.family = familyWord(value)
	case "type":
		if r.Type = routeTypes()[value]; r.Type == 0 {
			r.errorf("has the type %s, which the kernel does not have", describe(value))
		}
	case "placement":
		r.Placement = map[string]Placement{"add": PlaceAdd, "prepend": PlacePrepend, "append": PlaceAppend}[value]
	case "via":
		r.Via, r.viaFamily = r.gateway(value)
	case "dev":
		r.Dev = r.link("dev", value)
	case "vrf":
		r.VRF = r.link("vrf", value)
	case "src":
		r.Src = r.address("src", value)
	case "from":
		r.From = r.network("from", value, FamilyIPv6)
	case "table":
		r.table = value
	case "protocol":
		r.proto = value
	case "scope":
		r.scope = value
	case "metric":
		r.Metric = r.uint32("metric", value, 1<<32-1)
	case "realms":
		r.Realms = r.realms(value)
	case "onlink":
		r.Onlink = value == "true"
	case "no_track":
		r.NoTrack = value == "true"
	case "track_group":
		if !r.static {
			r.errorf("has track_group, which only static routes can have")
			return
		}
		r.TrackGroup = r.trackGroup(value)
	case "encap", "ttl-propagate":
		r.errorf("has %s, which is not done: encapsulation", name)
	case "or":
		r.errorf("has two gateways with or, an old spelling; write nexthop via … nexthop via …")
	default:
		r.setOther(name, value)
	}
}

// gateway reads [inet|inet6] ADDRESS.
func (r *routeDraft) gateway(value string) (netip.Addr, Family) {
	family := Family(0)
	if word, rest, ok := strings.Cut(value, " "); ok {
		if family = familyWord(word); family == 0 {
			r.errorf("has the gateway %s; allowed: an address, after inet or inet6 if need be", describe(value))
			return netip.Addr{}, 0
		}
		value = rest
	}
	a := r.address("via", value)
	if a.IsValid() && family != 0 && familyOf(a) != family {
		r.errorf("has the gateway %s, which is not %s", a, family)
	}
	return a, family
}
