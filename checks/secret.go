package checks

// Secret is a password. It formats as "***".
type Secret string

// String is "***", or empty if there is none.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString is the same, for %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText is the same, for JSON and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
