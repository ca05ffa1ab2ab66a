package config

// Place is where a line of a converted text comes from.
type Place struct {
	// File and Line are the place in the user's own file; Line 0 means none.
	File string
	Line int
}

// Relocate says where the lines of the text come from that the configuration
// was read from, the first one first, if the text was made of another file.
// CheckOn then reports that place.
func (c *Config) Relocate(places []Place) { c.places = places }

// placed moves problems to where their lines come from.
func (c *Config) placed(problems Problems) Problems {
	for i := range problems {
		p := &problems[i]
		if p.Line < 1 || p.Line > len(c.places) {
			continue
		}
		p.File, p.Line = c.places[p.Line-1].File, c.places[p.Line-1].Line
		if p.Line == 0 {
			p.File = c.File
		}
	}
	return problems
}
