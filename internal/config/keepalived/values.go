package keepalived

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"hakeep/internal/config"
)

// bareMatch stands for a param_match without a word until the process is known.
const bareMatch = ""

// scalar writes the value of a keyword that has one. false means that the
// statement is left out; that is reported here.
func (c *converter) scalar(s *section, k *config.Keyword, n *node) (string, bool) {
	key, args := s.join(n.name()), n.args()
	extra := func(most int) {
		if len(args) > most {
			c.add(Changed, n.pos, key, "%s has no meaning and is left out", quote(n.text(most+1)))
		}
	}
	needs := func() bool {
		if len(args) > 0 {
			return true
		}
		c.add(Lost, n.pos, key, "its value is missing, so it is left out")
		return false
	}
	if v, ok := c.balancingScalar(s, k, n); ok {
		return v, true
	}
	if s.block == config.BlockProcess && k.Name == "param_match" && len(args) == 0 {
		return bareMatch, true
	}
	switch k.Kind {
	case config.KindBool:
		return c.flag(k, n, key)
	case config.KindInt:
		extra(1)
		if !needs() {
			return "", false
		}
		return c.number(k, n, key)
	case config.KindBoolOrInt:
		extra(1)
		if len(args) == 0 {
			return "true", true
		}
		return c.number(k, n, key)
	case config.KindDuration:
		extra(1)
		if !needs() {
			return "", false
		}
		return c.duration(k, n, key)
	case config.KindBoolOrString:
		extra(1)
		if len(args) == 0 {
			return "true", true
		}
		return tomlString(args[0].text), true
	case config.KindString, config.KindEnum, config.KindLink, config.KindAddr:
		if k.Name == "umask" && k.Block == config.BlockGlobal {
			return c.umask(n, key, needs)
		}
		extra(1)
		if !needs() {
			return "", false
		}
		return c.word(k, n, key)
	case config.KindWeight:
		return c.weight(k, n, key, needs)
	case config.KindEntry:
		if len(args) == 0 && k.Entries == config.BlockInitFile {
			return "true", true
		}
		if !needs() {
			return "", false
		}
		if k.Entries == config.BlockInitFile && len(args) == 1 {
			if v, err := strconv.Atoi(args[0].text); err == nil {
				return strconv.Itoa(v), true
			}
		}
		if k.Entries == config.BlockMethod {
			return c.method(n, key)
		}
		return tomlString(n.text(1)), true
	case config.KindCommand, config.KindBoolOrCommand:
		if len(args) == 0 && k.Kind == config.KindBoolOrCommand {
			return "true", true
		}
		if !needs() {
			return "", false
		}
		return c.command(k, n, key), true
	}
	c.add(Lost, n.pos, key, "is left out; it cannot be converted")
	return "", false
}

// flag writes true or false. keepalived takes a flag without a word as true.
func (c *converter) flag(k *config.Keyword, n *node, key string) (string, bool) {
	switch word := n.arg(0); word {
	case "", "on", "true", "yes":
		return "true", true
	case "off", "false", "no":
		return "false", true
	default:
		if alone(k) {
			c.add(Changed, n.pos, key, "%s has no meaning and is left out", quote(n.text(1)))
			return "true", true
		}
		c.add(Changed, n.pos, key, "%s is neither on nor off; it is left out, as keepalived does", quote(word))
		return "", false
	}
}

// alone reports whether a keyword is a flag that takes no word in keepalived.
func alone(k *config.Keyword) bool {
	return k.Name == "alpha" && k.Block == config.BlockVS || slices.Contains([]string{
		"nopreempt", "preempt", "accept", "no_accept", "dont_track_primary", "native_ipv6", "no_virtual_ipaddress", "track_src_ip",
		"check_unicast_src", "unicast_fault_no_peer", "promote_secondaries", "init_fail", "full_command", "enable_script_security",
		"log_unknown_vrids", "no_email_faults", "fifo_write_vrrp_states_on_reload", "sync_group_tracking_weight", "v3_checksum_as_v2",
		"omega", "hashed", "ops", "flag-1", "flag-2", "flag-3", "sh-port", "sh-fallback", "mh-port", "mh-fallback", "sorry_server_inhibit", "ha_suspend",
		"misc_dynamic", "enable_sni", "lvs_flush", "rs_init_notifies", "no_checker_emails", "regex_no_match", "tls_compliant",
	}, k.Name)
}

// number writes a whole number.
func (c *converter) number(k *config.Keyword, n *node, key string) (string, bool) {
	text := n.arg(0)
	end := 0
	if end < len(text) && (text[0] == '-' || text[0] == '+') {
		end++
	}
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	v, err := strconv.ParseInt(text[:end], 10, 64)
	if err != nil || end < len(text) {
		c.add(Changed, n.pos, key, "%s is not a number%s; it is left out, as keepalived does", quote(text), inBrackets("allowed", k.Allowed()))
		return "", false
	}
	if k.Max == 0 || v >= k.Min && v <= k.Max {
		return strconv.FormatInt(v, 10), true
	}
	if v == 0 && k.Min == 1 && strings.HasSuffix(k.Name, "garp_master_repeat") {
		c.add(Changed, n.pos, key, "0 means 1, as in keepalived")
		return "1", true
	}
	if v > k.Max && k.Max >= 1000 {
		c.addOwn(Changed, n.pos, key, "%d is more than hakeep can do, so it is %d", v, k.Max)
		return strconv.FormatInt(k.Max, 10), true
	}
	if k.Name == "priority" && k.Block == config.BlockInstance {
		// Without it a state of MASTER would make an address owner.
		c.add(Changed, n.pos, key, "%d is out of range (%s), so it is 100, as in keepalived", v, k.Allowed())
		return "100", true
	}
	c.add(Changed, n.pos, key, "%d is out of range (%s); it is left out, as keepalived does", v, k.Allowed())
	return "", false
}

// duration writes keepalived's decimal seconds as a duration.
func (c *converter) duration(k *config.Keyword, n *node, key string) (string, bool) {
	text := n.arg(0)
	end := 0
	for end < len(text) && end < 32 && (text[end] >= '0' && text[end] <= '9' || text[end] == '.') {
		end++
	}
	var sec big.Rat
	if _, ok := sec.SetString(text[:end]); !ok || end < len(text) {
		c.add(Changed, n.pos, key, "%s is not a number of seconds; it is left out, as keepalived does", quote(text))
		return "", false
	}
	step := time.Duration(max(k.Step, int64(time.Microsecond)))
	sec.Mul(&sec, big.NewRat(int64(time.Second), int64(step)))
	half := new(big.Rat).Add(&sec, big.NewRat(1, 2))
	steps := new(big.Int).Quo(half.Num(), half.Denom())
	if !steps.IsInt64() || steps.Int64() > int64(1<<62)/int64(step) {
		c.add(Changed, n.pos, key, "%s is out of range (%s); it is left out", quote(text), k.Allowed())
		return "", false
	}
	d := time.Duration(steps.Int64()) * step
	if !sec.IsInt() {
		c.add(Changed, n.pos, key, "%s is rounded to %s", quote(text), formatDuration(d))
	}
	if k.Max == 0 || d >= time.Duration(k.Min) && d <= time.Duration(k.Max) {
		return tomlString(formatDuration(d)), true
	}
	if d == 0 && slices.Contains([]string{"interval", "timeout", "smtp_connect_timeout"}, k.Name) {
		c.add(Changed, n.pos, key, "0 means 1 second, as in keepalived")
		return `"1s"`, true
	}
	if k.Name == "advert_int" || k.Name == "persistence_timeout" || d == 0 && balances(k.Block) {
		c.add(Changed, n.pos, key, "%s is out of range (%s); it is left out, as keepalived does", quote(text), k.Allowed())
		return "", false
	}
	near := min(max(d, time.Duration(k.Min)), time.Duration(k.Max))
	c.addOwn(Changed, n.pos, key, "%s is out of the range that hakeep has (%s), so it is %s", quote(text), k.Allowed(), formatDuration(near))
	return tomlString(formatDuration(near)), true
}

// formatDuration writes a duration with one unit.
func formatDuration(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}} {
		if d%u.unit == 0 {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(d/time.Microsecond), 10) + "us"
}

// umask writes a file mode: a number without a leading 0 is decimal.
func (c *converter) umask(n *node, key string, needs func() bool) (string, bool) {
	if !needs() {
		return "", false
	}
	text := strings.ReplaceAll(n.text(1), " ", "")
	if v, err := strconv.ParseUint(text, 10, 32); err == nil && !strings.HasPrefix(text, "0") {
		c.addOwn(Changed, n.pos, key, "%s is decimal; it is 0%o in octal", text, v)
		text = "0" + strconv.FormatUint(v, 8)
	}
	return tomlString(text), true
}

// word writes a text, a word of a few, an address or an interface.
func (c *converter) word(k *config.Keyword, n *node, key string) (string, bool) {
	text := n.arg(0)
	if k.Kind == config.KindEnum && !slices.Contains(k.Words, text) {
		if upper := strings.ToUpper(text); slices.Contains(k.Words, upper) {
			text = upper
		} else {
			c.add(Changed, n.pos, key, "%s is not known (%s); it is left out, as keepalived does", quote(text), k.Allowed())
			return "", false
		}
	}
	if k.Kind == config.KindAddr && (k.Name == "mcast_src_ip" || k.Name == "unicast_src_ip") {
		if addr, length, ok := strings.Cut(text, "/"); ok {
			c.addOwn(Changed, n.pos, key, "the length %s is left out; a source address has none", quote("/"+length))
			text = addr
		}
	}
	return tomlString(text), true
}

// weight writes a weight: a number, or the line with reverse.
func (c *converter) weight(k *config.Keyword, n *node, key string, needs func() bool) (string, bool) {
	if !needs() {
		return "", false
	}
	v, err := strconv.ParseInt(n.arg(0), 10, 64)
	if err != nil || v < k.Min || v > k.Max {
		c.add(Changed, n.pos, key, "%s is not allowed (%d to %d); it is left out, as keepalived does", quote(n.arg(0)), k.Min, k.Max)
		return "", false
	}
	switch {
	case len(n.args()) == 1:
		return strconv.FormatInt(v, 10), true
	case n.arg(1) == "reverse" && len(n.args()) == 2:
		return tomlString(n.text(1)), true
	}
	c.add(Changed, n.pos, key, "%s has no meaning and is left out", quote(n.text(2)))
	return strconv.FormatInt(v, 10), true
}

// command writes a command: a text, or a table with user and group.
func (c *converter) command(k *config.Keyword, n *node, key string) string {
	args := n.args()
	if k.Name == "process" {
		return tomlString(n.text(1))
	}
	text := tomlString(args[0].command())
	if len(args) == 1 {
		return text
	}
	if k.Name == "script" || k.Name == "misc_path" {
		c.add(Changed, n.pos, key, "%s is left out, as keepalived does; put the command and its arguments into quotes together", quote(n.text(2)))
		return text
	}
	parts := "{ command = " + text + ", user = " + tomlString(args[1].text)
	if len(args) > 2 {
		parts += ", group = " + tomlString(args[2].text)
	}
	if len(args) > 3 {
		c.add(Changed, n.pos, key, "%s has no meaning and is left out", quote(n.text(4)))
	}
	return parts + " }"
}

// command returns the command line in the word.
func (w word) command() string {
	if w.quoted {
		return strings.ReplaceAll(w.text, `\"`, `"`)
	}
	return w.text
}

func inBrackets(what, s string) string {
	if s == "" {
		return ""
	}
	return " (" + what + ": " + s + ")"
}
