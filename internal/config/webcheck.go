package config

import (
	"cmp"
	"encoding/hex"
	"maps"
	"regexp/syntax"
	"slices"
	"strings"
)

// httpCheck reads what belongs to HTTP_GET and SSL_GET.
func (b *block) httpCheck(p Probe, secure bool, host string) HTTPCheck {
	c := HTTPCheck{Probe: p, TLS: secure, Version: HTTPVersion(b.word("http_protocol"))}
	host = b.host("virtualhost", host)
	compliant := false
	if secure {
		c.Verify, compliant = b.flag("tls_verify"), b.flag("tls_compliant")
		c.SNI, c.ServerName = b.flag("enable_sni"), b.host("sni_name", "")
		if c.ServerName != "" && b.has("enable_sni") && !c.SNI {
			b.errorf("enable_sni", "contradicts sni_name in line %d; keep one of them", b.line("sni_name"))
		}
		c.SNI = c.SNI && c.ServerName == ""
	}
	urls := b.d.tables(b, BlockURL)
	for _, u := range urls {
		page := u.url(host, secure && c.Version != HTTP2, compliant && c.Version != HTTP2)
		if c.SNI && page.Host == "" && !u.wrong("virtualhost") && !b.wrong("virtualhost") {
			u.errorf("virtualhost", `missing, so enable_sni has no name to send; write for example virtualhost = "www.example.com" here or in SSL_GET, or sni_name there`)
		}
		c.URLs = append(c.URLs, page)
	}
	if compliant && c.Version == HTTP2 {
		b.warnf("tls_compliant", "has no effect with http_protocol 2, where the connection goes on")
	}
	if b.has(string(BlockURL)) && len(urls) == 0 {
		b.errorf(string(BlockURL), "is empty; write for example url = %s", b.row(string(BlockURL)).example())
	}
	return c
}

// url reads one page.
func (b *block) url(host string, secure, compliant bool) URLCheck {
	u := URLCheck{
		Path: b.text("path"), Host: b.host("virtualhost", host), Status: []StatusRange{{200, 299}},
		RegexNoMatch: b.flag("regex_no_match"), RegexMin: b.num("regex_min_offset"), RegexMax: b.num("regex_max_offset"),
		TLSCompliant: b.flagOr("tls_compliant", compliant),
	}
	if b.has("path") && (!strings.HasPrefix(u.Path, "/") || printable(u.Path) != u.Path && len(u.Path) < 80 || strings.ContainsAny(u.Path, " #\r\n\x00")) {
		b.errorf("path", "%s is not a path, from / on and without blanks and #; write for example path = %s", describe(u.Path), b.row("path").example())
	}
	b.row("status_code")
	if e, ok := b.vals["status_code"]; ok {
		u.Status = e.val.([]StatusRange)
	}
	if b.has("digest") {
		u.Digest = strings.ToLower(b.text("digest"))
		if sum, err := hex.DecodeString(u.Digest); err != nil || len(sum) != 16 {
			b.errorf("digest", "%s is not an MD5 sum; allowed: %s", describe(u.Digest), b.row("digest").Allowed())
		}
	}
	if b.has("tls_compliant") && !secure {
		b.warnf("tls_compliant", "has no effect without TLS or with http_protocol 2")
		u.TLSCompliant = false
	}
	b.readRegex(&u)
	return u
}

// regexFlags are keepalived's options of an expression, PCRE's, with what package
// regexp has for them. Those without are kept by who matches, or only change what
// PCRE refuses and how it works.
func regexFlags() map[string]syntax.Flags {
	return map[string]syntax.Flags{
		"caseless": syntax.FoldCase, "dotall": syntax.DotNL, "ungreedy": syntax.NonGreedy,
		"multiline": 0, "dollar_endonly": 0, "firstline": 0, "auto_callout": 0, "never_backslash_c": 0, "never_ucp": 0, "never_utf": 0,
		"no_auto_capture": 0, "no_auto_possess": 0, "no_dotstar_anchor": 0, "no_start_optimize": 0, "use_offset_limit": 0, "utf": 0,
	}
}

func regexRange() string { return strings.Join(slices.Sorted(maps.Keys(regexFlags())), ", ") }

// readRegex reads the expression for the body.
func (b *block) readRegex(u *URLCheck) {
	flags := syntax.Perl
	for _, t := range b.texts("regex_options") {
		f, known := regexFlags()[t.text]
		if !known {
			b.d.add(Error, t.line, b.join("regex_options"), "%s is not an option of a regular expression here; allowed: %s", describe(t.text), regexRange())
			continue
		}
		u.RegexOptions = append(u.RegexOptions, t.text)
		flags |= f
	}
	if !b.has("regex") {
		for _, key := range []string{"regex_no_match", "regex_options", "regex_min_offset", "regex_max_offset"} {
			if b.has(key) && b.given["regex"] == nil {
				b.warnf(key, "has no effect without regex")
			}
		}
		u.RegexNoMatch, u.RegexOptions, u.RegexMin, u.RegexMax = false, nil, 0, 0
		return
	}
	u.Regex = b.text("regex")
	switch _, err := syntax.Parse(u.Regex, flags); {
	case u.Regex == "":
		b.errorf("regex", "is empty; write for example regex = %s", b.row("regex").example())
	case err != nil:
		b.errorf("regex", "%s is not a regular expression here: %s; allowed: the syntax of RE2, which has no (?=…), (?!…) and \\1",
			describe(u.Regex), printable(strings.TrimPrefix(err.Error(), "error parsing regexp: ")))
	}
	if u.RegexMax != 0 && u.RegexMax <= u.RegexMin {
		b.errorf("regex_max_offset", "%d is not more than regex_min_offset (%d), so nothing could match", u.RegexMax, u.RegexMin)
	}
}

// tlsClient reads the block SSL.
func (d *decoder) tlsClient(top *block) TLSClient {
	b := top.table(string(BlockSSL))
	if b == nil {
		return TLSClient{}
	}
	t := TLSClient{Certificate: b.path1("certificate"), Key: b.path1("key"), CA: b.path1("ca")}
	switch {
	case t.Certificate != "":
		t.Key = cmp.Or(t.Key, t.Certificate)
	case b.has("key") && b.given["certificate"] == nil:
		b.errorf("key", "stands without certificate; add the certificate that it belongs to")
	}
	return t
}
