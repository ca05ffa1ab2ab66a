package lvs

// Outcome is what a check says of the servers that name it.
type Outcome struct {
	// Up is false while the check is failed.
	Up bool
	// Dynamic says what Value does to the weight of the servers.
	Dynamic Dynamic
	Value   int
	// Reason says in words what was found, for people.
	Reason string
}

// Dynamic is a way in which a check changes weights.
type Dynamic uint8

// The ways; 0 is none. As in keepalived the changes by several checks of a server
// add up: a check that sets the weight adds the difference to the configured one.
const (
	// SetWeight makes Value the weight (MISC_CHECK with misc_dynamic).
	SetWeight Dynamic = iota + 1
	// AddWeight adds Value to it (FILE_CHECK).
	AddWeight
)

// delta is what a check adds to a configured weight.
func (o Outcome) delta(configured int) int {
	switch o.Dynamic {
	case SetWeight:
		return o.Value - configured
	case AddWeight:
		return o.Value
	}
	return 0
}
