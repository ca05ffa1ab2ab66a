package config

import _ "embed" // for reference.toml

//go:embed reference.toml
var reference string

// Reference returns a configuration file that shows every key that hakeep
// reads, commented out, with its meaning and default.
func Reference() string { return reference }
