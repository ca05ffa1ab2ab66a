package checks

import "hakeep/internal/script"

// Misc runs a command (keepalived: MISC_CHECK). It is well with exit status 0.
// The time limit of the Policy is misc_timeout.
type Misc struct {
	Command script.Command
	// Dynamic lets exit status 2 to 255 be well and set the weight of the server to
	// 0 to 253, the status less two (misc_dynamic). With 0 it stays as it is.
	Dynamic bool
	// DefaultUser is the configured script_user, "USER" or "USER GROUP", and may be
	// empty; Secure is enable_script_security.
	DefaultUser string
	Secure      bool
}

var _ Target = Misc{}

// Checker is not there yet.
func (c Misc) Checker(*Pinger) (Checker, error) { return nil, errNotYet }
