package packaging

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"hakeep/internal/metrics"
)

// checkExpression holds a PromQL expression against the metrics that there are:
// names, labels, and values of the labels that have fixed ones.
func checkExpression(t *testing.T, where, expr string) {
	t.Helper()
	families := map[string]metrics.Family{}
	for _, f := range metrics.Families() {
		families[f.Name] = f
	}
	values := map[string][]string{
		"state": {"init", "backup", "master", "fault", "unknown"}, "status": {"configured", "installed", "missing"},
		"statistic": {"p50", "p99", "max"}, "outcome": {"done", "refused"},
	}
	names := regexp.MustCompile(`\b(hakeep_\w+|up)\b(\{[^}]*\})?`).FindAllStringSubmatch(expr, -1)
	if len(names) == 0 {
		t.Errorf("%s: no metric in %s", where, expr)
	}
	for _, m := range names {
		f, ok := families[m[1]]
		if !ok && m[1] != "up" {
			t.Errorf("%s: there is no metric %s", where, m[1])
			continue
		}
		for _, c := range regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"`).FindAllStringSubmatch(m[2], -1) {
			label, op, value := c[1], c[2], c[3]
			if label == "job" || label == "instance" {
				continue
			}
			if !slices.Contains(f.Labels, label) {
				t.Errorf("%s: %s has no label %s", where, m[1], label)
			}
			if allowed := values[label]; op == "=" && allowed != nil && !slices.Contains(allowed, value) {
				t.Errorf("%s: %s is never %q", where, label, value)
			}
		}
		if f.Type == "counter" && !strings.Contains(expr, "increase("+m[1]) && !strings.Contains(expr, "rate("+m[1]) {
			t.Errorf("%s: the counter %s is used without rate or increase", where, m[1])
		}
	}
	for open, shut := range map[string]string{"(": ")", "{": "}", "[": "]"} {
		if strings.Count(expr, open) != strings.Count(expr, shut) {
			t.Errorf("%s: %s is not balanced in %s", where, open, expr)
		}
	}
	if regexp.MustCompile(`\bby \((\w+, )*exported_`).MatchString(expr) {
		t.Errorf("%s: no label is renamed by Prometheus: %s", where, expr)
	}
}

func TestAlerts(t *testing.T) {
	t.Parallel()
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	dec := yaml.NewDecoder(strings.NewReader(read(t, "alerts.yaml")))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if !regexp.MustCompile(`^Hakeep[A-Z]\w+$`).MatchString(r.Alert) || seen[r.Alert] {
				t.Errorf("%q is no name, or is there twice", r.Alert)
			}
			seen[r.Alert] = true
			checkExpression(t, r.Alert, r.Expr)
			if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s: severity %q, %v", r.Alert, r.Labels["severity"], r.Annotations)
			}
		}
	}
	for _, name := range []string{
		"HakeepNoMaster", "HakeepTwoMasters", "HakeepDoubleMaster", "HakeepFlapping", "HakeepLateAdverts", "HakeepConfigRefused",
		"HakeepElectorRestarted", "HakeepAddressMissing",
	} {
		if !seen[name] {
			t.Errorf("there is no alert %s", name)
		}
	}
}

// panel is what the tests look at in a panel of Grafana.
type panel struct {
	ID      int
	Title   string
	Type    string
	GridPos struct{ X, Y, W, H int }
	Targets []struct{ Expr, RefID string }
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	var dash struct {
		Title, UID string
		Panels     []panel
		Templating struct {
			List []struct {
				Name, Type string
				Definition string
			}
		}
	}
	if err := json.Unmarshal([]byte(read(t, "grafana.json")), &dash); err != nil {
		t.Fatal(err)
	}
	if dash.Title == "" || dash.UID == "" || len(dash.Panels) < 10 {
		t.Errorf("title %q, uid %q, %d panels", dash.Title, dash.UID, len(dash.Panels))
	}
	variables := map[string]bool{}
	for _, v := range dash.Templating.List {
		variables[v.Name] = true
		if v.Type == "query" {
			checkExpression(t, "variable "+v.Name, v.Definition)
		}
	}
	used := regexp.MustCompile(`\$(\w+)`)
	ids := map[int]bool{}
	for i, p := range dash.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q: the id is there twice, or no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		if p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W < 1 || p.GridPos.H < 1 {
			t.Errorf("%s lies outside of the grid: %+v", p.Title, p.GridPos)
		}
		for _, q := range dash.Panels[:i] {
			a, b := p.GridPos, q.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("%s lies over %s", p.Title, q.Title)
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%s asks nothing", p.Title)
		}
		for _, target := range p.Targets {
			checkExpression(t, p.Title, target.Expr)
			for _, v := range used.FindAllStringSubmatch(target.Expr, -1) {
				if !variables[v[1]] && !strings.HasPrefix(v[1], "__") {
					t.Errorf("%s: there is no variable %s", p.Title, v[1])
				}
			}
		}
	}
}
