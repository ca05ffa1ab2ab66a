package checks

import "encoding/binary"

// Message types (RFC 792; RFC 4443, 4.1 and 4.2).
const (
	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129
)

const (
	echoHeader = 8
	// echoSize is the length of a message: 56 bytes of data, as ping(8) sends.
	echoSize = echoHeader + 56
)

// echo is an echo request or the reply to it.
type echo struct {
	id, seq uint16
	// secret marks the requests of one Pinger, number one of them: the sequence
	// number alone comes back too soon, and the identifier is not ours on a datagram
	// socket.
	secret, number uint64
}

// append writes the request. The kernel fills in the checksum for IPv6 and for
// datagram sockets.
func (e echo) append(b []byte, v6 bool) []byte {
	begin := len(b)
	b = append(b, make([]byte, echoSize)...)
	m := b[begin:]
	m[0] = echoRequest4
	if v6 {
		m[0] = echoRequest6
	}
	binary.BigEndian.PutUint16(m[4:], e.id)
	binary.BigEndian.PutUint16(m[6:], e.seq)
	binary.BigEndian.PutUint64(m[8:], e.secret)
	binary.BigEndian.PutUint64(m[16:], e.number)
	if !v6 {
		binary.BigEndian.PutUint16(m[2:], checksum(m))
	}
	return b
}

// parseEcho reads a reply; ok is false if the message is none of ours.
func parseEcho(m []byte, v6 bool) (e echo, ok bool) {
	kind := byte(echoReply4)
	if v6 {
		kind = echoReply6
	}
	if len(m) < echoSize || m[0] != kind || m[1] != 0 {
		return echo{}, false
	}
	return echo{
		id: binary.BigEndian.Uint16(m[4:]), seq: binary.BigEndian.Uint16(m[6:]),
		secret: binary.BigEndian.Uint64(m[8:]), number: binary.BigEndian.Uint64(m[16:]),
	}, true
}

// skipIPv4 takes off the header that raw sockets deliver; nil if it is broken.
func skipIPv4(b []byte) []byte {
	if len(b) < 20 || b[0]>>4 != 4 {
		return nil
	}
	n := int(b[0]&15) * 4
	if n < 20 || n > len(b) {
		return nil
	}
	return b[n:]
}

// checksum is the Internet checksum (RFC 1071) of a message of even length whose
// checksum field is 0.
func checksum(m []byte) uint16 {
	var sum uint32
	for ; len(m) >= 2; m = m[2:] {
		sum += uint32(binary.BigEndian.Uint16(m))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
