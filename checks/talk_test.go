package checks

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// peer is a server that treats each connection alike.
func peer(t *testing.T, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return addrPort(l.Addr())
}

// says is a peer that says something, reads, and stays.
func says(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	return peer(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, text)
		_, _ = io.Copy(io.Discard, conn)
	})
}

// outcome checks a target and holds the result against what is wanted.
func outcome(t *testing.T, name string, target Target, timeout time.Duration, ok bool, says string) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		res := check(t, target, nil, timeout)
		if res.OK != ok || !strings.Contains(res.String(), says) {
			t.Errorf("got %+v (%s), want ok %v and %q", res, res, ok, says)
		}
		if strings.ContainsAny(res.String(), "\n\x00\x1b") {
			t.Errorf("not fit for a line: %q", res)
		}
	})
}

const (
	enough = 20 * time.Second
	soon   = 150 * time.Millisecond
)

// mail is a mail server with its answers to the greeting, HELO and QUIT.
func mail(t *testing.T, greeting, helo, quit string) netip.AddrPort {
	t.Helper()
	return peer(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, greeting)
		for r := bufio.NewScanner(conn); r.Scan(); {
			switch word, rest, _ := strings.Cut(r.Text(), " "); word {
			case "HELO":
				_, _ = io.WriteString(conn, strings.ReplaceAll(helo, "NAME", rest))
			case "QUIT":
				_, _ = io.WriteString(conn, quit)
				return
			default:
				_, _ = io.WriteString(conn, "500 what?\r\n")
			}
		}
	})
}

func TestSMTP(t *testing.T) {
	t.Parallel()
	outcome(t, "well", SMTP{Address: mail(t, "220 mx ESMTP\r\n", "250 hello\r\n", "221 bye\r\n")}, enough, true, "greeting 220, HELO 250 in ")
	outcome(t, "several lines", SMTP{Address: mail(t, "220-mx\r\n220 ESMTP\r\n", "250-a\r\n250 b\r\n", "")}, enough, true, "250")
	outcome(t, "no room", SMTP{Address: mail(t, "554 no SMTP service\x1b here\r\n", "", "")}, enough, false, "greeting 554 no SMTP service. here")
	outcome(t, "unknown host", SMTP{Address: mail(t, "220 mx\r\n", "501 NAME is unknown\r\n", "")}, enough, false, "answer to HELO 501 smtpchecker.keepalived.org is unknown")
	outcome(t, "own name", SMTP{Address: mail(t, "220 mx\r\n", "501 NAME\r\n", ""), Helo: "director.test"}, enough, false, "501 director.test")
	outcome(t, "silent", SMTP{Address: says(t, "")}, soon, false, "no answer in time")
	outcome(t, "ends", SMTP{Address: peer(t, func(net.Conn) {})}, enough, false, "greeting: the connection ended")
	outcome(t, "no mail server", SMTP{Address: says(t, "SSH-2.0-OpenSSH_9\r\n")}, enough, false, "greeting: not a reply of SMTP")
	if _, err := (SMTP{Address: netip.MustParseAddrPort("192.0.2.1:25"), Helo: "a\r\nb"}).Checker(nil); err == nil {
		t.Error("a name with blanks was accepted")
	}
}

// redisPeer knows a password and the answer to PING.
func redisPeer(t *testing.T, password, pong string) netip.AddrPort {
	t.Helper()
	return peer(t, func(conn net.Conn) {
		r, in := bufio.NewReader(conn), password == ""
		for {
			var n int
			if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
				return
			}
			words := make([]string, n)
			for i := range words {
				var size int
				if _, err := fmt.Fscanf(r, "$%d\r\n", &size); err != nil {
					return
				}
				word := make([]byte, size+2)
				if _, err := io.ReadFull(r, word); err != nil {
					return
				}
				words[i] = string(word[:size])
			}
			switch {
			case words[0] == "AUTH" && words[len(words)-1] == password:
				in = true
				_, _ = io.WriteString(conn, "+OK\r\n")
			case words[0] == "AUTH":
				_, _ = io.WriteString(conn, "-WRONGPASS invalid username-password pair\r\n")
			case !in:
				_, _ = io.WriteString(conn, "-NOAUTH Authentication required.\r\n")
			default:
				_, _ = io.WriteString(conn, pong)
			}
		}
	})
}

func TestRedis(t *testing.T) {
	t.Parallel()
	open, closed := redisPeer(t, "", "+PONG\r\n"), redisPeer(t, "two words\r\n", "+PONG\r\n")
	outcome(t, "well", Redis{Address: open}, enough, true, "PONG in ")
	outcome(t, "loading", Redis{Address: redisPeer(t, "", "-LOADING Redis is loading\r\n")}, enough, false, "LOADING Redis is loading")
	outcome(t, "password", Redis{Address: closed, Password: "two words\r\n"}, enough, true, "PONG")
	outcome(t, "user and password", Redis{Address: closed, User: "check", Password: "two words\r\n"}, enough, true, "PONG")
	outcome(t, "wrong password", Redis{Address: closed, Password: "horse"}, enough, false, "log in: WRONGPASS")
	outcome(t, "no password", Redis{Address: closed}, enough, false, "NOAUTH")
	outcome(t, "another answer", Redis{Address: redisPeer(t, "", "+PING\r\n")}, enough, false, `answer "PING"`)
	outcome(t, "no Redis", Redis{Address: says(t, "HTTP/1.1 400 Bad Request\r\n")}, enough, false, "not an answer of Redis")
	outcome(t, "endless line", Redis{Address: says(t, strings.Repeat("+", 70000))}, enough, false, "not an answer of Redis")
	outcome(t, "silent", Redis{Address: says(t, "")}, soon, false, "no answer in time")
	cert := site(t, "https").TLS.Certificates[0]
	secure := peer(t, func(raw net.Conn) {
		conn := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{cert}})
		_, _ = conn.Read(make([]byte, 100))
		_, _ = io.WriteString(conn, "+PONG\r\n")
	})
	outcome(t, "TLS", Redis{Address: secure, TLS: &TLS{}}, enough, true, "PONG")
	outcome(t, "TLS, verified", Redis{Address: secure, TLS: &TLS{Verify: true}}, enough, false, "certificate")
	if _, err := (Redis{Address: open, User: "x"}).Checker(nil); err == nil {
		t.Error("a user without password was accepted")
	}
}

// pg is a message of PostgreSQL.
func pg(kind byte, body string) string {
	return string(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))) + body
}

func pgErr(code, text string) string {
	return pg('E', "SFATAL\x00VFATAL\x00C"+code+"\x00M"+text+"\x00Fpostmaster.c\x00\x00")
}

// postgres answers a startup message, and SSLRequest with one byte.
func postgres(t *testing.T, answer string, tlsAnswer byte, cert *tls.Certificate) netip.AddrPort {
	t.Helper()
	return peer(t, func(conn net.Conn) {
		for {
			var head [8]byte
			if _, err := io.ReadFull(conn, head[:]); err != nil {
				return
			}
			if binary.BigEndian.Uint32(head[4:]) == pgTLS {
				_, _ = conn.Write([]byte{tlsAnswer})
				if cert != nil {
					conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*cert}})
				}
				continue
			}
			body := make([]byte, binary.BigEndian.Uint32(head[:])-8)
			if _, err := io.ReadFull(conn, body); err != nil {
				return
			}
			names := strings.Split(string(body), "\x00")
			_, _ = io.WriteString(conn, strings.ReplaceAll(answer, "WHO", names[1]+"@"+names[3]))
			_, _ = io.Copy(io.Discard, conn)
		}
	})
}

func TestPgSQL(t *testing.T) {
	t.Parallel()
	ask := pg('R', "\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00")
	trusted := pg('R', "\x00\x00\x00\x00") + pg('S', "server_version\x0015\x00") + pg('K', "12345678") + pg('Z', "I")
	outcome(t, "asks for a password", PgSQL{Address: postgres(t, ask, 'N', nil)}, enough, true, "asks for authentication in ")
	outcome(t, "lets in", PgSQL{Address: postgres(t, trusted, 'N', nil)}, enough, true, "ready")
	outcome(t, "lets in, no such database", PgSQL{Address: postgres(t, pg('R', "\x00\x00\x00\x00")+pgErr("3D000", "database is not there"), 'N', nil), User: "u"}, enough, false, "database is not there (SQLSTATE 3D000)")
	outcome(t, "starting", PgSQL{Address: postgres(t, pgErr("57P03", "the database system is starting up"), 'N', nil)}, enough, false, "the database system is starting up (SQLSTATE 57P03)")
	outcome(t, "full", PgSQL{Address: postgres(t, pgErr("53300", "sorry, too many clients already"), 'N', nil)}, enough, false, "too many clients")
	outcome(t, "unknown user", PgSQL{Address: postgres(t, pgErr("28000", `no entry for WHO`), 'N', nil)}, enough, true, "refuses the user, so it works")
	outcome(t, "refused user", PgSQL{Address: postgres(t, "x", 'N', nil), User: "a"}, soon, false, "no answer in time")
	p := PgSQL{Address: postgres(t, pgErr("28000", "no entry for WHO"), 'N', nil), User: "check"}
	outcome(t, "configured user", p, enough, false, "no entry for check@check")
	p.Database = "db"
	outcome(t, "configured database", p, enough, false, "no entry for check@db")
	outcome(t, "ends", PgSQL{Address: peer(t, func(net.Conn) {})}, enough, false, "")
	outcome(t, "no PostgreSQL", PgSQL{Address: says(t, "220 mail server\r\n")}, enough, false, "not an answer of PostgreSQL")
	cert := site(t, "https").TLS.Certificates[0]
	outcome(t, "TLS", PgSQL{Address: postgres(t, ask, 'S', &cert), TLS: &TLS{}}, enough, true, "asks")
	outcome(t, "TLS, verified", PgSQL{Address: postgres(t, ask, 'S', &cert), TLS: &TLS{Verify: true}}, enough, false, "certificate")
	outcome(t, "no TLS", PgSQL{Address: postgres(t, ask, 'N', nil), TLS: &TLS{}}, enough, false, "the server has no TLS")
}

// packet is a packet of MySQL.
func packet(body string) string {
	return string([]byte{byte(len(body)), byte(len(body) >> 8), byte(len(body) >> 16), 0}) + body
}

func TestMySQL(t *testing.T) {
	t.Parallel()
	greeting := packet("\x0a10.11.19-MariaDB\x00rest")
	outcome(t, "greeting", MySQL{Address: says(t, greeting)}, enough, true, "greeting of 10.11.19-MariaDB in ")
	outcome(t, "full", MySQL{Address: says(t, packet("\xff\x10\x04Too many connections"))}, enough, false, "error 1040: Too many connections")
	outcome(t, "blocked", MySQL{Address: says(t, packet("\xff\x69\x04Host is blocked")), User: "u", Password: "p"}, enough, false, "error 1129: Host is blocked")
	outcome(t, "no MySQL", MySQL{Address: says(t, "SSH-2.0-OpenSSH_9.2\r\n")}, enough, false, "")
	outcome(t, "silent", MySQL{Address: says(t, "")}, soon, false, "no answer in time")
	outcome(t, "login, silent", MySQL{Address: says(t, ""), User: "u"}, soon, false, "no answer in time")
	outcome(t, "login, ends", MySQL{Address: peer(t, func(net.Conn) {}), User: "u"}, enough, false, "")
	if _, err := (MySQL{Address: netip.MustParseAddrPort("192.0.2.1:3306"), Password: "x"}).Checker(nil); err == nil {
		t.Error("a password without user was accepted")
	}
}

// FuzzTalks: whatever a server says.
func FuzzTalks(f *testing.F) {
	for _, text := range []string{
		"220 mx\r\n250 ok\r\n221 bye\r\n", "+PONG\r\n", "+\x00\r\n", "-ERR x\r\n", packet("\x0a8.0\x00"), packet("\xff\x10\x04no"),
		pg('R', "\x00\x00\x00\x0a"), pgErr("57P03", "no"), pg('R', "\x00\x00\x00\x00") + pg('Z', "I"), "\x00\x00\x00\x00\x02\x08\x01",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		lines := func(found string, err error) {
			if err != nil {
				found = err.Error()
			}
			if strings.ContainsAny(found, "\n\r\x1b\x00") || len(found) > 2000 {
				t.Errorf("not fit for a line: %q", found)
			}
		}
		lines(greet(struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(b), io.Discard}, "x"))
		lines("", redisCall(io.Discard, bufio.NewReader(bytes.NewReader(b)), "PONG", "PING"))
		lines(mysqlRead(bytes.NewReader(b)))
		lines(pgAnswer(bytes.NewReader(b), len(b)%2 == 0))
		lines("", healthStatus(b))
	})
}
