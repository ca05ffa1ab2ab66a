package daemon

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"hakeep/arp"
	"hakeep/internal/config"
	"hakeep/internal/firewall"
	"hakeep/internal/netif"
	"hakeep/internal/notify"
	"hakeep/internal/track"
	"hakeep/internal/wire"
	"hakeep/lvs"
)

// noValues has no track files.
type noValues struct{}

func (noValues) Value(string) (int64, bool) { return 0, false }

// effects is all that a configuration becomes.
func effects(cfg *config.Config) []any {
	d := &daemon{}
	d.current.Store(&inForce{config: cfg})
	heals := make([]bool, len(cfg.Instances))
	for i := range cfg.Instances {
		heals[i] = d.heals(cfg.Instances[i].Name)
	}
	compiled := compile(cfg, nil)
	compiled.Digest = "" // it is of all the rest
	probes := serverProbes(cfg, noValues{})
	hooks := balancingHooks(cfg)
	events := []notify.ServerEvent{}
	for _, v := range cfg.VirtualServers {
		for _, ev := range []lvs.Event{{Kind: lvs.QuorumUp}, {Kind: lvs.QuorumDown}} {
			events = append(events, hooks[v.Name].event(&ev, !cfg.Global.LVS.NoCheckerMails))
		}
		for _, s := range v.Servers {
			for _, kind := range []lvs.EventKind{lvs.ServerUp, lvs.ServerDown, lvs.CheckDown} {
				ev := lvs.Event{Kind: kind, Server: lvsEndpoint(s.Addr)}
				events = append(events, hooks[v.Name].event(&ev, !cfg.Global.LVS.NoCheckerMails))
			}
		}
	}
	var masters []string
	for _, in := range cfg.Instances {
		masters = append(masters, fmt.Sprint(in.Name == cfg.Global.LVS.Sync.Instance))
	}
	return []any{probes, balanced(cfg, probes), hooks, events, masters, compiled, trackSpecs(cfg), checkSpecs(cfg), notifySpec(cfg, "host"), rules(cfg), startupDelay(&cfg.Global, 0, 0), startupDelay(&cfg.Global, time.Hour, 0), heals}
}

// without are fields that change none of the effects, and why that is right.
// Those with "read:" are read where they count by the daemon itself; that is
// looked up in its source.
var without = map[string]string{
	"File":                           "for messages",
	"Instances.Line":                 "for messages",
	"Scripts.Line":                   "for messages",
	"Files.Line":                     "for messages",
	"Processes.Line":                 "for messages",
	"Checks.Line":                    "for messages",
	"Groups.Line":                    "for messages",
	"TrackGroups.Line":               "for messages",
	"LinkDelays.Line":                "for messages",
	"Instances.NoVirtualIPAddress":   "the reader's: it silences a warning",
	"Global.Name":                    "the reader's: it is part of NFTable",
	"Global.DefaultInterface":        "the reader's: static addresses have it",
	"Scripts.Weight":                 "the reader's: Tracks have it",
	"Scripts.Reverse":                "the reader's: Tracks have it",
	"Files.Weight":                   "the reader's: Tracks have it",
	"Files.Reverse":                  "the reader's: Tracks have it",
	"Processes.Weight":               "the reader's: Tracks have it",
	"Processes.Reverse":              "the reader's: Tracks have it",
	"Checks.Weight":                  "the reader's: Tracks have it",
	"Checks.Reverse":                 "the reader's: Tracks have it",
	"Groups.Instances":               "the reader's: the instances name their group",
	"Groups.Tracks":                  "the reader's: the instances have it",
	"Groups.TrackingWeight":          "the reader's: the weights of the instances are cut",
	"Instances.Addresses.TrackGroup": "static addresses only",
	"Instances.Routes.TrackGroup":    "static routes only",
	"Instances.Rules.TrackGroup":     "static rules only",
	"Instances.Routes.Family":        "the reader's: the destination says it",
	"StaticRoutes.Family":            "the reader's: the destination says it",
	"Instances.Excluded.TrackGroup":  "static addresses only",
	"SupplementaryGroups":            "programs always have the further groups of their user",
	"VirtualServers.Line":            "for messages",
	"Servers.Line":                   "for messages",
	"Checkers.Ping.Probe.BindPort":   "the reader's: it warns that it has no effect",
	"Checkers.Misc.Probe.Addr":       "the reader's: it warns that it has no effect",
	"Checkers.Misc.Probe.Bind":       "the reader's: it warns that it has no effect",
	"Checkers.Misc.Probe.BindPort":   "the reader's: it warns that it has no effect",
	"Checkers.Misc.Probe.BindLink":   "the reader's: it warns that it has no effect",
	"Checkers.Misc.Probe.Mark":       "the reader's: it warns that it has no effect",
	"Checkers.Misc.Probe.Timeout":    "the reader's: it warns that it has no effect",
	"Checkers.File.Probe.Addr":       "the reader's: it warns that it has no effect",
	"Checkers.File.Probe.Bind":       "the reader's: it warns that it has no effect",
	"Checkers.File.Probe.BindPort":   "the reader's: it warns that it has no effect",
	"Checkers.File.Probe.BindLink":   "the reader's: it warns that it has no effect",
	"Checkers.File.Probe.Mark":       "the reader's: it warns that it has no effect",
	"Checkers.File.Probe.Interval":   "the reader's: it warns that it has no effect",
	"Global.LVS":                     "read: the back end of IPVS has it",
	"LVS.Backend":                    "read: ChooseBackend looks at it",
	"LVS.InitNotifies":               "read: the pool is told",
	"LVS.Sync.ID":                    "read: the back end of IPVS has it",
	"Global.NFTable":                 "read: Run opens the table",
	"Global.Realtime":                "read: Run starts electors so",
	"Global.Umask":                   "read: set before programs run",
	"Global.ReloadFile":              "read: made at a reload",
	"Global.HTTPListen":              "read: the HTTP server is told",
	"Global.NetNamespace":            "read: Run enters it",
	"Global.StartupScript":           "read: run before all tasks",
	"Global.ShutdownScript":          "read: run after all tasks",
	"Global.PIDDir":                  "the command's: hakeep keepalived names the pid files by it",
	"Global.Dumps":                   "read: where dumps go, and the layout",
}

// reason finds the reason of a field: the longest part of its path that one is
// given for.
func reason(path string) (key, why string) {
	for k, w := range without {
		if (path == k || strings.HasPrefix(path, k+".") || strings.HasSuffix(path, "."+k)) && len(k) > len(key) {
			key, why = k, w
		}
	}
	return key, why
}

// TestEveryFieldHasAnEffect changes every field of a configuration, one at a
// time, and sees to it that something of what the daemon makes of it changes: a
// keyword that is read and then forgotten fails here.
func TestEveryFieldHasAnEffect(t *testing.T) {
	t.Parallel()
	want := effects(parse(t, everything))
	acts := map[string]bool{} // by path without indexes
	for _, c := range leaves(reflect.ValueOf(parse(t, everything)).Elem(), "", nil) {
		cfg := parse(t, everything)
		change(c.at(reflect.ValueOf(cfg).Elem()))
		acts[c.path] = acts[c.path] || !reflect.DeepEqual(effects(cfg), want)
	}
	used := map[string]bool{}
	read := selectors(t, ".")
	for path, has := range acts {
		key, why := reason(path)
		switch {
		case !has && why == "":
			t.Errorf("config.Config.%s can be changed without any effect: a keyword is dropped between the configuration and the daemon", path)
		case !has && strings.HasPrefix(why, "read:") && !read[path[strings.LastIndexByte(path, '.')+1:]] && !read[key[strings.LastIndexByte(key, '.')+1:]]:
			t.Errorf("config.Config.%s is said to be read by the daemon, but is not", path)
		}
		if !has {
			used[key] = true
		}
	}
	for key, why := range without {
		if !used[key] {
			t.Errorf("config.Config.%s has an effect by now, or is gone: take it out of the list (%s)", key, why)
		}
	}
}

// TestEveryMessageFieldIsRead does the same for the next step: what the daemon
// hands on is read by who receives it.
func TestEveryMessageFieldIsRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dir    string
		values []any
	}{
		{"../elector", []any{wire.Config{}, wire.Instance{}, wire.Tracked{}, wire.Standby{}, wire.Static{}, wire.LinkDelay{}, wire.LeftItems{}}},
		{"../track", []any{track.Specs{}, track.Script{}, track.File{}, track.InitFile{}, track.Process{}, track.Instance{}, track.Ref{}}},
		{"../notify", []any{notify.Spec{}, notify.Policy{}, notify.Hooks{}, notify.FIFO{}, notify.Mail{}, notify.Command{}}},
		{"../netif", []any{netif.Addr{}, netif.Route{}, netif.NextHop{}, netif.Rule{}}},
		{"../firewall", []any{firewall.Rules{}}},
		{"../../arp", []any{arp.Settings{}}},
		{"../../lvs", []any{lvs.VirtualServer{}, lvs.RealServer{}, lvs.Config{}, lvs.Outcome{}}},
	} {
		read := selectors(t, c.dir)
		if c.dir == "../elector" { // Config.On is called there
			maps.Copy(read, selectors(t, "../wire"))
		}
		for _, v := range c.values {
			typ := reflect.TypeOf(v)
			for i := range typ.NumField() {
				if name := typ.Field(i).Name; !read[name] && typ.Field(i).IsExported() && !typ.Field(i).Anonymous {
					t.Errorf("%s.%s is nowhere read in %s", typ, name, c.dir)
				}
			}
		}
	}
}

// selectors are the names that are selected (x.Name) in the source of a package,
// other than on the left of an assignment.
func selectors(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		written := map[ast.Node]bool{}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, l := range n.Lhs {
					written[l] = true
				}
			case *ast.SelectorExpr:
				if !written[n] {
					names[n.Sel.Name] = true
				}
			}
			return true
		})
	}
	return names
}

// leaf is a value in a configuration that can be changed by itself.
type leaf struct {
	path string // without indexes
	step []int  // fields and indexes
}

func (l leaf) at(v reflect.Value) reflect.Value {
	for _, i := range l.step {
		if v.Kind() == reflect.Slice {
			v = v.Index(i)
		} else {
			v = v.Field(i)
		}
	}
	return v
}

// leaves finds all values below v, and each slice as a whole.
func leaves(v reflect.Value, path string, step []int) []leaf {
	here := leaf{path, slices.Clone(step)}
	switch {
	case v.Kind() == reflect.Slice:
		all := []leaf{here}
		for i := range v.Len() {
			all = append(all, leaves(v.Index(i), path, append(slices.Clone(step), i))...)
		}
		return all
	case v.Kind() == reflect.Struct && v.Type().PkgPath() == reflect.TypeFor[config.Config]().PkgPath():
		var all []leaf
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			name := f.Name
			if path != "" {
				name = path + "." + name
			}
			all = append(all, leaves(v.Field(i), name, append(slices.Clone(step), i))...)
		}
		return all
	}
	return []leaf{here}
}

// change gives a value another one of its type.
func change(v reflect.Value) {
	switch x := v.Interface().(type) {
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.MustParseAddr("203.0.113.77")))
		return
	case netip.Prefix:
		v.Set(reflect.ValueOf(netip.MustParsePrefix("203.0.113.77/27")))
		return
	case netip.AddrPort:
		v.Set(reflect.ValueOf(netip.MustParseAddrPort("203.0.113.77:7777")))
		return
	case time.Duration:
		if x == math.MaxInt64 {
			x = 0
		}
		v.SetInt(int64(x + 10*time.Millisecond))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(v.Int() + 1)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(v.Uint() + 1)
	case reflect.Slice:
		if v.Len() > 0 {
			v.SetLen(v.Len() - 1)
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	default:
		panic(fmt.Sprintf("no other value for %v", v.Type()))
	}
}

// everything is a configuration in which every list has an element.
const everything = `
static_ipaddress = ["192.0.2.5/24 dev eth0 track_group T"]
static_routes = ["192.0.2.0/24 dev eth0 track_group T"]
static_rules = ["from 192.0.2.0/24 fwmark 1 table 100 preference 1000 track_group T"]

[global_defs]
notify_fifo = "/run/a"
vrrp_notify_fifo = "/run/b"
lvs_notify_fifo = "/run/c"
notify_fifo_script = ["/x"]
vrrp_notify_fifo_script = ["/x"]
lvs_notify_fifo_script = ["/x"]
startup_script = ["/x"]
shutdown_script = ["/x"]
smtp_server = "192.0.2.25"
notification_email = ["a@example.com"]

[[vrrp_script]]
name = "s"
script = ["/x"]

[[track_file]]
name = "f"
file = "/run/f"
init_file = "1"

[[vrrp_track_process]]
name = "p"
process = "nginx -g"

[[track_check]]
name = "c"
kind = "http"
targets = ["https://192.0.2.1/"]
status_code = ["200"]

[[track_check]]
name = "d"
kind = "dns"
targets = ["192.0.2.1"]
dns_name = "example.com"

[[track_check]]
name = "e"
kind = "ping"
targets = ["192.0.2.1", "192.0.2.2"]

[[vrrp_instance]]
name = "A"
interface = "eth0"
virtual_router_id = 51
version = 2
authentication = { auth_type = "PASS", auth_pass = "secret" }
state = "MASTER"
priority = 150
virtual_ipaddress = ["192.0.2.10/24"]
virtual_ipaddress_excluded = ["192.0.2.11/24"]
virtual_routes = ["192.0.2.0/24 via 198.51.100.1 dev eth0"]
virtual_rules = ["from 192.0.2.0/24 fwmark 1 table 100 preference 1000"]
track_script = ["s"]
track_file = ["f"]
track_process = ["p"]
track_check = ["c", "d", "e"]
track_interface = ["eth1"]
notify = ["/n"]
notify_master = ["/n"]
notify_backup = ["/n"]
notify_fault = ["/n"]
notify_stop = ["/n"]
notify_deleted = true
notify_master_rx_lower_pri = ["/n"]

[[vrrp_instance]]
name = "B"
interface = "eth0"
virtual_router_id = 52
unicast_peer = ["192.0.2.2", "192.0.2.3"]
virtual_ipaddress = ["192.0.2.20/24"]
no_accept = true
promote_secondaries = true

[[vrrp_sync_group]]
name = "G"
group = ["A"]
notify = ["/n"]
notify_master = ["/n"]
notify_backup = ["/n"]
notify_fault = ["/n"]
notify_stop = ["/n"]

[[track_group]]
name = "T"
group = ["A"]

[interface_up_down_delays]
eth0 = "1s"

[SSL]
certificate = "/c"
key = "/k"
ca = "/a"

[[virtual_server_group]]
name = "VSG"
address = ["192.0.2.20 3306", { fwmark = 7, ip_family = "inet" }]

[[virtual_server]]
group = "VSG"
protocol = "TCP"
lvs_sched = "wlc"
persistence_timeout = "360s"
quorum = 2
quorum_up = ["/q"]
quorum_down = ["/q"]
sorry_server = "10.0.0.9:80"
sorry_server_lvs_method = { method = "TUN", type = "gue", port = 6080, checksum = "csum" }
  [[virtual_server.real_server]]
  address = "10.0.0.1:80"
  lvs_method = { method = "TUN", type = "gue", port = 6080, checksum = "csum" }
  notify_up = ["/u"]
  notify_down = ["/d"]
    [virtual_server.real_server.TCP_CHECK]
    bindto = "10.0.0.1"
    bind_port = 50000
    bind_if = "eth1"
    fwmark = 3
    [virtual_server.real_server.HTTP_GET]
    url = [{ path = "/", digest = "9b3a0c85a887a256d6939da88aabd8cd" }]
    virtualhost = "a.example.com"
    [virtual_server.real_server.SSL_GET]
    url = [{ path = "/", regex = "x", regex_options = ["caseless"] }]
    sni_name = "b.example.com"
    tls_verify = true
    [virtual_server.real_server.SMTP_CHECK]
    [virtual_server.real_server.DNS_CHECK]
    name = "example.com"
    [virtual_server.real_server.UDP_CHECK]
    payload = "0a"
    require_reply = "0aXX"
    [virtual_server.real_server.PING_CHECK]
    [virtual_server.real_server.MISC_CHECK]
    misc_path = ["/m"]
    user = "root"
    [virtual_server.real_server.FILE_CHECK]
    track_file = "f"
    weight = 2
    [virtual_server.real_server.GRPC_CHECK]
    tls = true
    [virtual_server.real_server.REDIS_CHECK]
    tls = true
    user = "u"
    password = "p"
    [virtual_server.real_server.MYSQL_CHECK]
    tls = true
    user = "u"
    password = "p"
    [virtual_server.real_server.PGSQL_CHECK]
    tls = true
    user = "u"
`
