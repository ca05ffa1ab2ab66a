package config

import "strconv"

// State is the state that an instance starts in (keyword state).
type State uint8

const (
	// StateMaster starts as a backup that waits for one interval only; the
	// address owner starts as master.
	StateMaster State = iota + 1
	// StateBackup starts as a backup that waits for the whole master down time.
	StateBackup
)

// String returns keepalived's word, MASTER or BACKUP.
func (s State) String() string {
	switch s {
	case StateMaster:
		return "MASTER"
	case StateBackup:
		return "BACKUP"
	}
	return "state " + strconv.Itoa(int(s))
}

// Family is an address family.
type Family uint8

const (
	// FamilyIPv4 is IPv4.
	FamilyIPv4 Family = iota + 1
	// FamilyIPv6 is IPv6.
	FamilyIPv6
)

// String returns IPv4 or IPv6.
func (f Family) String() string {
	switch f {
	case FamilyIPv4:
		return "IPv4"
	case FamilyIPv6:
		return "IPv6"
	}
	return "family " + strconv.Itoa(int(f))
}

// AuthType is the authentication of VRRP version 2 (keyword auth_type).
type AuthType uint8

const (
	// AuthNone is no authentication.
	AuthNone AuthType = iota + 1
	// AuthPass is a plain text password of up to eight bytes (RFC 2338).
	AuthPass
)

// String returns none or PASS.
func (t AuthType) String() string {
	switch t {
	case AuthNone:
		return "none"
	case AuthPass:
		return "PASS"
	}
	return "auth type " + strconv.Itoa(int(t))
}
