package checks

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsPacket is the largest answer that is read: the limit of UDP without
// extensions is 512 (RFC 1035, 2.3.4), and a longer one is not asked for.
const dnsPacket = 4096

// DNS asks a name server over UDP (keepalived: DNS_CHECK). It answers well with
// the response code 0, whatever is in the answer.
type DNS struct {
	Server netip.AddrPort
	// Name is what to ask for; empty means the root.
	Name string
	// Type is one of A, AAAA, NS, CNAME, SOA, MX, TXT, PTR, SRV, RRSIG and DNSKEY;
	// empty means SOA.
	Type string
	Via
}

var _ Target = DNS{}

// Types that dnsmessage has no names for (RFC 4034).
const (
	typeRRSIG  dnsmessage.Type = 46
	typeDNSKEY dnsmessage.Type = 48
)

func dnsType(name string) (dnsmessage.Type, bool) {
	switch strings.ToUpper(name) {
	case "A":
		return dnsmessage.TypeA, true
	case "AAAA":
		return dnsmessage.TypeAAAA, true
	case "NS":
		return dnsmessage.TypeNS, true
	case "CNAME":
		return dnsmessage.TypeCNAME, true
	case "", "SOA":
		return dnsmessage.TypeSOA, true
	case "MX":
		return dnsmessage.TypeMX, true
	case "TXT":
		return dnsmessage.TypeTXT, true
	case "PTR":
		return dnsmessage.TypePTR, true
	case "SRV":
		return dnsmessage.TypeSRV, true
	case "RRSIG":
		return typeRRSIG, true
	case "DNSKEY":
		return typeDNSKEY, true
	}
	return 0, false
}

// Checker makes the query.
func (c DNS) Checker(*Pinger) (Checker, error) {
	if err := reachable(c.Server); err != nil {
		return nil, fmt.Errorf("dns: %w", err)
	}
	kind, ok := dnsType(c.Type)
	if !ok {
		return nil, fmt.Errorf("dns: unknown type %q", c.Type)
	}
	name, err := dnsmessage.NewName(strings.TrimSuffix(c.Name, ".") + ".")
	if err != nil {
		return nil, fmt.Errorf("dns: name %q: %w", c.Name, err)
	}
	d := &dnsChecker{DNS: c, question: dnsmessage.Question{Name: name, Type: kind, Class: dnsmessage.ClassINET}}
	if _, err := d.query(0); err != nil {
		return nil, fmt.Errorf("dns: name %q: %w", c.Name, err)
	}
	return d, nil
}

// dnsChecker is a DNS with its question.
type dnsChecker struct {
	DNS
	question dnsmessage.Question
}

var _ Checker = (*dnsChecker)(nil)

func (c *dnsChecker) query(id uint16) ([]byte, error) {
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{c.question},
	}
	return m.Pack()
}

// Check asks once. Packets that are no answer to this question are ignored.
func (c *dnsChecker) Check(ctx context.Context) Result {
	begin := time.Now()
	conn, err := c.dial(ctx, "udp", c.Server.String())
	if err != nil {
		return Result{Err: err}
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	id := uint16(rand.Uint32())
	query, err := c.query(id)
	if err != nil {
		return Result{Err: err}
	}
	if _, err := conn.Write(query); err != nil {
		return Result{Err: err}
	}
	var buf [dnsPacket]byte
	for {
		n, err := conn.Read(buf[:])
		if err != nil {
			if ctx.Err() != nil {
				return Result{Detail: "no answer from " + c.Server.String(), Err: ctx.Err()}
			}
			return Result{Err: err}
		}
		code, ok := parseAnswer(buf[:n], id, c.question)
		if !ok {
			continue
		}
		detail := fmt.Sprintf("%s in %s", codeName(code), short(time.Since(begin)))
		return Result{OK: code == dnsmessage.RCodeSuccess, Detail: detail}
	}
}

// parseAnswer reads the response code of an answer; ok is false if the packet is
// no answer to the question.
func parseAnswer(b []byte, id uint16, q dnsmessage.Question) (code dnsmessage.RCode, ok bool) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.ID != id || !h.Response {
		return 0, false
	}
	got, err := p.Question()
	if errors.Is(err, dnsmessage.ErrSectionDone) {
		// Some servers repeat no question in an error.
		return h.RCode, h.RCode != dnsmessage.RCodeSuccess
	}
	if err != nil || got.Type != q.Type || got.Class != q.Class || !strings.EqualFold(got.Name.String(), q.Name.String()) {
		return 0, false
	}
	return h.RCode, true
}

// codeName is the name of a response code as it is written elsewhere (RFC 1035,
// 4.1.1; RFC 2136).
func codeName(code dnsmessage.RCode) string {
	switch code {
	case dnsmessage.RCodeSuccess:
		return "NOERROR"
	case dnsmessage.RCodeFormatError:
		return "FORMERR"
	case dnsmessage.RCodeServerFailure:
		return "SERVFAIL"
	case dnsmessage.RCodeNameError:
		return "NXDOMAIN"
	case dnsmessage.RCodeNotImplemented:
		return "NOTIMP"
	case dnsmessage.RCodeRefused:
		return "REFUSED"
	}
	return fmt.Sprintf("response code %d", code)
}
