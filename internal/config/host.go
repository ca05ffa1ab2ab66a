package config

// Host is what CheckOn asks about a host.
type Host interface {
	// LinkExists reports whether there is a network interface of this name.
	LinkExists(name string) bool
	// UserExists and GroupExists report whether there is a user or group of
	// this name or number.
	UserExists(name string) bool
	GroupExists(name string) bool
	// Lookup returns nil if program can be run: an absolute path, or a name
	// that is in PATH. Otherwise the error says why not.
	Lookup(program string) error
}

// CheckOn returns a warning for every interface, user, group and program that
// the configuration names and that the host does not have. These are no errors,
// because all of them may appear later. The host is asked about each once; a
// user or group is reported where it is named first.
func (c *Config) CheckOn(h Host) Problems {
	s := &sink{file: c.File}
	exists := once(h.LinkExists)
	for _, ref := range c.links {
		if ok, _ := exists(ref.link); ok {
			continue
		}
		then := ref.then
		if then == "" {
			then = "the instance waits in fault until it appears"
		}
		s.add(Warning, ref.line, ref.key, "there is no interface %s on this host now; %s", ref.link, then)
	}
	user, group := once(h.UserExists), once(h.GroupExists)
	reason := map[string]error{}
	program := once(func(name string) bool { reason[name] = h.Lookup(name); return reason[name] == nil })
	for _, ref := range c.commands {
		cmd := ref.command
		if ok, first := user(cmd.User); !ok && first {
			s.add(Warning, ref.line, ref.key, "there is no user %s on this host, so what runs as this user counts as failed; create it, or write another script_user", printable(cmd.User))
		}
		if ok, first := group(cmd.Group); !ok && first {
			s.add(Warning, ref.line, ref.key, "there is no group %s on this host, so what runs as this group counts as failed", printable(cmd.Group))
		}
		if ok, _ := program(cmd.Argv[0]); !ok {
			s.add(Warning, ref.line, ref.key, "%s cannot be run on this host: %v", describe(cmd.Argv[0]), reason[cmd.Argv[0]])
		}
	}
	for _, f := range []FIFO{c.Global.NotifyFIFO, c.Global.VRRPNotifyFIFO, c.Global.LVSNotifyFIFO} {
		if ok, first := user(f.User); !ok && first {
			s.add(Warning, 0, "", "there is no user %s on this host, to whom %s is to belong", printable(f.User), f.Path)
		}
		if ok, first := group(f.Group); !ok && first {
			s.add(Warning, 0, "", "there is no group %s on this host, to which %s is to belong", printable(f.Group), f.Path)
		}
	}
	return c.placed(s.sorted())
}

// once asks about each name once, and about the empty one never. The second
// result says whether it was the first time.
func once(ask func(string) bool) func(string) (bool, bool) {
	known := map[string]bool{}
	return func(name string) (bool, bool) {
		if ok, asked := known[name]; asked || name == "" {
			return ok || name == "", false
		}
		known[name] = ask(name)
		return known[name], true
	}
}
