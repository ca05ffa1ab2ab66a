package metrics

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"hakeep/internal/status"
)

const (
	// documentTimeout bounds the wait for the document. It is above the time
	// that the daemon gives the elector, so that a dead elector is told of.
	documentTimeout = 5 * time.Second
	// requestsAtOnce bounds the work that requests make; more are sent away.
	requestsAtOnce = 4
)

// Handler answers /metrics and /status from the document that get returns, and
// /healthz and /livez from that of health, which may lack load balancing. They are
// called for every request, by several goroutines.
//
//   - /metrics: Prometheus' text format.
//   - /status: the document as `hakeep status --json` prints it.
//   - /healthz: 200 if the elector answers and no instance is in FAULT, else
//     503; the body says why. The same judgement as `hakeep status --probe`.
//   - /livez: 200 if the elector answers, whatever state the instances are in:
//     a FAULT comes from the network, and a restart does not mend it.
//
// When they fail, the answer is 503 with the error.
func Handler(get, health func(context.Context) (*status.Document, error)) http.Handler {
	h := &handler{table: sorted(families()), room: make(chan struct{}, requestsAtOnce)}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", h.with(get, h.metrics))
	mux.Handle("GET /status", h.with(get, h.status))
	mux.Handle("GET /healthz", h.with(health, h.healthz))
	mux.Handle("GET /livez", h.with(health, h.livez))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		text(w, http.StatusOK, "hakeep: /metrics /status /healthz /livez")
	})
	return mux
}

type handler struct {
	table []family
	room  chan struct{} // one for each request that is being answered
}

// with asks for the document and hands it to answer.
func (h *handler) with(get func(context.Context) (*status.Document, error), answer func(http.ResponseWriter, *http.Request, *status.Document)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case h.room <- struct{}{}:
			defer func() { <-h.room }()
		default:
			w.Header().Set("Retry-After", "1")
			text(w, http.StatusServiceUnavailable, fmt.Sprintf("%d requests are being answered already", requestsAtOnce))
			return
		}
		ctx, cancel := context.WithTimeoutCause(r.Context(), documentTimeout, fmt.Errorf("not within %v", documentTimeout))
		defer cancel()
		d, err := get(ctx)
		if err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			text(w, http.StatusServiceUnavailable, "the daemon does not say how it is: "+err.Error())
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		answer(w, r, d)
	})
}

func (h *handler) metrics(w http.ResponseWriter, r *http.Request, d *status.Document) {
	promhttp.HandlerFor(&page{table: h.table, doc: d}, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

func (h *handler) status(w http.ResponseWriter, _ *http.Request, d *status.Document) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(d) // only the reader can have failed
}

func (h *handler) healthz(w http.ResponseWriter, _ *http.Request, d *status.Document) {
	if why := unhealthy(d); why != "" {
		text(w, http.StatusServiceUnavailable, why)
		return
	}
	text(w, http.StatusOK, "ok")
}

func (h *handler) livez(w http.ResponseWriter, _ *http.Request, d *status.Document) {
	if !d.Elector.Running {
		text(w, http.StatusServiceUnavailable, electorDown(d))
		return
	}
	text(w, http.StatusOK, "ok")
}

// namedFaults is how many instances a reason names: probes keep one line.
const namedFaults = 5

// unhealthy says why a document is not OK; empty if it is.
func unhealthy(d *status.Document) string {
	switch {
	case d.OK:
		return ""
	case !d.Elector.Running:
		return electorDown(d)
	}
	var bad []string
	for i := range d.Instances {
		in := &d.Instances[i]
		if in.State != "FAULT" && in.State != status.StateUnknown {
			continue
		}
		s := in.Name + " is in " + in.State
		if in.State == status.StateUnknown {
			s = in.Name + " is not known to the elector yet"
		}
		if len(in.Faults) > 0 {
			s += " (" + strings.Join(in.Faults, ", ") + ")"
		}
		bad = append(bad, s)
	}
	if more := len(bad) - namedFaults; more > 0 {
		bad = append(bad[:namedFaults], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(bad, "; ")
}

func electorDown(d *status.Document) string {
	if d.Elector.Error == "" {
		return "the elector does not answer"
	}
	return "the elector does not answer: " + d.Elector.Error
}

// text answers with one line.
func text(w http.ResponseWriter, code int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, line+"\n") // only the reader can have failed
}
