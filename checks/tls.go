package checks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

// TLS says how a check speaks TLS. The zero value presents no certificate and
// accepts any, as keepalived does.
type TLS struct {
	// ServerName is the name for SNI (keepalived: sni_name), and with Verify the name
	// that the certificate must have; empty sends none.
	ServerName string
	// Verify wants a certificate that is valid now, for ServerName or else the
	// address, and issued by one of the authorities in CAFile, or by one of the
	// system's if CAFile is empty. keepalived never verifies.
	Verify bool
	CAFile string
	// CertFile and KeyFile are the check's own certificate with its chain and the
	// key of it, both in PEM and the key not encrypted (keepalived: SSL { certificate,
	// key }). Both or none.
	CertFile, KeyFile string
}

// config reads the files. host is the name to verify if there is no ServerName.
func (t TLS) config(host string) (*tls.Config, error) {
	// The name is verified below: what SNI carries and what the certificate must be
	// for differ where only the address is known.
	conf := &tls.Config{ServerName: t.ServerName, InsecureSkipVerify: true}
	if !t.Verify {
		if t.CAFile != "" {
			return nil, errors.New("authorities are of no use without verification")
		}
		anything(conf)
	} else if err := t.verify(conf, host); err != nil {
		return nil, err
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, errors.New("a certificate needs its key, and the other way round")
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("load certificate %s and key %s: %w", t.CertFile, t.KeyFile, err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// anything lets old servers in too: what is asked is whether one answers, and a
// peer that nobody verifies gains nothing from an old version.
func anything(conf *tls.Config) {
	conf.MinVersion = tls.VersionTLS10
	for _, suites := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
		for _, s := range suites {
			conf.CipherSuites = append(conf.CipherSuites, s.ID)
		}
	}
}

// client speaks TLS over a connection.
func client(ctx context.Context, conn net.Conn, conf *tls.Config) (net.Conn, error) {
	c := tls.Client(conn, conf)
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return c, nil
}

func (t TLS) verify(conf *tls.Config, host string) error {
	if t.ServerName != "" {
		host = t.ServerName
	}
	var roots *x509.CertPool // nil: the system's
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return fmt.Errorf("read authorities: %w", err)
		}
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM(pem) {
			return fmt.Errorf("no certificate in %s", t.CAFile)
		}
	}
	conf.VerifyConnection = func(s tls.ConnectionState) error {
		o := x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: x509.NewCertPool()}
		for _, c := range s.PeerCertificates[1:] {
			o.Intermediates.AddCert(c)
		}
		_, err := s.PeerCertificates[0].Verify(o)
		return err
	}
	return nil
}
