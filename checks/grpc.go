package checks

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// grpcHealth is the method of the health service
// (grpc/doc/health-checking.md; the package grpc.health.v1).
const grpcHealth = "/grpc.health.v1.Health/Check"

// grpcServing is the value SERVING of HealthCheckResponse.ServingStatus.
const grpcServing = 1

// GRPC asks the standard health service of gRPC (grpc.health.v1.Health/Check) and
// is well with SERVING.
type GRPC struct {
	Address netip.AddrPort
	// TLS is nil for HTTP/2 without TLS.
	TLS *TLS
	// Service is the one to ask about; empty means the server as a whole.
	Service string
	// Host is the :authority; empty means the address.
	Host string
	Via
}

var _ Target = GRPC{}

// Checker reads the files of TLS and makes the check. It speaks gRPC by net/http,
// which knows HTTP/2 and trailers: one call without streams needs no more.
func (c GRPC) Checker(*Pinger) (Checker, error) {
	if err := reachable(c.Address); err != nil {
		return nil, fmt.Errorf("grpc: %w", err)
	}
	conf, err := tlsConfig(c.TLS, c.Address)
	if err != nil {
		return nil, fmt.Errorf("grpc: %w", err)
	}
	c.Host = cmp.Or(c.Host, c.Address.String())
	if strings.ContainsFunc(c.Host, notInRequest) {
		return nil, errors.New("grpc: blanks in the host")
	}
	return &grpcChecker{GRPC: c, conf: conf}, nil
}

// grpcChecker is a GRPC made ready.
type grpcChecker struct {
	GRPC
	conf *tls.Config
}

var _ Checker = (*grpcChecker)(nil)

// Check asks once.
func (c *grpcChecker) Check(ctx context.Context) Result {
	begin := time.Now()
	if err := c.ask(ctx); err != nil {
		return failed(ctx, "", err)
	}
	return Result{OK: true, Detail: "SERVING in " + short(time.Since(begin))}
}

func (c *grpcChecker) ask(ctx context.Context) error {
	scheme := "http://"
	if c.conf != nil {
		scheme = "https://"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, scheme+c.Address.String()+grpcHealth, bytes.NewReader(healthRequest(c.Service)))
	if err != nil {
		return err
	}
	req.Host = c.Host
	req.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {userAgent}}
	transport := transport2(c.Via, c.Address.String(), c.conf)
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		return explain2(err)
	}
	defer res.Body.Close()
	if kind := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "application/grpc") {
		return fmt.Errorf("not gRPC: status %d, content type %q", res.StatusCode, printable(kind))
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxTalk))
	if err != nil {
		return err
	}
	code := res.Trailer.Get("Grpc-Status")
	text := res.Trailer.Get("Grpc-Message")
	if code == "" { // an answer without messages has it in front
		code, text = res.Header.Get("Grpc-Status"), res.Header.Get("Grpc-Message")
	}
	if code != "0" {
		return fmt.Errorf("gRPC status %s %s", grpcCode(code), printable(text))
	}
	return healthStatus(body)
}

// grpcCode names the codes that a health service gives (grpc/doc/statuscodes.md).
func grpcCode(code string) string {
	switch code {
	case "":
		return "missing"
	case "5":
		return "NOT_FOUND: the service is unknown"
	case "12":
		return "UNIMPLEMENTED: the server has no health service"
	case "14":
		return "UNAVAILABLE"
	case "16":
		return "UNAUTHENTICATED"
	}
	return printable(code)
}

// healthRequest is a HealthCheckRequest in its frame (a byte for compression and
// the length).
func healthRequest(service string) []byte {
	var m []byte
	if service != "" {
		m = protowire.AppendString(protowire.AppendTag(m, 1, protowire.BytesType), service)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(m))), m...)
}

var errNotHealth = errors.New("not an answer of the health service")

// healthStatus reads a framed HealthCheckResponse; nil is SERVING.
func healthStatus(b []byte) error {
	if len(b) < 5 || b[0] != 0 || uint64(binary.BigEndian.Uint32(b[1:])) != uint64(len(b)-5) {
		return errNotHealth
	}
	status := uint64(0)
	for b = b[5:]; len(b) > 0; {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errNotHealth
		}
		b = b[n:]
		if number == 1 && kind == protowire.VarintType {
			if status, n = protowire.ConsumeVarint(b); n < 0 {
				return errNotHealth
			}
		} else if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
			return errNotHealth
		}
		b = b[n:]
	}
	switch status {
	case grpcServing:
		return nil
	case 0:
		return errors.New("status UNKNOWN")
	case 2:
		return errors.New("status NOT_SERVING")
	case 3:
		return errors.New("status SERVICE_UNKNOWN")
	}
	return fmt.Errorf("status %d", status)
}
