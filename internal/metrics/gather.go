package metrics

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"hakeep/internal/status"
)

var _ prometheus.Gatherer = (*page)(nil)

// page is what Prometheus is told about one document. A registry with a
// collector would do the same with fifteen allocations a sample: at 4,080
// instances two million of them for one scrape. This makes the same values from
// slabs and with shared labels. What a registry would check, that names are
// right and nothing is twice there, tests check.
type page struct {
	table []family // sorted by name
	doc   *status.Document

	slab  []sample
	lists []*dto.LabelPair
	pairs map[pair]*dto.LabelPair
}

// sample is one line of the answer in one piece of memory.
type sample struct {
	metric  dto.Metric
	gauge   dto.Gauge
	counter dto.Counter
	value   float64
}

type pair struct{ name, value string }

// slabSize is how many samples are allocated at a time: some 100 kB.
const slabSize = 512

// Gather returns all metrics that have samples.
func (p *page) Gather() ([]*dto.MetricFamily, error) {
	p.pairs = map[pair]*dto.LabelPair{}
	out := make([]*dto.MetricFamily, 0, len(p.table))
	for i := range p.table {
		f := &p.table[i]
		kind := dto.MetricType_GAUGE
		if f.kind == prometheus.CounterValue {
			kind = dto.MetricType_COUNTER
		}
		mf := &dto.MetricFamily{Name: &f.name, Help: &f.help, Type: &kind}
		f.read(p.doc, func(v float64, values ...string) {
			mf.Metric = append(mf.Metric, p.sample(f, v, values))
		})
		if len(mf.Metric) > 0 {
			out = append(out, mf)
		}
	}
	return out, nil
}

// sample makes one sample; values belong to f.labels.
func (p *page) sample(f *family, v float64, values []string) *dto.Metric {
	if len(p.slab) == 0 {
		p.slab = make([]sample, slabSize)
	}
	s := &p.slab[0]
	p.slab = p.slab[1:]
	s.value = v
	if f.kind == prometheus.CounterValue {
		s.counter.Value, s.metric.Counter = &s.value, &s.counter
	} else {
		s.gauge.Value, s.metric.Gauge = &s.value, &s.gauge
	}
	if len(p.lists) < len(values) {
		p.lists = make([]*dto.LabelPair, slabSize)
	}
	list := p.lists[:len(values):len(values)]
	p.lists = p.lists[len(values):]
	for i, value := range values {
		list[i] = p.pair(&f.labels[i], value)
	}
	s.metric.Label = list
	return &s.metric
}

// pair returns the same pair for the same label.
func (p *page) pair(name *string, value string) *dto.LabelPair {
	if known := p.pairs[pair{*name, value}]; known != nil {
		return known
	}
	return p.newPair(name, value)
}

// newPair is apart so that only new pairs allocate. Names of interfaces may be
// any bytes; the format wants UTF-8.
func (p *page) newPair(name *string, value string) *dto.LabelPair {
	clean := strings.ToValidUTF8(value, "\uFFFD")
	made := &dto.LabelPair{Name: name, Value: &clean}
	p.pairs[pair{*name, value}] = made
	return made
}

// sorted returns the table in the order of the answer.
func sorted(table []family) []family {
	slices.SortFunc(table, func(a, b family) int { return strings.Compare(a.name, b.name) })
	return table
}
