package config

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// names resolves the names that iproute2 gives to numbers, from its files and
// from what is built in here.
type names struct {
	fsys     fs.FS // of the host's root directory; nil for no files
	etc, usr string
	files    map[string]map[string]uint32 // by the file's name, once read
}

// The files of iproute2.
const (
	fileTables    = "rt_tables"
	fileProtocols = "rt_protos"
	fileScopes    = "rt_scopes"
	fileRealms    = "rt_realms"
	fileDSField   = "rt_dsfield"
	fileGroups    = "group"
)

// The numbers that the kernel gives a meaning to (linux/rtnetlink.h).
const (
	tableMain  = 254
	tableLocal = 255
	scopeSite  = 200
	scopeLink  = 253
	scopeHost  = 254
)

// ProtocolHakeep is the protocol number of routes, rules and addresses that
// hakeep puts into the kernel, by which it knows them again.
const ProtocolHakeep = 112

// builtin returns the names that need no file.
func builtin(file string) map[string]uint32 {
	switch file {
	case fileTables:
		return map[string]uint32{"default": 253, "main": tableMain, "local": tableLocal}
	case fileProtocols:
		return map[string]uint32{
			"redirect": 1, "kernel": 2, "boot": 3, "static": 4, "gated": 8, "ra": 9, "mrt": 10, "zebra": 11, "bird": 12,
			"dnrouted": 13, "xorp": 14, "ntk": 15, "dhcp": 16, "keepalived": 18, "babel": 42, "openr": 99, "hakeep": ProtocolHakeep,
			"bgp": 186, "isis": 187, "ospf": 188, "rip": 189, "eigrp": 192,
		}
	case fileScopes:
		return map[string]uint32{"global": 0, "universe": 0, "site": scopeSite, "link": scopeLink, "host": scopeHost, "nowhere": 255}
	case fileRealms:
		return map[string]uint32{"cosmos": 0}
	case fileGroups:
		return map[string]uint32{"default": 0}
	}
	return nil
}

// number resolves a number or a name. The second result says what is wrong.
func (n *names) number(file, text string, least, most uint32) (uint32, string) {
	v64, err := strconv.ParseUint(text, 0, 32)
	v := uint32(v64)
	if err != nil {
		var known bool
		if v, known = n.load(file)[text]; !known {
			allowed := fmt.Sprintf("a number from %d to %d", least, most)
			if len(builtin(file)) > 0 && len(builtin(file)) < 10 {
				allowed += ", " + strings.Join(slices.Sorted(maps.Keys(builtin(file))), ", ")
			}
			return 0, fmt.Sprintf("which is not known; allowed: %s, or a name from %s", allowed, path.Join(n.etc, file))
		}
	}
	if v < least || v > most {
		return 0, fmt.Sprintf("which is out of range; allowed: %d to %d", least, most)
	}
	return v, ""
}

// load returns the names of a file, read once.
func (n *names) load(file string) map[string]uint32 {
	if known, ok := n.files[file]; ok {
		return known
	}
	all := map[string]uint32{}
	maps.Copy(all, builtin(file))
	for _, p := range n.paths(file) {
		readNames(n.fsys, p, all)
	}
	if n.files == nil {
		n.files = map[string]map[string]uint32{}
	}
	n.files[file] = all
	return all
}

// paths lists the files that iproute2 reads, the more important ones last: the
// one in /etc instead of the one in /usr, and what is added to either.
func (n *names) paths(file string) []string {
	if n.fsys == nil {
		return nil
	}
	var out []string
	etc, usr := strings.TrimPrefix(n.etc, "/"), strings.TrimPrefix(n.usr, "/")
	first := path.Join(usr, file)
	if _, err := fs.Stat(n.fsys, path.Join(etc, file)); err == nil {
		first = path.Join(etc, file)
	}
	out = append(out, first)
	for _, dir := range []string{usr, etc} {
		more, err := fs.Glob(n.fsys, path.Join(dir, file+".d", "*.conf"))
		if err == nil {
			out = append(out, more...)
		}
	}
	return out
}

// readNames adds the lines "NUMBER NAME" of a file. What cannot be read is left
// out, as iproute2 does: a name that is needed is then reported as unknown.
func readNames(fsys fs.FS, name string, to map[string]uint32) {
	const most = 1 << 20
	f, err := fsys.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return
	}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		if v, err := strconv.ParseUint(words[0], 0, 32); err == nil {
			to[words[1]] = uint32(v)
		}
	}
}

// ipProtocols are the IP protocols that rules can name (IANA, "Assigned
// Internet Protocol Numbers").
func ipProtocols() map[string]uint32 {
	return map[string]uint32{
		"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51,
		"icmpv6": 58, "ipv6-icmp": 58, "ospf": 89, "pim": 103, "vrrp": 112, "l2tp": 115, "sctp": 132, "udplite": 136,
	}
}
