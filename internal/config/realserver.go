package config

import (
	"cmp"
	"net/netip"
	"time"
)

// probing is what virtual servers, real servers and checkers can all say; nil is
// who does not.
type probing struct {
	loop, timeout, retryDelay, warmup *time.Duration
	retry                             *int
}

// probing reads what the block says; the rest is from above.
func (b *block) probing(above probing) probing {
	p := above
	for _, f := range []struct {
		key string
		to  **time.Duration
	}{{"delay_loop", &p.loop}, {"connect_timeout", &p.timeout}, {"delay_before_retry", &p.retryDelay}, {"warmup", &p.warmup}} {
		if b.has(f.key) {
			v := b.durOr(f.key, 0)
			*f.to = &v
		}
	}
	if b.has("retry") {
		v := b.numOr("retry", 0)
		p.retry = &v
	}
	return p
}

// probe fills in the defaults of a kind of checker (keepalived).
func (p probing) probe(kind Block) Probe {
	const loop, timeout = 60 * time.Second, 5 * time.Second
	retry, delay := 1, time.Second
	out := Probe{Interval: *cmp.Or(p.loop, new(loop))}
	switch kind {
	case BlockHTTPGet, BlockSSLGet:
		delay = 3 * time.Second
	case BlockDNSCheck:
		retry, delay = 3, out.Interval
	case BlockMiscCheck:
		retry = 0
	}
	out.Timeout = *cmp.Or(p.timeout, new(timeout))
	out.Retries = *cmp.Or(p.retry, &retry)
	out.RetryDelay = *cmp.Or(p.retryDelay, &delay)
	out.Warmup = *cmp.Or(p.warmup, &out.Interval)
	return out
}

// fromAbove is what a real server takes from its virtual server.
type fromAbove struct {
	probing
	forward        Forward
	weight         int
	alpha, inhibit bool
	host           string // virtualhost
	port           uint16
}

// rsDraft is a real server while it is read.
type rsDraft struct {
	RealServer
	b     *block
	above fromAbove // for its checkers
	port  uint16    // that checkers connect to, 0 if none is known
}

// realServer reads one real server; its checkers come later, when its port is
// known.
func (b *block) realServer(up fromAbove) *rsDraft {
	r := &rsDraft{b: b, above: up}
	r.Line = b.node.line
	r.Addr, _ = b.endpoint("address")
	r.port = r.Addr.Port()
	r.Forward = b.forward("lvs_method", up.forward)
	r.Weight = b.numOr("weight", up.weight)
	r.UThreshold, r.LThreshold = b.number("uthreshold", 0), b.number("lthreshold", 0)
	if r.LThreshold > r.UThreshold {
		b.errorf("lthreshold", "%d is more than the uthreshold of %d, which the kernel does not take; allowed: 0 to uthreshold", r.LThreshold, r.UThreshold)
	}
	r.Alpha, r.Inhibit = b.flagOr("alpha", up.alpha), b.flagOr("inhibit_on_failure", up.inhibit)
	r.NotifyUp, r.NotifyDown = b.command("notify_up", notifyTimeout), b.command("notify_down", notifyTimeout)
	r.SMTPAlert = b.choice("smtp_alert").or(b.d.balancing.rsAlert)
	r.above.probing = b.probing(up.probing)
	r.above.alpha = r.Alpha
	r.above.host = b.host("virtualhost", up.host)
	return r
}

// finishCheckers reads the checkers.
func (r *rsDraft) finishCheckers() {
	for _, kind := range r.b.d.schema.checkers {
		if !r.b.has(string(kind)) {
			continue
		}
		for _, b := range r.b.d.tables(r.b, kind) {
			r.checker(kind, b)
		}
	}
}

// checker reads one checker.
func (r *rsDraft) checker(kind Block, b *block) {
	p := r.probe(kind, b)
	to := &r.Checkers
	switch kind {
	case BlockTCPCheck:
		to.TCP = append(to.TCP, TCPCheck{p})
	case BlockPingCheck:
		to.Ping = append(to.Ping, PingCheck{p})
	case BlockHTTPGet, BlockSSLGet:
		to.HTTP = append(to.HTTP, b.httpCheck(p, kind == BlockSSLGet, r.above.host))
	case BlockSMTPCheck:
		to.SMTP = append(to.SMTP, SMTPCheck{p, b.host("helo_name", b.text("helo_name"))})
	case BlockDNSCheck:
		to.DNS = append(to.DNS, b.dnsCheck(p))
	case BlockMiscCheck:
		to.Misc = append(to.Misc, b.miscCheck(p))
	case BlockUDPCheck:
		to.UDP = append(to.UDP, b.udpCheck(p))
	case BlockFileCheck:
		if c, ok := b.fileCheck(p); ok {
			to.File = append(to.File, c)
		}
	case BlockGRPCCheck:
		to.GRPC = append(to.GRPC, GRPCCheck{p, b.secure(), b.text("service")})
	case BlockRedisCheck:
		to.Redis = append(to.Redis, RedisCheck{p, b.secure(), b.login()})
	case BlockMySQLCheck:
		to.MySQL = append(to.MySQL, MySQLCheck{p, b.secure(), b.login(), b.name("database")})
	case BlockPGSQLCheck:
		to.PGSQL = append(to.PGSQL, PGSQLCheck{p, b.secure(), b.name("user"), b.name("database")})
	}
}

// connects says whether a checker opens a connection, and whether to a port.
func (kind Block) connects() (net, port bool) {
	switch kind {
	case BlockMiscCheck, BlockFileCheck:
		return false, false
	case BlockPingCheck:
		return true, false
	}
	return true, true
}

// probe reads what all checkers have in common.
func (r *rsDraft) probe(kind Block, b *block) Probe {
	p := b.probing(r.above.probing).probe(kind)
	p.Alpha = b.flagOr("alpha", r.above.alpha)
	p.LogAll = b.flagOr("log_all_failures", b.d.balancing.logAll)
	net, port := kind.connects()
	b.noEffect(!net, "connect_ip", "bindto", "bind_if", "fwmark", "connect_timeout")
	b.noEffect(!port, "connect_port", "bind_port")
	if kind == BlockFileCheck {
		b.noEffect(true, "delay_loop", "retry", "delay_before_retry", "warmup")
	}
	if !net {
		return p
	}
	addr := r.Addr.Addr()
	if b.has("connect_ip") {
		addr = b.addr("connect_ip")
	}
	p.Addr = netip.AddrPortFrom(addr, 0)
	p.Bind, p.BindLink, p.Mark = b.addr("bindto"), b.text("bind_if"), b.number("fwmark", b.d.balancing.mark)
	b.checkWay(p)
	if !port {
		return p
	}
	p.BindPort = uint16(b.numOr("bind_port", 0))
	to := uint16(b.numOr("connect_port", int(r.port)))
	if to == 0 && !b.wrong("connect_port") && r.Addr.IsValid() {
		b.errorf("connect_port", "missing: neither the server nor the service has one port; write for example connect_port = 80")
	}
	p.Addr = netip.AddrPortFrom(addr, to)
	return p
}

// checkWay checks the addresses and the interface of a probe.
func (b *block) checkWay(p Probe) {
	addr := p.Addr.Addr()
	switch {
	case b.has("connect_ip") && (addr.IsMulticast() || addr.IsUnspecified()):
		b.errorf("connect_ip", "%s is not the address of one host", addr)
	case addr.Is6() && addr.IsLinkLocalUnicast() && p.BindLink == "" && !b.wrong("bind_if"):
		key := "connect_ip"
		if !b.has(key) {
			key = "bind_if"
		}
		b.errorf(key, `%s is a link-local address, which says nothing without an interface; add for example bind_if = "eth0"`, addr)
	}
	switch {
	case !p.Bind.IsValid():
	case p.Bind.IsMulticast() || p.Bind.IsUnspecified():
		b.errorf("bindto", "%s is not an address that a host can have", p.Bind)
	case familyOf(p.Bind) != familyOf(addr):
		b.errorf("bindto", "%s is not %s like %s, where the checker connects to", p.Bind, familyOf(addr), addr)
	}
	if p.BindLink != "" {
		b.d.links = append(b.d.links, linkRef{p.BindLink, b.line("bind_if"), b.join("bind_if"), "the checker fails until it appears"})
	}
}

// noEffect warns about keys that mean nothing in a kind of checker.
func (b *block) noEffect(when bool, keys ...string) {
	for _, key := range keys {
		if when && b.has(key) {
			b.warnf(key, "has no effect in %s", b.kind)
		}
	}
}
