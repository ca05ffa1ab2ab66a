package config

import (
	"net/netip"
	"time"
)

// Checkers are those of one server, by their kind.
type Checkers struct {
	TCP   []TCPCheck
	HTTP  []HTTPCheck
	SMTP  []SMTPCheck
	DNS   []DNSCheck
	Misc  []MiscCheck
	UDP   []UDPCheck
	Ping  []PingCheck
	File  []FileCheck
	GRPC  []GRPCCheck
	Redis []RedisCheck
	MySQL []MySQLCheck
	PGSQL []PGSQLCheck
}

// Probe is what all checkers have in common, with every default filled in: from
// the checker, the server, the virtual server and the kind of checker, in this
// order.
type Probe struct {
	// Interval is the time from one probe to the next (delay_loop), 10 ms or more.
	Interval time.Duration
	// Timeout is how long one probe may take (connect_timeout).
	Timeout time.Duration
	// Retries is how many more probes may fail before the checker does (retry), 0
	// or more; RetryDelay is the time between them (delay_before_retry).
	Retries    int
	RetryDelay time.Duration
	// Warmup bounds the random time before the first probe; 0 for at once.
	Warmup time.Duration
	// Alpha counts the checker as failed until it has passed once.
	Alpha bool
	// LogAll logs each probe that fails (log_all_failures).
	LogAll bool
	// Addr is where to connect (connect_ip, connect_port, else the server). It is
	// invalid for MiscCheck and FileCheck; its port is 0 for PingCheck.
	Addr netip.AddrPort
	// Bind and BindPort are the source, invalid and 0 for the kernel's choice;
	// BindLink is the interface, or empty.
	Bind     netip.Addr
	BindPort uint16
	BindLink string
	// Mark is the firewall mark of the packets, 0 for none (fwmark).
	Mark uint32
}

// TCPCheck connects (TCP_CHECK).
type TCPCheck struct{ Probe }

// PingCheck sends an echo request (PING_CHECK).
type PingCheck struct{ Probe }

// HTTPCheck gets pages, all of which have to be well (HTTP_GET, SSL_GET).
type HTTPCheck struct {
	Probe
	// TLS is SSL_GET.
	TLS bool
	// Version is what is spoken (http_protocol).
	Version HTTPVersion
	// ServerName is the name sent by SNI (sni_name); if it is empty, SNI sends the
	// Host of each page (enable_sni). It is also the name that the certificate has to
	// have with Verify; without a name that is the server's address.
	ServerName string
	SNI        bool
	// Verify checks the certificate of the server (tls_verify); keepalived never
	// does.
	Verify bool
	// URLs are at least one.
	URLs []URLCheck
}

// HTTPVersion is what an HTTPCheck speaks.
type HTTPVersion uint8

const (
	// HTTP10 is HTTP/1.0.
	HTTP10 HTTPVersion = iota + 1
	// HTTP10C is HTTP/1.0 with Connection: close.
	HTTP10C
	// HTTP11 is HTTP/1.1 with Connection: close.
	HTTP11
	// HTTP2 is HTTP/2; without TLS it is spoken without asking first.
	HTTP2
)

// URLCheck is one page of an HTTPCheck and what it has to be like.
type URLCheck struct {
	// Path begins with a slash and includes a query.
	Path string
	// Host is the Host header (virtualhost); empty for the server's address.
	Host string
	// Status are the codes that are well; never empty.
	Status []StatusRange
	// Digest is the MD5 of the body in lower case hexadecimal, or empty.
	Digest string
	// Regex is what the body has to match, or with RegexNoMatch must not; empty for
	// nothing. Its syntax is that of package regexp, and RegexOptions are PCRE's
	// words (regex_options).
	Regex        string
	RegexNoMatch bool
	RegexOptions []string
	// RegexMin is where in the body a match may begin at the earliest, RegexMax
	// where it no longer may; a RegexMax of 0 is no bound.
	RegexMin, RegexMax int
	// TLSCompliant fails if the server does not end TLS in order.
	TLSCompliant bool
}

// SMTPCheck greets a mail server (SMTP_CHECK).
type SMTPCheck struct {
	Probe
	// Helo is the name it gives itself.
	Helo string
}

// DNSCheck asks a name server (DNS_CHECK).
type DNSCheck struct {
	Probe
	// Query is a name without the dot at its end, empty for the root.
	Query string
	Type  RRType
}

// MiscCheck runs a program (MISC_CHECK).
type MiscCheck struct {
	Probe
	// Command has its Timeout (misc_timeout), which is never 0.
	Command Command
	// Dynamic takes an exit status of 2 to 255 for a weight of 0 to 253.
	Dynamic bool
}

// UDPCheck sends a datagram (UDP_CHECK).
type UDPCheck struct {
	Probe
	// Payload is what is sent, possibly nothing.
	Payload []byte
	// RequireReply wants an answer; otherwise only an ICMP error fails.
	RequireReply bool
	// Reply is how the answer begins, where the bits of ReplyMask are set; both have
	// the same length. Empty for any answer.
	Reply, ReplyMask []byte
	// MinReply and MaxReply bound the length of an answer that Reply is compared
	// with.
	MinReply, MaxReply int
}

// FileCheck makes a number in a file a server's weight (FILE_CHECK).
type FileCheck struct {
	Probe
	// File is the name of one of Config.Files.
	File string
	// Weight and Reverse are as in TrackFile; the weight is -254 to 254.
	Weight  int
	Reverse bool
}

// Secure says whether and how a checker speaks TLS.
type Secure struct {
	// TLS speaks it (tls).
	TLS bool
	// Verify checks the certificate (tls_verify), which has to have the name
	// ServerName or, if that is empty, the server's address.
	Verify     bool
	ServerName string
}

// Login is how a checker proves who it is.
type Login struct {
	// User is empty for none.
	User string
	// Password is a secret: neither String nor JSON show it.
	Password string `json:"-"`
}

// String names the user without the password.
func (l Login) String() string { return l.User }

// GoString is String, for the verb %#v.
func (l Login) GoString() string { return "config.Login{User: " + l.User + "}" }

// GRPCCheck asks the standard health service (GRPC_CHECK; grpc.health.v1).
type GRPCCheck struct {
	Probe
	Secure
	// Service is whose health is asked for; empty for the server as a whole.
	Service string
}

// RedisCheck sends PING (REDIS_CHECK), after a login if there is a password. A user
// has a password.
type RedisCheck struct {
	Probe
	Secure
	Login Login
}

// MySQLCheck waits for the greeting (MYSQL_CHECK), and with a user logs in. TLS,
// password and database need a user.
type MySQLCheck struct {
	Probe
	Secure
	Login    Login
	Database string
}

// PGSQLCheck begins a connection, without a password (PGSQL_CHECK). User and
// Database are said to the server; empty for hakeep and the user's.
type PGSQLCheck struct {
	Probe
	Secure
	User, Database string
}

// logins are those of all checkers, in a fixed order.
func (c *Checkers) logins() []Login {
	var all []Login
	for i := range c.Redis {
		all = append(all, c.Redis[i].Login)
	}
	for i := range c.MySQL {
		all = append(all, c.MySQL[i].Login)
	}
	return all
}
