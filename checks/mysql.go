package checks

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/go-sql-driver/mysql"
)

// MySQL reads the greeting of a MySQL or MariaDB server; with User it also logs
// in and pings. Without, the server counts an aborted connection each time, and
// may block the host after max_connect_errors: give it a user without rights.
type MySQL struct {
	Address netip.AddrPort
	// TLS is nil for none; it needs User.
	TLS *TLS
	// User, Password and Database are for the login; User empty for none.
	User     string
	Password Secret
	Database string
	Via
}

var _ Target = MySQL{}

// Checker reads the files of TLS and makes the check.
func (c MySQL) Checker(*Pinger) (Checker, error) {
	if err := reachable(c.Address); err != nil {
		return nil, fmt.Errorf("mysql: %w", err)
	}
	if c.User == "" {
		if c.TLS != nil || c.Password != "" || c.Database != "" {
			return nil, errors.New("mysql: TLS, password and database need a user")
		}
		return mysqlGreeting{c}, nil
	}
	conf := mysql.NewConfig()
	conf.Net, conf.Addr = "tcp", c.Address.String()
	conf.User, conf.Passwd, conf.DBName = c.User, string(c.Password), c.Database
	conf.Logger = &mysql.NopLogger{}
	conf.DialFunc = c.dial
	var err error
	if conf.TLS, err = tlsConfig(c.TLS, c.Address); err != nil {
		return nil, fmt.Errorf("mysql: %w", err)
	}
	connector, err := mysql.NewConnector(conf)
	if err != nil {
		return nil, fmt.Errorf("mysql: %w", err)
	}
	return mysqlLogin{connector}, nil
}

// mysqlLogin logs in by the well-known driver, which knows all ways to.
type mysqlLogin struct{ connector driver.Connector }

var _ Checker = mysqlLogin{}

// Check logs in, pings and leaves.
func (c mysqlLogin) Check(ctx context.Context) Result {
	begin := time.Now()
	conn, err := c.connector.Connect(ctx)
	if err != nil {
		return failed(ctx, "", mysqlExplain(err))
	}
	defer conn.Close()
	if p, ok := conn.(driver.Pinger); ok {
		if err := p.Ping(ctx); err != nil {
			return failed(ctx, "", mysqlExplain(err))
		}
	}
	return Result{OK: true, Detail: "logged in in " + short(time.Since(begin))}
}

// mysqlExplain makes the server's words fit for a log line.
func mysqlExplain(err error) error {
	var said *mysql.MySQLError
	switch {
	case errors.As(err, &said):
		return fmt.Errorf("error %d: %s", said.Number, printable(said.Message))
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, io.EOF):
		return errors.New("the connection ended")
	}
	return err
}

// mysqlGreeting is a MySQL without login.
type mysqlGreeting struct{ MySQL }

var _ Checker = mysqlGreeting{}

// Check reads the greeting once.
func (c mysqlGreeting) Check(ctx context.Context) Result {
	return c.talk(ctx, c.Address, nil, func(conn net.Conn) (string, error) {
		return mysqlRead(io.LimitReader(conn, maxTalk))
	})
}

// mysqlRead reads the first packet (MySQL, Client/Server Protocol: Protocol::Packet
// has a length of three bytes and a number; Protocol::HandshakeV10; ERR_Packet).
func mysqlRead(r io.Reader) (string, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", ended(err)
	}
	n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	if n == 0 || n > maxTalk {
		return "", errNotMySQL
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return "", ended(err)
	}
	switch body[0] {
	case 10:
		version, _, ok := bytes.Cut(body[1:], []byte{0})
		if !ok {
			return "", errNotMySQL
		}
		return "greeting of " + printable(string(version)), nil
	case 0xff:
		if len(body) < 3 {
			return "", errNotMySQL
		}
		return "", fmt.Errorf("error %d: %s", binary.LittleEndian.Uint16(body[1:]), printable(string(body[3:])))
	}
	return "", errNotMySQL
}

var errNotMySQL = errors.New("not a greeting of MySQL")
