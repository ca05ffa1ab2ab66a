package config

import (
	"cmp"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// httpCheck reads what belongs to HTTP_GET and SSL_GET.
func (b *block) httpCheck(p Probe, secure bool, host string) HTTPCheck {
	c := HTTPCheck{Probe: p, TLS: secure, Version: HTTPVersion(b.word("http_protocol"))}
	host = b.host("virtualhost", host)
	compliant := false
	if secure {
		c.Verify, compliant = b.flag("tls_verify"), b.flag("tls_compliant")
		sni := b.flag("enable_sni")
		switch c.ServerName = b.host("sni_name", ""); {
		case c.ServerName != "" && b.has("enable_sni") && !sni:
			b.errorf("enable_sni", "contradicts sni_name in line %d; keep one of them", b.line("sni_name"))
		case c.ServerName == "" && sni && host == "" && !b.wrong("virtualhost"):
			b.errorf("enable_sni", `sends no name, because there is none: write virtualhost or sni_name, for example sni_name = "www.example.com"`)
		case c.ServerName == "" && sni:
			c.ServerName = withoutPort(host)
		}
	}
	urls := b.d.tables(b, BlockURL)
	for _, u := range urls {
		c.URLs = append(c.URLs, u.url(host, secure, compliant))
	}
	if b.has(string(BlockURL)) && len(urls) == 0 {
		b.errorf(string(BlockURL), "is empty; write for example url = %s", b.row(string(BlockURL)).example())
	}
	return c
}

// withoutPort takes the port off a Host header.
func withoutPort(host string) string {
	name, port, found := strings.Cut(host, ":")
	if _, err := strconv.ParseUint(port, 10, 16); found && err == nil {
		return name
	}
	return host
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
		b.warnf("tls_compliant", "has no effect in HTTP_GET")
		u.TLSCompliant = false
	}
	b.readRegex(&u)
	return u
}

// regexFlags are keepalived's options of an expression with those of package
// regexp; empty for what is always so.
func regexFlags() map[string]string {
	return map[string]string{
		"caseless": "i", "multiline": "m", "dotall": "s", "ungreedy": "U",
		"anchored": "", "literal": "", "dollar_endonly": "", "utf": "", "never_ucp": "", "no_auto_capture": "", "no_auto_possessify": "",
		"no_dotstar_anchor": "", "no_start_optimize": "", "never_backslash_c": "",
	}
}

func regexWords() []string {
	var words []string
	for w := range regexFlags() {
		words = append(words, w)
	}
	slices.Sort(words)
	return words
}

func regexRange() string { return strings.Join(regexWords(), ", ") }

// readRegex reads the expression for the body.
func (b *block) readRegex(u *URLCheck) {
	flags := ""
	var options []string
	for _, t := range b.texts("regex_options") {
		f, known := regexFlags()[t.text]
		if !known {
			b.d.add(Error, t.line, b.join("regex_options"), "%s is not an option of a regular expression here; allowed: %s", describe(t.text), regexRange())
			continue
		}
		options = append(options, t.text)
		if !strings.Contains(flags, f) {
			flags += f
		}
	}
	if !b.has("regex") {
		for _, key := range []string{"regex_no_match", "regex_options", "regex_min_offset", "regex_max_offset"} {
			if b.has(key) && b.given["regex"] == nil {
				b.warnf(key, "has no effect without regex")
			}
		}
		return
	}
	text := b.text("regex")
	if slices.Contains(options, "literal") {
		text = regexp.QuoteMeta(text)
	}
	if slices.Contains(options, "anchored") {
		text = `\A(?:` + text + ")"
	}
	if flags != "" {
		text = "(?" + flags + ")" + text
	}
	if _, err := regexp.Compile(text); err != nil || b.text("regex") == "" {
		why := "it is empty"
		if err != nil {
			why = strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		}
		b.errorf("regex", "%s is not a regular expression here: %s; allowed: the syntax of RE2, which has no (?=…), (?!…) and \\1", describe(b.text("regex")), printable(why))
	}
	u.Regex = text
	if u.RegexMax != 0 && u.RegexMax < u.RegexMin {
		b.errorf("regex_max_offset", "%d is less than regex_min_offset (%d), so nothing could match", u.RegexMax, u.RegexMin)
	}
}

// tlsClient reads the block SSL.
func (d *decoder) tlsClient(top *block) TLSClient {
	b := top.table(string(BlockSSL))
	if b == nil {
		return TLSClient{}
	}
	t := TLSClient{Certificate: b.path1("certificate"), Key: b.path1("key"), Password: b.text("password"), CA: b.path1("ca")}
	d.secretAt(b, "password")
	switch {
	case t.Certificate != "":
		t.Key = cmp.Or(t.Key, t.Certificate)
	case b.has("key") && b.given["certificate"] == nil:
		b.errorf("key", "stands without certificate; add the certificate that it belongs to")
	}
	if b.has("password") && t.Key == "" && b.given["key"] == nil && b.given["certificate"] == nil {
		b.warnf("password", "has no effect without certificate")
	}
	return t
}
