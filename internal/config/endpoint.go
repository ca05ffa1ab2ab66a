package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// endpoint reads an address with or without a port (ADDR:PORT, [ADDR]:PORT, ADDR
// PORT, ADDR). The second result says whether it can be used.
func (b *block) endpoint(key string) (netip.AddrPort, bool) {
	text := b.text(key)
	if !b.has(key) {
		return netip.AddrPort{}, false
	}
	ap, wrong := parseEndpoint(text)
	switch a := ap.Addr(); {
	case wrong != "":
		b.errorf(key, "%s %s; write for example %s = %s", describe(text), wrong, key, b.row(key).example())
	case a.IsUnspecified() || a.IsMulticast():
		b.errorf(key, "%s is not the address of one host; write for example %s = %s", describe(text), key, b.row(key).example())
	default:
		return ap, true
	}
	return netip.AddrPort{}, false
}

// parseEndpoint reads an address with or without a port. The second result says
// what is wrong.
func parseEndpoint(text string) (netip.AddrPort, string) {
	host, port := strings.TrimSpace(text), ""
	switch i := strings.LastIndexAny(host, ": "); {
	case i >= 0 && host[i] == ' ':
		host, port = strings.TrimSpace(host[:i]), host[i+1:]
	case strings.HasPrefix(host, "[") && strings.Contains(host, "]:"):
		host, port = host[1:strings.Index(host, "]:")], host[strings.Index(host, "]:")+2:]
	case strings.Count(host, ":") == 1:
		host, port = host[:i], host[i+1:]
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	a, wrong := parseAddr(host)
	if wrong != "" {
		return netip.AddrPort{}, wrong
	}
	if port == "" && !strings.HasSuffix(strings.TrimSpace(text), ":") {
		return netip.AddrPortFrom(a, 0), ""
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Sprintf("has the port %s; allowed: 0 to 65535", describe(port))
	}
	return netip.AddrPortFrom(a, uint16(n)), ""
}

// forward reads how packets get to a server; def is for who does not say.
func (b *block) forward(key string, def Forward) Forward {
	k := b.row(key)
	e, ok := b.vals[key]
	if !ok {
		return def
	}
	at := spot{d: b.d, line: e.node.line, key: b.join(key), shown: describe(e.val)}
	f := &fields{spot: at, vals: map[string]string{}}
	switch v := e.val.(type) {
	case string:
		f.forwardLine(v, k)
	case map[string]any:
		before := b.d.errors
		f.take(b.d.block(BlockMethod, b.join(key), v, e.node))
		f.shown, f.failed = "", b.d.errors > before
	}
	if f.failed {
		return def
	}
	return f.forward()
}

// forwardLine reads keepalived's notation, such as TUN type gue port 6080 csum.
func (f *fields) forwardLine(line string, k *Keyword) {
	words := strings.Fields(line)
	if len(words) == 0 {
		f.errorf("is empty; write for example %s = %s", k.Name, k.example())
		return
	}
	f.vals["method"] = words[0]
	for i := 1; i < len(words); i++ {
		switch w := words[i]; {
		case indexOf(checksumWords(), w) > 0:
			f.vals["checksum"] = w
		case (w == "type" || w == "port") && i+1 < len(words):
			i++
			f.vals[w] = words[i]
		case w == "type" || w == "port":
			f.errorf("ends after %s; its value is missing", w)
		default:
			f.errorf("has the unknown word %s; allowed: %s", describe(w), k.Allowed())
		}
	}
}

// forward makes a value of the parts.
func (f *fields) forward() Forward {
	out := Forward{Method: Method(indexOf(methodWords(), f.get("method")))}
	switch {
	case out.Method == 0:
		f.errorf("has the method %s; allowed: NAT, DR or TUN", describe(f.get("method")))
	case out.Method != MethodTUN:
		if f.get("type")+f.get("port")+f.get("checksum") != "" {
			f.errorf("has type, port or checksum, which belong to TUN")
		}
		return out
	}
	out.Tunnel, out.Checksum = TunnelIPIP, ChecksumNone
	if t := f.get("type"); t != "" {
		if out.Tunnel = Tunnel(indexOf(tunnelWords(), t)); out.Tunnel == 0 {
			f.errorf("has the type %s; allowed: ipip, gue or gre", describe(t))
		}
	}
	if c := f.get("checksum"); c != "" {
		switch out.Checksum = Checksum(indexOf(checksumWords(), c)); {
		case out.Checksum == 0:
			f.errorf("has the checksum %s; allowed: nocsum, csum or remcsum", describe(c))
		case out.Checksum != ChecksumNone && out.Tunnel == TunnelIPIP, out.Checksum == ChecksumRemote && out.Tunnel == TunnelGRE:
			f.errorf("has %s, which type %v has not", c, out.Tunnel)
		}
	}
	p, err := strconv.ParseUint(f.get("port"), 10, 16)
	switch {
	case out.Tunnel != TunnelGUE && f.get("port") != "":
		f.errorf("has a port, which belongs to type gue")
	case out.Tunnel == TunnelGUE && f.get("port") == "":
		f.errorf(`has no port, which gue needs; write for example "TUN type gue port 6080"`)
	case out.Tunnel == TunnelGUE && (err != nil || p == 0):
		f.errorf("has the port %s; allowed: 1 to 65535", describe(f.get("port")))
	}
	out.TunnelPort = uint16(p)
	return out
}

// indexOf counts from 1; 0 means that the word is not there.
func indexOf(words []string, word string) int {
	for i, w := range words {
		if w == word {
			return i + 1
		}
	}
	return 0
}

// word returns which of the words of an enum is there, counted from 1.
func (b *block) word(key string) int { return indexOf(b.row(key).Words, b.text(key)) }

// host reads the name of a host; def is for who does not say.
func (b *block) host(key, def string) string {
	name := b.text(key)
	if !b.has(key) {
		return def
	}
	if !isHost(name) {
		b.errorf(key, "%s is not the name of a host; write for example %s = %s", describe(name), key, b.row(key).example())
		return def
	}
	return name
}

// number returns a number of up to 32 bits, or def.
func (b *block) number(key string, def uint32) uint32 {
	b.row(key)
	if e, ok := b.vals[key]; ok {
		return uint32(e.val.(int64))
	}
	return def
}
