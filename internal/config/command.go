package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Command is a program to run: directly, never through a shell.
type Command struct {
	// Argv is the program and its arguments, without NUL bytes; empty if there
	// is no command. The program is an absolute path, or a name without slash
	// that is to be looked up in PATH.
	Argv []string
	// User is the user to run as, by name or number: that of the command, else
	// script_user, else hakeep_script. It is never empty if there is a command.
	User string
	// Group is the group to run as; empty means the user's primary group.
	Group string
	// SupplementaryGroups gives the process the user's further groups
	// (set_supplementary_groups, or a ':' before the group).
	SupplementaryGroups bool
	// Timeout is how long the program may run; 0 means without end, which only
	// the readers of FIFOs have.
	Timeout time.Duration
}

// IsZero reports whether there is no command.
func (c Command) IsZero() bool { return len(c.Argv) == 0 }

// Equal reports whether two commands are the same in every respect.
func (c Command) Equal(d Command) bool {
	return slices.Equal(c.Argv, d.Argv) && c.User == d.User && c.Group == d.Group &&
		c.SupplementaryGroups == d.SupplementaryGroups && c.Timeout == d.Timeout
}

// DefaultScriptUser runs scripts unless the configuration says otherwise. It is
// never root: where this user does not exist, scripts count as failed.
const DefaultScriptUser = "hakeep_script"

// notifyTimeout ends notify scripts that hang; the next one waits for it.
// keepalived knows no end. A minute leaves room for the slow interfaces of
// cloud providers.
const notifyTimeout = time.Minute

// account is the user and group of a command.
type account struct {
	user, group   string
	supplementary bool
}

// commandRef is a place in the file that names a program to run.
type commandRef struct {
	command Command
	line    int
	key     string
}

// readAccount reads script_user, or the user of a command: USER [[:]GROUP] or a
// table. It returns def if the key is not there or wrong.
func (b *block) readAccount(key string, def account) account {
	f := b.fields(key, "user", "group")
	if f == nil {
		return def
	}
	return f.account(def)
}

// account makes an account of the parts user and group.
func (f *fields) account(def account) account {
	a := def
	a.user, a.group = f.get("user"), f.get("group")
	if rest, ok := strings.CutPrefix(a.group, ":"); ok {
		a.group, a.supplementary = rest, true
	}
	if !isAccount(a.user) {
		f.errorf("has the user %s; allowed: the name or number of a user, without blanks", describe(a.user))
	}
	if a.group != "" && !isAccount(a.group) {
		f.errorf("has the group %s; allowed: the name or number of a group, after a ':' if further groups of the user are wanted", describe(a.group))
	}
	if f.failed {
		return def
	}
	return a
}

// isAccount reports whether a text can name a user or group.
func isAccount(s string) bool {
	return s != "" && len(s) <= 256 && s[0] != '-' && printable(s) == s && !strings.ContainsAny(s, " :/,")
}

// command reads a command. Without a time limit of its own it gets timeout.
func (b *block) command(key string, timeout time.Duration) Command {
	b.row(key)
	e, ok := b.vals[key]
	if !ok {
		return Command{}
	}
	c := Command{User: b.d.scripts.user, Group: b.d.scripts.group, SupplementaryGroups: b.d.scripts.supplementary, Timeout: timeout}
	at := &spot{d: b.d, line: e.node.line, key: b.join(key)}
	raw := e.val
	if table, ok := raw.(map[string]any); ok {
		if raw, ok = b.commandTable(key, table, e.node, &c); !ok {
			return Command{}
		}
	}
	if c.Argv = at.argv(raw, e.node); c.Argv == nil {
		return Command{}
	}
	b.d.commands = append(b.d.commands, commandRef{c, at.line, at.key})
	return c
}

// commandTable reads the notation with named parts and returns what is to be
// run.
func (b *block) commandTable(key string, table map[string]any, n *node, c *Command) (any, bool) {
	before := b.d.errors
	t := b.d.block(BlockCommand, b.join(key), table, n)
	if t.has("user") {
		a := account{user: t.text("user")}
		a.group = t.text("group")
		f := &fields{spot: spot{d: b.d, line: t.line("user"), key: t.path}, vals: map[string]string{"user": a.user, "group": a.group}}
		a = f.account(a)
		c.User, c.Group, c.SupplementaryGroups = a.user, a.group, a.supplementary
	} else if t.has("group") {
		t.errorf("group", "stands without user; add the user that it belongs to")
	}
	if limit := t.durOr("timeout", c.Timeout); c.Timeout == 0 && t.has("timeout") {
		t.errorf("timeout", "is not possible here: the program runs as long as hakeep does")
	} else {
		c.Timeout = limit
	}
	e, ok := t.vals["command"]
	if ok {
		if _, again := e.val.(map[string]any); again {
			t.errorf("command", "is a table in a table; write the command as a text or a list")
		}
	}
	return e.val, ok && b.d.errors == before
}

// argv reads a command line or a list of arguments, and reports what cannot be
// run. It returns nil then.
func (s *spot) argv(raw any, n *node) []string {
	var argv []string
	switch v := raw.(type) {
	case string:
		s.shown = describe(raw)
		var err error
		if argv, err = SplitCommand(v); err != nil {
			s.errorf(`%w; write for example "/etc/hakeep/check.sh arg", or a list such as ["/etc/hakeep/check.sh", "arg"]`, err)
			return nil
		}
		s.checkShell(argv)
	case []any:
		for i, a := range v {
			text, ok := a.(string)
			switch {
			case !ok:
				s.d.add(Error, n.elem(i).line, s.key, `%s is not text; write the arguments in quotes, for example ["/etc/hakeep/check.sh", "arg"]`, describe(a))
				s.failed = true
			case strings.Contains(text, "\x00"):
				s.errorf("has an argument with a NUL byte, which no program can get")
			}
			argv = append(argv, text)
		}
		if len(v) == 0 {
			s.errorf(`is empty; write for example ["/etc/hakeep/check.sh", "arg"]`)
		}
	}
	if s.failed {
		return nil
	}
	switch program := argv[0]; {
	case program == "" || program[len(program)-1] == '/':
		s.errorf("has no program before its arguments")
	case program[0] == '/':
		return argv
	case strings.Contains(program, "/"):
		s.errorf("names the program by the relative path %s; write the whole path, for example /etc/hakeep/check.sh", describe(program))
	default:
		s.warnf("the program %s has no path, so it is looked up in PATH; write the whole path", describe(program))
		return argv
	}
	return nil
}

// checkShell warns about a command line that only makes sense to a shell.
func (s *spot) checkShell(argv []string) {
	for _, a := range argv[1:] {
		if slices.Contains([]string{"|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1"}, a) {
			s.warnf(`no shell runs it, so the program gets %s as an argument; write ["/bin/sh", "-c", "…"] if a shell is meant`, describe(a))
			return
		}
	}
}

// spot is an entry of the file about which something is said.
type spot struct {
	d      *decoder
	line   int
	key    string
	shown  string // the entry as messages show it, may be empty
	failed bool
}

// errorf reports the entry; the message continues it.
func (s *spot) errorf(format string, args ...any) {
	s.failed = true
	s.d.add(Error, s.line, s.key, "%s", strings.TrimPrefix(s.shown+" "+fmt.Errorf(format, args...).Error(), " "))
}

// warnf says something about the entry.
func (s *spot) warnf(format string, args ...any) {
	s.d.add(Warning, s.line, s.key, "%s", strings.TrimPrefix(s.shown+": "+fmt.Sprintf(format, args...), ": "))
}
