package metrics

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hakeep/internal/status"
)

// Family describes one metric.
type Family struct {
	// Name is what the metric is called.
	Name string
	// Type is "gauge" or "counter".
	Type string
	// Labels are the names of its labels, sorted.
	Labels []string
	// Help says what it is.
	Help string
}

// Families returns all metrics there are, sorted by name.
func Families() []Family {
	var all []Family
	for _, f := range families() {
		kind := "gauge"
		if f.kind == prometheus.CounterValue {
			kind = "counter"
		}
		all = append(all, Family{Name: f.name, Type: kind, Labels: slices.Sorted(slices.Values(f.labels)), Help: f.help})
	}
	slices.SortFunc(all, func(a, b Family) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// emit takes one sample; the values of labels are in the order of the family's.
type emit func(value float64, labels ...string)

// family is a metric and how it is read from the document.
type family struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string
	read       func(d *status.Document, e emit)
}

func families() []family {
	return slices.Concat(daemonFamilies(), electorFamilies(), linkFamilies(), stateFamilies(), timerFamilies(), counterFamilies(), reasonFamilies(),
		trackingFamilies(), notifyFamilies(), balancingFamilies(), serverFamilies())
}

// gauge is a metric of one value without labels.
func gauge(name, help string, value func(d *status.Document) float64) family {
	return family{name: name, help: help, kind: prometheus.GaugeValue, read: func(d *status.Document, e emit) { e(value(d)) }}
}

// instanceLabel is not "instance", which Prometheus gives to the scraped
// address.
const instanceLabel = "vrrp_instance"

// each is a metric of every instance; the label of its name comes first.
func each(kind prometheus.ValueType, name, help string, read func(in *status.Instance, e emit), labels ...string) family {
	return family{
		name: name, help: help, kind: kind, labels: append([]string{instanceLabel}, labels...),
		read: func(d *status.Document, e emit) {
			for i := range d.Instances {
				in := &d.Instances[i]
				read(in, func(v float64, more ...string) {
					var room [8]string
					e(v, append(append(room[:0], in.Name), more...)...)
				})
			}
		},
	}
}

// known is a metric of every instance that the elector has told about.
func known(kind prometheus.ValueType, name, help string, read func(in *status.Instance, e emit), labels ...string) family {
	return each(kind, name, help, func(in *status.Instance, e emit) {
		if in.State != status.StateUnknown {
			read(in, e)
		}
	}, labels...)
}

// counter is a counter of every instance that the elector has told about.
func counter(name, help string, value func(in *status.Instance) uint64) family {
	return known(prometheus.CounterValue, name, help, func(in *status.Instance, e emit) { e(float64(value(in))) })
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// timestamp emits a time as seconds since 1970, and nothing for no time.
func timestamp(e emit, t time.Time, labels ...string) {
	if !t.IsZero() {
		e(float64(t.UnixMicro())/1e6, labels...)
	}
}
