package config

import (
	"encoding/hex"
	"strconv"
	"strings"
)

// dnsCheck reads what belongs to DNS_CHECK alone.
func (b *block) dnsCheck(p Probe) DNSCheck {
	c := DNSCheck{Probe: p, Type: rrTypes()[b.text("type")]}
	name := strings.TrimSuffix(b.text("name"), ".")
	if b.has("name") && !isDomain(name) {
		b.errorf("name", "%s is not a name; write for example name = %s", describe(name), b.row("name").example())
	}
	c.Query = name
	return c
}

// miscCheck reads what belongs to MISC_CHECK alone.
func (b *block) miscCheck(p Probe) MiscCheck {
	limit := b.durOr("misc_timeout", p.Interval)
	c := MiscCheck{Probe: p, Command: b.command("misc_path", limit), Dynamic: b.flag("misc_dynamic")}
	if b.has("misc_timeout") && !c.Command.IsZero() && c.Command.Timeout != limit {
		b.errorf("misc_timeout", "is another one than in the table of misc_path; keep one of them")
	}
	if b.has("user") {
		b.ownAccount("misc_path", &c.Command)
	}
	return c
}

// udpCheck reads what belongs to UDP_CHECK alone.
func (b *block) udpCheck(p Probe) UDPCheck {
	c := UDPCheck{Probe: p, MinReply: b.num("min_reply_length"), MaxReply: b.num("max_reply_length")}
	c.Payload, _ = b.nibbles("payload", b.text("payload"), false)
	if e, ok := b.vals["require_reply"]; ok {
		switch v := e.val.(type) {
		case bool:
			c.RequireReply = v
		case string:
			c.RequireReply = true
			c.Reply, c.ReplyMask = b.nibbles("require_reply", v, true)
		}
	}
	if len(c.Reply) == 0 {
		for _, key := range []string{"min_reply_length", "max_reply_length"} {
			if b.has(key) && !b.wrong("require_reply") {
				b.warnf(key, "has no effect unless require_reply says how the answer begins")
			}
		}
	} else if c.MaxReply < max(c.MinReply, len(c.Reply)) {
		b.errorf("max_reply_length", "%d is less than the answer has to have (%d), so no answer could do", c.MaxReply, max(c.MinReply, len(c.Reply)))
	}
	return c
}

// nibbles reads hexadecimal digits, of which X stands for any.
func (b *block) nibbles(key, text string, wild bool) (value, mask []byte) {
	const longest = 65507 // bytes of a UDP datagram (RFC 768, RFC 791)
	digits := strings.Join(strings.Fields(text), "")
	if !wild {
		bytes, err := hex.DecodeString(digits)
		if err != nil || len(bytes) > longest {
			b.errorf(key, "%s is not a sequence of bytes; allowed: %s, two for each byte", describe(text), b.row(key).Allowed())
		}
		return bytes, nil
	}
	any := strings.NewReplacer("x", "0", "X", "0")
	bits := strings.Map(func(r rune) rune {
		if r == 'x' || r == 'X' {
			return '0'
		}
		return 'f'
	}, digits)
	value, err := hex.DecodeString(any.Replace(digits))
	if err != nil || len(value) == 0 || len(value) > longest {
		b.errorf(key, "%s is not how an answer begins; allowed: %s, two for each byte", describe(text), b.row(key).Allowed())
		return nil, nil
	}
	mask, _ = hex.DecodeString(bits)
	return value, mask
}

// fileCheck reads what belongs to FILE_CHECK alone.
func (b *block) fileCheck(p Probe) (FileCheck, bool) {
	at := placedTrack{spot: spot{d: b.d, line: b.line("track_file"), key: b.join("track_file")}}
	if !b.has("track_file") {
		return FileCheck{}, false
	}
	kind := trackKinds()[2]
	at.resolve(&kind, b.text("track_file"))
	if at.failed {
		return FileCheck{}, false
	}
	c := FileCheck{Probe: p, File: at.Name, Weight: at.Weight, Reverse: at.Reverse}
	if e, ok := b.vals["weight"]; ok {
		w := e.val.(weightVal)
		c.Weight, c.Reverse = w.n, c.Reverse || w.reverse
	}
	c.Reverse = b.flagOr("reverse", c.Reverse)
	return c, true
}

// secure reads whether TLS is spoken.
func (b *block) secure() Secure {
	s := Secure{TLS: b.flag("tls"), Verify: b.flag("tls_verify"), ServerName: b.host("sni_name", "")}
	for _, key := range []string{"tls_verify", "sni_name"} {
		if b.has(key) && !s.TLS && !b.wrong("tls") {
			b.warnf(key, "has no effect without tls = true")
		}
	}
	return s
}

// login reads who a checker says it is.
func (b *block) login() Login {
	l := Login{User: b.name("user"), Password: b.text("password")}
	b.d.secretAt(b, "password")
	if p := b.text("password"); b.has("password") && (p == "" || strings.ContainsRune(p, 0)) {
		b.errorf("password", "is empty, or has a NUL byte in it")
	}
	if b.kind == BlockRedisCheck {
		if l.User != "" && b.given["password"] == nil {
			b.errorf("user", "has no password; add it")
		}
		return l
	}
	for _, key := range []string{"password", "database", "tls"} {
		if b.given[key] != nil && b.given["user"] == nil && (key != "tls" || b.flag("tls")) {
			b.errorf(key, "needs a login; add user")
		}
	}
	return l
}

// name reads a name of a user or a database.
func (b *block) name(key string) string {
	name := b.text(key)
	if b.has(key) && (name == "" || strings.ContainsRune(name, 0)) {
		b.errorf(key, "is empty, or has a NUL byte in it")
	}
	if !b.has(key) {
		return ""
	}
	return name
}

// secretAt remembers the first password of the file.
func (d *decoder) secretAt(b *block, key string) {
	if n := b.given[key]; n != nil && d.secret == 0 {
		d.secret, d.secretKey = n.line, b.join(key)
	}
}

// convertCodes reads status codes: a number, a text of numbers and ranges, or a
// list of both.
func convertCodes(k *Keyword, raw any) (any, string) {
	var parts []string
	switch v := raw.(type) {
	case int64:
		parts = []string{strconv.FormatInt(v, 10)}
	case string:
		parts = strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' })
	case []any:
		for _, e := range v {
			one, wrong := convertCodes(k, e)
			if _, list := e.([]any); list || wrong != "" {
				return nil, describe(e) + " is not a status code" + inBrackets("allowed", k.Allowed())
			}
			for _, r := range one.([]StatusRange) {
				parts = append(parts, strconv.Itoa(int(r.First))+"-"+strconv.Itoa(int(r.Last)))
			}
		}
	default:
		return nil, wrongType(k, raw, "a status code")
	}
	var out []StatusRange
	for _, p := range parts {
		first, last, found := strings.Cut(p, "-")
		if !found {
			last = first
		}
		lo, err1 := strconv.ParseUint(first, 10, 16)
		hi, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || lo < 100 || hi > 599 || lo > hi {
			return nil, describe(p) + " is not a status code" + inBrackets("allowed", k.Allowed())
		}
		out = append(out, StatusRange{uint16(lo), uint16(hi)})
	}
	if len(out) == 0 {
		return nil, "is empty, so no answer would do" + inBrackets("allowed", k.Allowed())
	}
	return out, ""
}

const statusRange = `codes and ranges such as "200-299 301", from 100 to 599`
