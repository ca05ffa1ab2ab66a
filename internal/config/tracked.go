package config

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Script is a program that is run again and again; its exit status says whether
// something is well (keyword vrrp_script). It only runs if an instance or a sync
// group tracks it.
type Script struct {
	// Name is unique among the scripts.
	Name string
	// Line is where the block begins in the file.
	Line int `json:"-"`
	// Command is what is run. Its Timeout is that of the script, the interval
	// unless set, and never 0.
	Command Command
	// Interval is the time from one start to the next, 10 ms or more.
	Interval time.Duration
	// Weight and Reverse are what those who track it without a weight of their
	// own use; Tracks has them already resolved. The weight is -253 to 253.
	Weight  int
	Reverse bool
	// Rise and Fall are how many equal results in a row it takes to change the
	// state, at least 1. The very first result decides at once (keepalived).
	Rise, Fall int
	// InitFail counts the script as failed until its first result.
	InitFail bool
}

// TrackFile is a file that holds a number, which times the weight counts for the
// priority (keyword track_file).
type TrackFile struct {
	// Name is unique among the files.
	Name string
	// Line is where the block begins in the file.
	Line int `json:"-"`
	// Path is absolute.
	Path string
	// Weight and Reverse are as in Script; the weight is -254 to 254.
	Weight  int
	Reverse bool
	// Init asks to create the file with InitValue at the start, never at a
	// reload; with Overwrite also if it is already there (init_file).
	Init      bool
	InitValue int
	Overwrite bool
}

// ProcessMatch says how the arguments of a process have to agree with those of
// TrackProcess.
type ProcessMatch uint8

const (
	// MatchAny takes no notice of arguments: none are configured, and no
	// param_match.
	MatchAny ProcessMatch = iota + 1
	// MatchExact wants exactly these arguments.
	MatchExact
	// MatchInitial wants these arguments, of which the last may be longer
	// (param_match initial). Without arguments it wants that there are none.
	MatchInitial
	// MatchPartial wants these arguments before others (param_match partial).
	// Without arguments it wants that there are none.
	MatchPartial
)

// String returns any, exact, initial or partial.
func (m ProcessMatch) String() string {
	switch m {
	case MatchAny:
		return "any"
	case MatchExact:
		return "exact"
	case MatchInitial:
		return "initial"
	case MatchPartial:
		return "partial"
	}
	return "match " + strconv.Itoa(int(m))
}

// NoQuorumMax is the QuorumMax of a TrackProcess without one.
const NoQuorumMax = -1

// TrackProcess counts the processes of a name (keyword vrrp_track_process).
type TrackProcess struct {
	// Name is unique among the processes.
	Name string
	// Line is where the block begins in the file.
	Line int `json:"-"`
	// Process is what a process is called: its name (comm), or with
	// FullCommand the first word of its command line.
	Process string
	// Args are compared as Match says.
	Args  []string
	Match ProcessMatch
	// FullCommand compares Process with the first word of /proc/PID/cmdline
	// rather than with the name. Arguments are always read from there.
	FullCommand bool
	// Quorum and QuorumMax bound the number of processes that is well: 1 to
	// 65535, and 0 to 65535 or NoQuorumMax. With a QuorumMax of 0, which wants
	// that there is none, Quorum is 0 too.
	Quorum, QuorumMax int
	// ForkDelay is how long the number has to be well before that counts,
	// TerminateDelay the same for the opposite: 0 to 3600 s.
	ForkDelay, TerminateDelay time.Duration
	// Weight and Reverse are as in Script; the weight is -254 to 254.
	Weight  int
	Reverse bool
}

// readScript reads one [[vrrp_script]].
func (b *block) readScript() Script {
	s := Script{
		Name: b.text("name"), Line: b.node.line,
		Interval: b.dur("interval"), Rise: b.num("rise"), Fall: b.num("fall"), InitFail: b.flag("init_fail"),
	}
	s.Weight, s.Reverse = b.weight()
	limit := b.durOr("timeout", s.Interval)
	s.Command = b.command("script", limit)
	if b.has("timeout") && s.Command.Timeout != limit {
		b.errorf("timeout", "is another one than in the table of script; keep one of them")
	}
	if b.has("user") {
		b.ownAccount("script", &s.Command)
	}
	return s
}

// ownAccount reads the user of the command that was read last.
func (b *block) ownAccount(key string, c *Command) {
	own := b.readAccount("user", account{})
	if table, ok := b.vals[key].val.(map[string]any); ok && table["user"] != nil {
		b.errorf("user", "stands beside the user in the table of %s; keep one of them", key)
	} else if own.user != "" && !c.IsZero() {
		c.User, c.Group = own.user, own.group
		c.SupplementaryGroups = own.supplementary
		b.d.commands[len(b.d.commands)-1].command = *c
	}
}

// readFile reads one [[track_file]].
func (b *block) readFile() TrackFile {
	f := TrackFile{Name: b.text("name"), Line: b.node.line, Path: b.path1("file")}
	f.Weight, f.Reverse = b.weight()
	e, ok := b.vals["init_file"]
	if !ok {
		return f
	}
	switch v := e.val.(type) {
	case bool:
		f.Init = v
		return f
	case int64:
		b.vals["init_file"] = entry{strconv.FormatInt(v, 10), e.node}
	}
	parts := b.fields("init_file", "value", "overwrite")
	if parts == nil {
		return f
	}
	f.Init = true
	value, overwrite := parts.get("value"), parts.get("overwrite")
	if value == "overwrite" && overwrite == "" {
		value, overwrite = "0", "true"
	}
	n, err := strconv.ParseInt(cmp.Or(value, "0"), 10, 32)
	if err != nil || !slices.Contains([]string{"", "overwrite", "true", "false"}, overwrite) {
		parts.errorf("is not a value for the file; allowed: %s", b.row("init_file").Allowed())
	}
	f.InitValue, f.Overwrite = int(n), overwrite == "overwrite" || overwrite == "true"
	return f
}

// path1 reads an absolute path.
func (b *block) path1(key string) string {
	p := b.text(key)
	if !b.has(key) {
		return ""
	}
	if wrong := wrongPath(p); wrong != "" {
		b.errorf(key, "%s %s; write for example %s = %s", describe(p), wrong, key, b.row(key).example())
		return ""
	}
	return path.Clean(p)
}

// wrongPath says why a text cannot be the path of a file.
func wrongPath(p string) string {
	switch {
	case !strings.HasPrefix(p, "/"):
		return "is not a whole path, from / on"
	case strings.Contains(p, "\x00"):
		return "has a NUL byte"
	case strings.HasSuffix(p, "/"):
		return "is a directory"
	}
	return ""
}

// readProcess reads one [[vrrp_track_process]].
func (b *block) readProcess() TrackProcess {
	p := TrackProcess{
		Name: b.text("name"), Line: b.node.line, FullCommand: b.flag("full_command"),
		Quorum: b.num("quorum"), QuorumMax: b.numOr("quorum_max", NoQuorumMax),
	}
	p.Weight, p.Reverse = b.weight()
	b.processArgs(&p)
	both := b.dur("delay")
	p.ForkDelay, p.TerminateDelay = b.durOr("fork_delay", both), b.durOr("terminate_delay", both)
	if b.has("delay") && b.has("fork_delay") && b.has("terminate_delay") {
		b.warnf("delay", "has no effect, because there are both fork_delay and terminate_delay")
	}
	switch {
	case p.QuorumMax == 0 && !b.has("quorum"):
		p.Quorum = 0
	case p.QuorumMax != NoQuorumMax && p.QuorumMax < p.Quorum:
		b.errorf("quorum_max", "%d is less than the quorum of %d, so it could never be well", p.QuorumMax, p.Quorum)
	}
	return p
}

// processArgs reads what a process is called.
func (b *block) processArgs(p *TrackProcess) {
	e, ok := b.vals["process"]
	if !ok {
		return
	}
	at := spot{d: b.d, line: e.node.line, key: b.join("process"), shown: describe(e.val)}
	var argv []string
	switch v := e.val.(type) {
	case string:
		var err error
		if argv, err = SplitCommand(v); err != nil {
			at.errorf("%w; write for example process = %s", err, b.row("process").example())
		}
	case []any:
		for _, a := range v {
			s, isText := a.(string)
			if !isText {
				at.errorf("has %s in it, which is not text", describe(a))
			}
			argv = append(argv, s)
		}
	default:
		at.errorf("is a table; write a text or a list, for example process = %s", b.row("process").example())
	}
	if !at.failed && (len(argv) == 0 || argv[0] == "") {
		at.errorf("names no process; write for example process = %s", b.row("process").example())
	}
	if at.failed {
		return
	}
	p.Process, p.Args = argv[0], slices.Clip(argv[1:])
	if !p.FullCommand && len(p.Args) == 0 {
		at.checkComm(p.Process)
	}
	switch match := b.text("param_match"); {
	case match == "initial":
		p.Match = MatchInitial
	case match == "partial":
		p.Match = MatchPartial
	case len(p.Args) > 0:
		p.Match = MatchExact
	default:
		p.Match = MatchAny
	}
}

// checkComm warns about a name that the kernel gives to no process.
func (s *spot) checkComm(name string) {
	const longest = 15 // TASK_COMM_LEN of the kernel, less the final NUL
	base := path.Base(name)
	switch {
	case len(base) > longest:
		s.warnf("the kernel keeps %d bytes of a process's name, so this never matches; write %s, or full_command = true", longest, describe(base[:longest]))
	case strings.Contains(name, "/"):
		s.warnf("a process's name has no path, so this never matches; write %s, or full_command = true", describe(base))
	}
}

// weightVal is a converted weight.
type weightVal struct {
	n       int
	reverse bool
}

// convertWeight reads a whole number, or a text such as "-20 reverse".
func convertWeight(k *Keyword, raw any) (any, string) {
	if v, ok := raw.(int64); ok {
		raw = strconv.FormatInt(v, 10)
	}
	s, ok := raw.(string)
	if !ok {
		return nil, wrongType(k, raw, "a whole number")
	}
	words := strings.Fields(s)
	if len(words) == 0 || len(words) > 2 || len(words) == 2 && words[1] != "reverse" && words[1] != "noreverse" {
		return nil, describe(raw) + " is not a weight; allowed: " + k.Allowed()
	}
	n, err := strconv.Atoi(words[0])
	if err != nil || int64(n) < k.Min || int64(n) > k.Max {
		return nil, words[0] + " is out of range; allowed: " + k.Allowed() + "; for example " + k.Name + " = " + k.example()
	}
	return weightVal{n, len(words) == 2 && words[1] == "reverse"}, ""
}

// weight reads weight and reverse of an object.
func (b *block) weight() (int, bool) {
	n := b.row("weight").Default
	w := weightVal{}
	w.n, _ = strconv.Atoi(n)
	if e, ok := b.vals["weight"]; ok {
		w = e.val.(weightVal)
	}
	if w.reverse && b.has("reverse") && !b.flag("reverse") {
		b.errorf("reverse", "contradicts the reverse in weight; keep one of them")
	}
	return w.n, w.reverse || b.flag("reverse")
}
