package vrrp

import "crypto/subtle"

// AuthType is the authentication type of V2. RFC 3768 removed all but "none";
// the others are those of RFC 2338, which keepalived has kept.
type AuthType uint8

// The authentication types.
const (
	// AuthNone is no authentication: type 0, the authentication data is zero
	// on send and ignored on receive (RFC 3768, 5.3.6).
	AuthNone AuthType = iota + 1
	// AuthPass is a password of up to eight bytes in clear text (keepalived's
	// auth_type PASS): type 1.
	AuthPass
	// AuthAH is the IP authentication header (keepalived's auth_type AH): type
	// 2. It is recognised, never sent by us.
	AuthAH
)

// String returns "none", or "PASS" or "AH" as auth_type has it, and "unknown"
// for anything else.
func (t AuthType) String() string {
	switch t {
	case AuthNone:
		return "none"
	case AuthPass:
		return "PASS"
	case AuthAH:
		return "AH"
	}
	return "unknown"
}

// wire returns the number of t on the wire. The zero AuthType is AuthNone.
func (t AuthType) wire() byte {
	return byte(max(t, AuthNone) - AuthNone)
}

// authFromWire returns the type with the number n on the wire, or 0 if there is
// none.
func authFromWire(n byte) AuthType {
	if n > byte(AuthAH-AuthNone) {
		return 0
	}
	return AuthType(n) + AuthNone
}

// PasswordFrom returns the authentication data for a configured password: its
// first eight bytes, filled up with zeros, as keepalived does with auth_pass.
func PasswordFrom(s string) [8]byte {
	var p [8]byte
	copy(p[:], s)
	return p
}

// passwordEqual compares in constant time, so that the delay of an answer does
// not tell how much of a guess was right.
func passwordEqual(a, b [8]byte) bool {
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
