package metrics

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"hakeep/internal/status"
)

var update = flag.Bool("update", false, "rewrite golden files and the tables in docs/")

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func now() time.Time { return time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC) }

// document has a master with a history, a backup, an instance in fault and one
// that the elector does not know yet.
func document() *status.Document {
	addr := netip.MustParseAddr
	prefix := func(s ...string) []netip.Prefix {
		out := []netip.Prefix{}
		for _, p := range s {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	group := addr("224.0.0.18")
	return &status.Document{
		Schema: status.Schema, Time: now(),
		Daemon: status.Daemon{
			Version: "1.2.3", PID: 4711, Started: now().Add(-26 * time.Hour), ConfigLoaded: now().Add(-time.Hour),
			LastReload: &status.Reload{Time: now().Add(-time.Minute)}, Reloads: 3, ReloadsRefused: 1,
		},
		Elector: status.Elector{
			Running: true, PID: 4712, Started: now().Add(-25 * time.Hour), Starts: 2, Realtime: true,
			Lateness: status.Lateness{Count: 1000, P50: 0.000031, P99: 0.00021, Max: 0.0015},
			Takeovers: status.Takeovers{
				Timer: status.Lateness{Count: 3, P50: 0.00004, P99: 0.00006, Max: 0.00006}, Advert: status.Lateness{Count: 3, P50: 0.00009, P99: 0.00012, Max: 0.00012},
				Addresses: status.Lateness{Count: 2, P50: 0.0007, P99: 0.0009, Max: 0.0009},
			},
			Sockets: status.Sockets{Sent: 1010, Received: 2020, SendErrors: 1, Dropped: 3},
		},
		Warnings: []string{"VI_U: interface eth2 does not exist"},
		Tracked:  trackedObjects(),
		Groups:   []status.Group{{Name: "G1", State: "BACKUP"}},
		Notify: status.Notify{
			Targets: []status.NotifyTarget{
				{Kind: "instance", Name: "VI_1", Running: "notify", Waiting: 1, Runs: 7, Failures: 2, Skipped: 3, Last: &status.NotifyRun{}},
				{Kind: "group", Name: "G1"},
			},
			FIFOs: []status.NotifyFIFO{{Path: "/run/f", Open: true, Waiting: 2, Written: 40, Dropped: 5, ScriptRestarts: 1}},
			Mail:  &status.NotifyMail{Queued: 1, Sent: 4, Failed: 2, Refused: 3, Dropped: 5},
		},
		Links:     []status.Link{{Interface: "eth0", Reasons: map[string]uint64{"vrid": 12, "foreign": 2}}},
		Balancing: balancing(),
		Instances: []status.Instance{
			{
				Name: "VI_1", State: "MASTER", Since: now().Add(-time.Hour), Why: "master-timeout", Family: "ipv4", Version: 3, VRID: 51,
				Interface: "eth0", Group: group, Priority: status.Priority{Effective: 145, Configured: 150, Parts: []status.PriorityPart{
					{Kind: "interface", Name: "eth1", State: "down", Weight: -25, Configured: -25},
					{Kind: "script", Name: "chk", State: "ok", Weight: 20, Configured: 20},
				}},
				Peers:     []status.Peer{{Address: addr("192.0.2.2"), Priority: 100, LastSeen: now().Add(-time.Hour), Adverts: 4}},
				Conflicts: []status.Conflict{{Address: addr("192.0.2.10"), MAC: "02:00:00:00:00:07", By: "ARP", Packets: 5, LastSeen: now().Add(-time.Minute)}},
				Intervals: status.Intervals{Configured: 1, Advert: 1, Down: 3.4140625, Skew: 0.4140625},
				Addresses: status.Addresses{
					Configured: []status.Address{{Address: netip.MustParsePrefix("192.0.2.10/24")}, {Address: netip.MustParsePrefix("192.0.2.11/24")}},
					Installed:  prefix("192.0.2.10/24"), Missing: prefix("192.0.2.11/24"),
				},
				Counters: status.Counters{
					AdvertsSent: 3600, AdvertsReceived: 4, PriorityZeroReceived: 1, PriorityZeroSent: 2, BecameMaster: 2, ReleasedMaster: 1,
					Reasons: map[string]uint64{"ttl": 3, "address-list": 4, "checksum-form": 9, "interval-mismatch": 5, "interval": 1},
				},
				DoubleMaster: status.DoubleMaster{Count: 1, Seconds: 0.75},
			},
			{
				Name: "VI_6", State: "BACKUP", Since: now().Add(-25 * time.Hour), Why: "startup", Family: "ipv6", Version: 3, VRID: 51,
				Interface: "eth0", Group: addr("ff02::12"), Priority: status.Priority{Effective: 100, Configured: 100},
				Master:    &status.Master{Address: addr("fe80::2"), Priority: 150},
				Peers:     []status.Peer{{Address: addr("fe80::2"), Priority: 150, LastSeen: now().Add(-2 * time.Millisecond), Adverts: 99}},
				Intervals: status.Intervals{Configured: 0.1, Advert: 0.01, Down: 0.036, Skew: 0.006},
				Counters:  status.Counters{AdvertsReceived: 99},
			},
			{
				Name: `VI "odd"`, State: "FAULT", Since: now().Add(-5 * time.Second), Why: "interface-down", Faults: []string{"interface-missing", "no-primary-ip-address"},
				Family: "ipv4", Version: 2, VRID: 7, Interface: "eth2", Priority: status.Priority{Effective: 255, Configured: 255, Owner: true},
			},
			{Name: "VI_new", State: status.StateUnknown, Family: "ipv4", Version: 3, VRID: 8, Interface: "eth0", Group: group},
		},
	}
}

// balancing has a virtual server with a sorry server, and one of a group whose
// counters are not known.
func balancing() status.Balancing {
	active, inactive, weight := uint32(3), uint32(5), 7
	counters := func(n uint64) *status.BalancedCounters {
		return &status.BalancedCounters{Connections: n, InPackets: 10 * n, InBytes: 1000 * n, OutPackets: 20 * n, OutBytes: 30000 * n}
	}
	return status.Balancing{
		Backend: "ipvs", Reason: "the kernel has IPVS", Error: "no room",
		VirtualServers: []status.VirtualServer{
			{
				Name: "192.0.2.10:80/tcp", Up: true, Since: now().Add(-time.Hour), Weight: 7, Quorum: 2, Sorry: &status.SorryServer{Address: "10.0.0.9:80"},
				Services: []status.BalancedService{{Name: "192.0.2.10:80/tcp", Counters: counters(40)}},
				Servers: []status.RealServer{
					{
						Address: "10.0.0.1:80", Up: true, Since: now().Add(-time.Hour), Weight: 7, Configured: 1, WeightByHand: &weight, Counters: counters(40), Active: &active, Inactive: &inactive,
						Checks: []status.ServerCheck{{Runs: 100, Failures: 2, Late: 1}, {Runs: 10}},
					},
					{Address: "10.0.0.2:80", Since: now().Add(-time.Minute), Reason: "TCP_CHECK 10.0.0.2:80: connection refused", Weight: 1, Configured: 1},
				},
			},
			{
				Name: "group:G/tcp", Since: now().Add(-time.Minute), Quorum: 1,
				Services: []status.BalancedService{{Name: "192.0.2.11:80/tcp"}, {Name: "192.0.2.11:443/tcp"}},
			},
		},
	}
}

// trackedObjects has one of each kind.
func trackedObjects() []status.Tracked {
	value := -26
	return []status.Tracked{
		{
			Kind: "script", Name: "chk", State: "ok", Since: now().Add(-time.Hour),
			Run: &status.TrackedRun{ExitCode: 0, Duration: 0.012, Runs: 3600, Failures: 60, Timeouts: 1, Skipped: 2},
		},
		{Kind: "script", Name: "new", State: "init", Since: now(), Run: &status.TrackedRun{ExitCode: -1}},
		{Kind: "file", Name: "f", State: "failed", Since: now().Add(-time.Hour), Value: &value, Error: "permission denied"},
		{Kind: "check", Name: "gateway", State: "failed", Since: now().Add(-time.Minute)},
	}
}

// ask asks a handler once.
func ask(t *testing.T, h http.Handler, method, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Code, w.Body.String()
}

func handlerOf(d *status.Document) http.Handler {
	get := func(context.Context) (*status.Document, error) { return d, nil }
	return Handler(get, get)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	down := document()
	down.OK, down.Daemon.LastReload = false, nil
	down.Elector = status.Elector{Error: "no answer within 3s", Starts: 2}
	for i := range down.Instances {
		down.Instances[i].State = status.StateUnknown
	}
	for _, c := range []struct {
		file string
		doc  *status.Document
	}{{"metrics.txt", document()}, {"metrics-elector-down.txt", down}} {
		code, body := ask(t, handlerOf(c.doc), http.MethodGet, "/metrics")
		if code != http.StatusOK {
			t.Errorf("%s: %d %s", c.file, code, body)
		}
		golden(t, filepath.Join("testdata", c.file), []byte(body))
	}
}

// TestComplete checks that the golden file shows every metric that there is,
// with its labels: it is what the dashboard and the alerts are held against.
func TestComplete(t *testing.T) {
	t.Parallel()
	_, body := ask(t, handlerOf(document()), http.MethodGet, "/metrics")
	for _, f := range Families() {
		if !strings.Contains(body, "# TYPE "+f.Name+" "+f.Type+"\n") {
			t.Errorf("%s does not appear as a %s", f.Name, f.Type)
		}
		for _, l := range f.Labels {
			if !slices.ContainsFunc(strings.Split(body, "\n"), func(line string) bool {
				return strings.HasPrefix(line, f.Name+"{") && (strings.Contains(line, "{"+l+"=") || strings.Contains(line, ","+l+"="))
			}) {
				t.Errorf("%s does not appear with label %s", f.Name, l)
			}
		}
	}
}

// TestNames lets Prometheus' linter judge names, types and help.
func TestNames(t *testing.T) {
	t.Parallel()
	_, body := ask(t, handlerOf(document()), http.MethodGet, "/metrics")
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	seen := map[string]bool{}
	for _, f := range Families() {
		if !strings.HasPrefix(f.Name, "hakeep_") || f.Help == "" || seen[f.Name] {
			t.Errorf("%+v: is twice there, has no help, or another prefix than hakeep_", f)
		}
		seen[f.Name] = true
		if slices.Contains(f.Labels, "instance") || slices.Contains(f.Labels, "job") {
			t.Errorf("%s has a label that Prometheus sets itself", f.Name)
		}
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	code, body := ask(t, handlerOf(document()), http.MethodGet, "/status")
	var got status.Document
	if err := json.Unmarshal([]byte(body), &got); err != nil || code != http.StatusOK {
		t.Fatalf("%d: %v", code, err)
	}
	want, err := json.Marshal(document())
	if err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	if err := json.Compact(&plain, []byte(body)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), plain.String()); diff != "" {
		t.Error(diff)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	healthy := document()
	healthy.OK, healthy.Instances = true, healthy.Instances[:2]
	down := document()
	down.Elector = status.Elector{Error: "not within 3s"}
	crowd := document()
	for range 9 {
		crowd.Instances = append(crowd.Instances, crowd.Instances[2])
	}
	get := func(context.Context) (*status.Document, error) { return nil, errors.New("stopping") }
	failing := Handler(get, get)
	const fault = `VI "odd" is in FAULT (interface-missing, no-primary-ip-address)`
	for _, c := range []struct {
		name, path string
		h          http.Handler
		code       int
		body       string
	}{
		{"healthy", "/healthz", handlerOf(healthy), 200, "ok"},
		{"alive", "/livez", handlerOf(healthy), 200, "ok"},
		{"fault", "/healthz", handlerOf(document()), 503, fault + "; VI_new is not known to the elector yet"},
		{"fault is no reason to restart", "/livez", handlerOf(document()), 200, "ok"},
		{"many faults", "/healthz", handlerOf(crowd), 503, fault + "; VI_new is not known to the elector yet" + strings.Repeat("; "+fault, 3) + "; and 6 more"},
		{"no elector", "/healthz", handlerOf(down), 503, "the elector does not answer: not within 3s"},
		{"no elector, alive", "/livez", handlerOf(down), 503, "the elector does not answer: not within 3s"},
		{"no document", "/healthz", failing, 503, "the daemon does not say how it is: stopping"},
		{"no document, metrics", "/metrics", failing, 503, "the daemon does not say how it is: stopping"},
		{"index", "/", handlerOf(healthy), 200, "hakeep: /metrics /status /healthz /livez"},
		{"unknown", "/metric", handlerOf(healthy), 404, "404 page not found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, body := ask(t, c.h, http.MethodGet, c.path)
			if code != c.code || body != c.body+"\n" {
				t.Errorf("got %d %q, want %d %q", code, body, c.code, c.body)
			}
		})
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/metrics", "/status", "/healthz", "/livez"} {
		if code, _ := ask(t, handlerOf(document()), http.MethodPost, path); code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, code)
		}
		if code, _ := ask(t, handlerOf(document()), http.MethodHead, path); code == http.StatusMethodNotAllowed {
			t.Errorf("HEAD %s: %d", path, code)
		}
	}
}

// TestHealthIsCheap: probes are not answered from the whole document, which takes the
// kernel work with thousands of servers.
func TestHealthIsCheap(t *testing.T) {
	t.Parallel()
	h := Handler(func(context.Context) (*status.Document, error) {
		return nil, errors.New("the whole document")
	}, func(context.Context) (*status.Document, error) { return document(), nil })
	for path, whole := range map[string]bool{"/metrics": true, "/status": true, "/healthz": false, "/livez": false} {
		if _, body := ask(t, h, http.MethodGet, path); strings.Contains(body, "the whole document") != whole {
			t.Errorf("%s: %s", path, body)
		}
	}
}

// TestBusy: while as many requests as are allowed are being answered, another
// one is sent away at once.
func TestBusy(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	get := func(context.Context) (*status.Document, error) {
		entered <- struct{}{}
		<-leave
		return document(), nil
	}
	h := Handler(get, get)
	done := make(chan int)
	for range requestsAtOnce {
		go func() {
			code, _ := ask(t, h, http.MethodGet, "/livez")
			done <- code
		}()
		<-entered
	}
	if code, body := ask(t, h, http.MethodGet, "/livez"); code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", code, body)
	}
	close(leave)
	for range requestsAtOnce {
		if code := <-done; code != http.StatusOK {
			t.Errorf("%d", code)
		}
	}
}

// TestAllocations: a scrape of the largest configuration does not allocate for
// each sample what a registry would.
func TestAllocations(t *testing.T) {
	doc := many(4080)
	samples := 0
	mfs, err := (&page{table: sorted(families()), doc: doc}).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, mf := range mfs {
		samples += len(mf.Metric)
	}
	allocs := testing.AllocsPerRun(1, func() {
		_, _ = (&page{table: sorted(families()), doc: doc}).Gather()
	})
	if limit := 3 * float64(samples); allocs > limit {
		t.Errorf("%.0f allocations for %d samples", allocs, samples)
	}
}
