package vrrp

import (
	"testing"

	"pgregory.net/rapid"
)

func TestAuthType(t *testing.T) {
	t.Parallel()
	tests := []struct {
		auth AuthType
		wire byte
		text string
	}{
		{AuthNone, 0, "none"},
		{AuthPass, 1, "PASS"},
		{AuthAH, 2, "AH"},
	}
	for _, tt := range tests {
		if got := tt.auth.wire(); got != tt.wire {
			t.Errorf("%v: wire: got %d, want %d", tt.auth, got, tt.wire)
		}
		if got := authFromWire(tt.wire); got != tt.auth {
			t.Errorf("from wire %d: got %v, want %v", tt.wire, got, tt.auth)
		}
		if got := tt.auth.String(); got != tt.text {
			t.Errorf("text of %d: got %q, want %q", tt.auth, got, tt.text)
		}
	}
	if got := AuthType(0).wire(); got != 0 {
		t.Errorf("the zero type: got %d on the wire, want that of none", got)
	}
	for n := 3; n <= 255; n++ {
		if got := authFromWire(byte(n)); got != 0 {
			t.Errorf("from wire %d: got %v, want 0", n, got)
		}
	}
	for _, auth := range []AuthType{0, 4, 255} {
		if got := auth.String(); got != "unknown" {
			t.Errorf("text of %d: got %q, want unknown", uint8(auth), got)
		}
	}
}

func TestPasswordFrom(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     [8]byte
	}{
		{"empty", "", [8]byte{}},
		{"short", "1111", [8]byte{'1', '1', '1', '1'}},
		{"exact", "12345678", [8]byte{'1', '2', '3', '4', '5', '6', '7', '8'}},
		{"cut to eight", "123456789", [8]byte{'1', '2', '3', '4', '5', '6', '7', '8'}},
		{"bytes, not characters", "ääääx", [8]byte{0xc3, 0xa4, 0xc3, 0xa4, 0xc3, 0xa4, 0xc3, 0xa4}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := PasswordFrom(tt.in); got != tt.want {
				t.Errorf("got %x, want %x", got, tt.want)
			}
		})
	}
}

func TestPasswordEqual(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var a [8]byte
		copy(a[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "a"))
		if !passwordEqual(a, a) {
			t.Fatalf("%x differs from itself", a)
		}
		b := a
		b[rapid.IntRange(0, 7).Draw(t, "i")] ^= rapid.ByteRange(1, 255).Draw(t, "x")
		if passwordEqual(a, b) {
			t.Fatalf("%x equals %x", a, b)
		}
	})
}
