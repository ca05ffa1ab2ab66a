package lvs

import "strings"

// Hand is what an operator has said about a server (hakeep server). The zero
// value says nothing. It is comparable.
type Hand struct {
	// Disabled takes the server out as a failed check does.
	Disabled bool `json:"disabled,omitempty"`
	// Drained gives it weight 0: no new connections, those that it has stay.
	Drained bool `json:"drained,omitempty"`
	// Weighted gives it Weight (0 to MaxWeight) in place of the configured weight
	// and of what checks make of it.
	Weighted bool `json:"weighted,omitempty"`
	Weight   int  `json:"weight,omitempty"`
}

// IsZero reports whether nothing was said.
func (h Hand) IsZero() bool { return h == Hand{} }

// String says it in words: "disabled, drained, weight by hand".
func (h Hand) String() string {
	var parts []string
	for _, p := range []struct {
		on   bool
		word string
	}{{h.Disabled, "disabled"}, {h.Drained, "drained"}, {h.Weighted, "weight by hand"}} {
		if p.on {
			parts = append(parts, p.word)
		}
	}
	return strings.Join(parts, ", ")
}
