package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Block is a place in the configuration where keywords stand: the name of the
// TOML table. BlockRoot is the text before and around all tables.
type Block string

// The blocks whose keywords hakeep reads today.
const (
	BlockRoot     Block = ""
	BlockGlobal   Block = "global_defs"
	BlockInstance Block = "vrrp_instance"
	BlockAuth     Block = "authentication"
	BlockAddress  Block = "address entry"
	BlockPeer     Block = "unicast_peer entry"

	BlockScript     Block = "vrrp_script"
	BlockFile       Block = "track_file"
	BlockProcess    Block = "vrrp_track_process"
	BlockCheck      Block = "track_check"
	BlockSync       Block = "vrrp_sync_group"
	BlockTrackGroup Block = "track_group"

	BlockTrack    Block = "track entry"
	BlockCommand  Block = "command"
	BlockAccount  Block = "user entry"
	BlockInitFile Block = "init_file entry"
	BlockDelay    Block = "delay entry"
	BlockServer   Block = "smtp_server entry"
	BlockFIFO     Block = "FIFO entry"
	BlockRoute    Block = "route entry"
	BlockNextHop  Block = "nexthop entry"
	BlockRule     Block = "rule entry"
)

// Kind is the type of a keyword's value.
type Kind uint8

const (
	// KindBool is true or false. keepalived's flags, which stand alone there,
	// are of this kind too.
	KindBool Kind = iota + 1
	// KindInt is a whole number.
	KindInt
	// KindDuration is a time span as text with its unit.
	KindDuration
	// KindString is text.
	KindString
	// KindEnum is one of a few words.
	KindEnum
	// KindAddr is an IP address as text.
	KindAddr
	// KindAddrPort is an IP address and port as text.
	KindAddrPort
	// KindLink is the name of a network interface.
	KindLink
	// KindBoolOrInt is a flag with an optional number.
	KindBoolOrInt
	// KindBoolOrString is a flag with an optional text.
	KindBoolOrString
	// KindIntOrString is a whole number, or a text.
	KindIntOrString
	// KindWeight is a whole number, or a text such as "-20 reverse".
	KindWeight
	// KindBoolOrCommand is a flag or a command.
	KindBoolOrCommand
	// KindEntry is a keepalived line as text, or a table of its named parts.
	KindEntry
	// KindEntries is a list of KindEntry.
	KindEntries
	// KindStrings is a list of texts.
	KindStrings
	// KindCommand is a command: text, a list of arguments or a table.
	KindCommand
	// KindCodes is a list of status codes: a number, a text of numbers and ranges,
	// or a list of both.
	KindCodes
	// KindTable is a table.
	KindTable
	// KindTables is a block that may be repeated: an array of tables, or one
	// table.
	KindTables
)

var kindNames = map[Kind]string{
	KindBool:          "true or false",
	KindInt:           "whole number",
	KindDuration:      "duration",
	KindString:        "text",
	KindEnum:          "word",
	KindAddr:          "IP address",
	KindAddrPort:      "address and port",
	KindLink:          "interface name",
	KindBoolOrInt:     "true, false or whole number",
	KindBoolOrString:  "true or text",
	KindIntOrString:   "whole number or text",
	KindWeight:        "whole number or text",
	KindBoolOrCommand: "true, false or command",
	KindEntry:         "line or table",
	KindEntries:       "list of lines or tables",
	KindStrings:       "list of texts",
	KindCommand:       "command",
	KindCodes:         "number, text or list",
	KindTable:         "table",
	KindTables:        "table, may be repeated",
}

// String describes the type for the manual.
func (k Kind) String() string {
	if s, ok := kindNames[k]; ok {
		return s
	}
	return "kind " + strconv.Itoa(int(k))
}

// Reload says what a reload does with a changed value.
type Reload uint8

const (
	// ReloadInPlace changes the running object.
	ReloadInPlace Reload = iota + 1
	// ReloadRecreate belongs to an instance's identity on the wire: the old
	// one leaves in order and a new one starts.
	ReloadRecreate
	// ReloadRestart takes effect when the daemon is started again.
	ReloadRestart
)

// String describes the behaviour for the manual.
func (r Reload) String() string {
	switch r {
	case ReloadInPlace:
		return "in place"
	case ReloadRecreate:
		return "as a new instance"
	case ReloadRestart:
		return "restart"
	}
	return "reload " + strconv.Itoa(int(r))
}

// Fate says what hakeep does with a keyword.
type Fate uint8

const (
	// Done keywords have keepalived's full meaning.
	Done Fate = iota + 1
	// Warned keywords are accepted with a warning and change nothing.
	Warned
	// Refused keywords are errors.
	Refused
)

// String describes the fate for the manual.
func (f Fate) String() string {
	switch f {
	case Done:
		return "done"
	case Warned:
		return "accepted, no effect"
	case Refused:
		return "refused"
	}
	return "fate " + strconv.Itoa(int(f))
}

// Where a keyword comes from.
const (
	sourceKeepalived = "keepalived"
	sourceArgument   = "keepalived, argument of the line or block"
	sourceHakeep     = "hakeep"
)

// Keyword is one row of the keyword table. The table drives the recognition of
// keys, the checks of types and ranges, the defaults and the manual.
type Keyword struct {
	// Block is where the keyword stands.
	Block Block
	// Name is keepalived's word for it wherever there is one.
	Name string
	// Kind is the type of the value.
	Kind Kind
	// Default is the value in TOML notation where it is a fixed one, otherwise
	// what it is derived from in words, in angle brackets; empty for none.
	Default string
	// Example is a value in TOML notation for messages and the manual.
	Example string
	// Min, Max and Step bound a number, or nanoseconds for KindDuration. They
	// mean nothing where Max is 0.
	Min, Max, Step int64
	// Words are the allowed values of KindEnum.
	Words []string
	// Range describes what is allowed where Min, Max and Words do not.
	Range string
	// Source is where the keyword comes from: keepalived or hakeep.
	Source string
	// Departure says how the default differs from keepalived's, if it does.
	Departure string
	// Reload is what a reload does with a change.
	Reload Reload
	// Fate is what hakeep does with the keyword, Reason why it is not Done.
	Fate   Fate
	Reason string
	// Required keywords have to be in their block.
	Required bool
	// Secret values never appear in a message.
	Secret bool
	// Entries is the block of the named parts of KindEntries, or of a table.
	Entries Block
	// Doc is one sentence for the manual.
	Doc string
}

// Keywords returns the whole table, ordered by block.
func Keywords() []Keyword {
	return slices.Concat(
		rootKeywords(),
		globalKeywords(),
		globalTimingKeywords(),
		globalMailKeywords(),
		globalScriptKeywords(),
		globalDumpKeywords(),
		globalLaterKeywords(),
		globalWarnedKeywords(),
		instanceKeywords(),
		instanceSourceKeywords(),
		instanceGarpKeywords(),
		instanceTrackKeywords(),
		instanceNotifyKeywords(),
		instanceLaterKeywords(),
		entryKeywords(),
		trackKeywords(),
		groupKeywords(),
		routeKeywords(),
		routeMetricKeywords(),
		ruleKeywords(),
		bfdKeywords(),
		globalBalancingKeywords(),
		virtualServerKeywords(),
		realServerKeywords(),
		checkerKeywords(),
		serviceGroupKeywords(),
		tlsKeywords(),
		lvsEntryKeywords(),
	)
}

// Allowed describes what values a keyword takes, without its type, or returns
// the empty string if the type says it all.
func (k Keyword) Allowed() string {
	switch {
	case k.Range != "":
		return k.Range
	case len(k.Words) > 0:
		quoted := make([]string, len(k.Words))
		for i, w := range k.Words {
			quoted[i] = strconv.Quote(w)
		}
		return strings.Join(quoted, " or ")
	case k.Max == 0:
		return ""
	case k.Kind == KindDuration:
		s := `"` + formatDuration(time.Duration(k.Min)) + `" to "` + formatDuration(time.Duration(k.Max)) + `"`
		if k.Step > int64(time.Millisecond) {
			s += " in steps of " + formatDuration(time.Duration(k.Step))
		}
		return s
	}
	if k.Max == k.Min+1 {
		return fmt.Sprintf("%d or %d", k.Min, k.Max)
	}
	return fmt.Sprintf("%d to %d", k.Min, k.Max)
}

// fixedDefault reports whether Default is a value rather than a description.
func (k Keyword) fixedDefault() bool {
	return k.Default != "" && !strings.HasPrefix(k.Default, "<")
}

// example returns a value to show in a message.
func (k Keyword) example() string {
	switch {
	case k.Example != "":
		return k.Example
	case k.fixedDefault():
		return k.Default
	case k.Kind == KindBool:
		return "true"
	case len(k.Words) > 0:
		return strconv.Quote(k.Words[0])
	}
	return ""
}

// Units for Min, Max and Step.
const (
	usec = int64(time.Microsecond)
	msec = int64(time.Millisecond)
	sec  = int64(time.Second)
)

// row starts a row for a keyword of keepalived's that is not done yet. What is
// allowed is in words, because nothing checks it.
func row(name string, kind Kind, def, allowed string) Keyword {
	return Keyword{Name: name, Kind: kind, Default: def, Range: allowed}
}

// flags returns rows of flags that are off unless set.
func flags(names ...string) []Keyword {
	rows := make([]Keyword, len(names))
	for i, name := range names {
		rows[i] = Keyword{Name: name, Kind: KindBool, Default: "false"}
	}
	return rows
}

// renamed returns a row for an old spelling, which is refused.
func renamed(old, now string) Keyword {
	return Keyword{Name: old, Kind: KindString, Fate: Refused, Reason: "is an old spelling; write " + now}
}

// fill completes the rows of one block: what a row does not say itself comes
// from the arguments.
func fill(block Block, fate Fate, reason string, rows ...[]Keyword) []Keyword {
	all := slices.Concat(rows...)
	for i := range all {
		k := &all[i]
		k.Block = block
		if k.Fate == 0 {
			k.Fate, k.Reason = fate, reason
		}
		if k.Reload == 0 {
			k.Reload = ReloadInPlace
		}
		if k.Source == "" {
			k.Source = sourceKeepalived
		}
	}
	return all
}

// later fills rows of keywords that hakeep does not know to do yet.
func later(block Block, what string, rows ...[]Keyword) []Keyword {
	return fill(block, Refused, "not yet: "+what, rows...)
}
