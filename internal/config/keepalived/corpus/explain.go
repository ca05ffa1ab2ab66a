package main

import (
	"regexp"
	"slices"

	"hakeep/internal/config/keepalived"
)

// class is a kind of disagreement: messages of one side, and why the other one is
// silent about them.
type class struct {
	name string
	why  string
	// says matches the messages; ours have the path of the keyword before them.
	says *regexp.Regexp
	// when, if any, is what else has to be so of the file.
	when func(*outcome) bool
}

// ourClasses are for messages of hakeep about files of which keepalived says
// nothing. A file counts under the first class that one of its messages has.
var ourClasses = []class{
	{
		name: "word behind a flag",
		why:  "does not look at what stands behind a keyword that takes nothing",
		says: regexp.MustCompile(`^virtual_server\.\S+ \d+\.(alpha|omega): ".*" has no meaning and is left out$`),
	},
	{
		name: "word behind a value",
		why:  "takes the first word of a command without quotes, and does not look at the rest",
		says: regexp.MustCompile(`misc_path: ".*" is left out, as keepalived does; put the command and its arguments into quotes`),
	},
	{
		name: "empty definition",
		why:  "takes a keyword of the root whose only word is an empty definition for one that is not there",
		says: regexp.MustCompile(`^global_defs\.net_namespace: its value is missing`),
		when: func(o *outcome) bool { return o.contains(`(?m)^net_namespace \$\{?\w+\}?$`) },
	},
	{
		name: "strict mode with unicast",
		why:  "runs the instance all the same, with -t and without (2.2.7; newer ones refuse it)",
		says: regexp.MustCompile(`unicast_peer: strict mode has no unicast`),
	},
	{
		name: "a word twice in a rule",
		why:  "takes the last one",
		says: regexp.MustCompile(`^(static|virtual)_rules: .* has \w+ twice`),
	},
}

// theirClasses are for messages of keepalived about files, or lines, of which hakeep
// says nothing.
var theirClasses = []class{
	{
		name: "old keyword",
		why:  "takes an old name of a keyword for the new one",
		says: regexp.MustCompile(`is deprecated - please use`),
	},
	{
		name: "not in Debian's build",
		why:  "knows the keyword, and says that it has no effect; this keepalived is built without iptables",
		says: regexp.MustCompile(`Unknown keyword 'vrrp_ipsets'`),
	},
	{
		name: "backslash",
		why:  "joins lines at a backslash, also in a comment; keepalived takes the one of a comment, or of a definition that it has used, for a keyword",
		says: regexp.MustCompile(`Unknown keyword '\\'$`),
	},
	{
		name: `\# and \!`,
		why:  "reads them as # and !, as newer ones do; 2.2.7 begins a comment there and loses the { behind it",
		says: regexp.MustCompile(`Unknown keyword|Unexpected '\{'|Extra '\}'|Missing '\{'`),
		when: func(o *outcome) bool { return o.contains(`(?m)^[^#!\n]*\\[#!]`) },
	},
	{
		name: "VMAC",
		why:  "has said that it leaves use_vmac out, and so all that goes with it",
		says: regexp.MustCompile(`^(\(Line \d+\) )?\(.*(vmac|is already using vrrp)`),
		when: func(o *outcome) bool { return o.says(keepalived.Lost, `not yet: VMAC`) },
	},
	{
		name: "inside of what is left out",
		why:  "has said so of the block as a whole, or of the { or } that is too many or missing",
		says: regexp.MustCompile(`Unknown keyword|Unexpected '\{'|malformed unicast peer|VRRP parsed invalid IP|BFD instance \S+ has no neighbor`),
		when: func(o *outcome) bool {
			return o.says(keepalived.Changed, `outside of blocks|without a block|the whole block is left out|not yet: BFD|write static_`)
		},
	},
	{
		name: "said at another line",
		why:  "says it of the line where the block begins, keepalived of the one where it ends, or of each entry",
		says: regexp.MustCompile(`has no track_file|has no entries|Address family of virtual server|garp group \d+ does not have|Rule has no preference`),
		when: func(o *outcome) bool {
			return o.says(keepalived.Note, `no track_file|is empty|address families|garp_group|pacing of announcements|has no preference`)
		},
	},
	{
		name: "route without an interface",
		why:  "puts a route back that others remove, with an interface or without; keepalived tracks only those with one",
		says: regexp.MustCompile(`cannot track route \S+ with no interface specified`),
	},
	{
		name: "name of a mail relay",
		why:  "looks a name up when there is something to send",
		says: regexp.MustCompile(`Invalid smtp server \S+ \d+`),
	},
	{
		name: "interval of 0",
		why:  "takes 0 for none, which is the default of both",
		says: regexp.MustCompile(`vrrp_g(arp|na)_interval '0' is invalid|number '0' outside range \[0\.000001,`),
	},
	{
		name: "unicast_ttl without peers",
		why:  "has nothing to do with it then",
		says: regexp.MustCompile(`Cannot use unicast_ttl without unicast peers`),
	},
}

// find returns the class of a message about the file, or nil.
func find(classes []class, o *outcome, message string) *class {
	i := slices.IndexFunc(classes, func(c class) bool {
		return c.says.MatchString(message) && (c.when == nil || c.when(o))
	})
	if i < 0 {
		return nil
	}
	return &classes[i]
}

// contains reports whether the file has text that the pattern matches.
func (o *outcome) contains(pattern string) bool {
	return regexp.MustCompile(pattern).Match(o.text)
}

// says reports whether hakeep has a message of that kind or a worse one.
func (o *outcome) says(kind keepalived.Kind, pattern string) bool {
	re := regexp.MustCompile(pattern)
	return slices.ContainsFunc(o.messages, func(i keepalived.Issue) bool {
		return i.Kind >= kind && re.MatchString(i.Key+": "+i.Message)
	})
}

// judges reports whether a message says that something is wrong with the file:
// not only what hakeep cannot do or does otherwise.
func judges(i keepalived.Issue) bool {
	return i.Kind >= keepalived.Changed && !i.Own
}
