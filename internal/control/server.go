package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"hakeep/internal/status"
	"hakeep/internal/version"
)

// SocketName is the name of the control socket in the runtime directory.
const SocketName = "hakeep.sock"

const (
	// shutdownTimeout bounds the wait for requests that are being answered when
	// the daemon stops.
	shutdownTimeout = time.Second
	// headerTimeout ends connections that never ask.
	headerTimeout = 10 * time.Second
	// eventBatch is how many events are written at a time.
	eventBatch = 256
)

// Backend is the daemon as the control socket sees it. Its methods are called
// by several goroutines.
type Backend interface {
	// Status returns the state of everything.
	Status(ctx context.Context) (*status.Document, error)
	// Reload loads the configuration and returns the outcome. The error says
	// that there is none, because the daemon is stopping or ctx ended.
	Reload(ctx context.Context) (*status.Reload, error)
	// Hold holds instances back or lets them go, and returns which. The error is
	// ErrUnknownInstance, or says why it was not done.
	Hold(ctx context.Context, h *Hold) (*status.Moved, error)
	// Upgrade checks the binary that is installed now, and says which version main
	// executes in its own place in a moment.
	Upgrade(ctx context.Context) (*status.Upgrade, error)
	// Events returns events after the number seq, oldest first, at most n of
	// them, and a channel that is closed when there are later ones.
	Events(seq uint64, n int) ([]status.Event, <-chan struct{})
}

// Hold asks for instances to be held back, or to take part again.
type Hold struct {
	// Instance is one of them, with its sync group; empty means all.
	Instance string `json:"instance,omitempty"`
	// On holds them back. The path says it, too.
	On bool `json:"-"`
	// For is how long, in nanoseconds; 0 until resumed.
	For time.Duration `json:"for,omitempty"`
	// Persist keeps them back through restarts of hakeep and of the machine.
	Persist bool `json:"persist,omitempty"`
	// Sleep holds back what is not held back yet, for the time in which the machine
	// sleeps, or lets go only what was held back so.
	Sleep bool `json:"sleep,omitempty"`
}

// ErrUnknownInstance says that there is no instance of a name.
var ErrUnknownInstance = errors.New("there is no such instance")

// maxRequest bounds the body of a request.
const maxRequest = 64 << 10

// Server answers requests on the control socket.
type Server struct {
	backend  Backend
	dumper   Dumper
	servers  Servers
	log      *slog.Logger
	listener net.Listener
}

// NewServer returns a server for a listener made by [Listen]. Nothing is
// answered before Run.
func NewServer(l net.Listener, b Backend, d Dumper, servers Servers, log *slog.Logger) *Server {
	return &Server{backend: b, dumper: d, servers: servers, log: log, listener: l}
}

// handler is what the paths mean.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", s.status)
	mux.HandleFunc("POST /reload", s.reload)
	mux.HandleFunc("POST /standby", func(w http.ResponseWriter, r *http.Request) { s.hold(w, r, true) })
	mux.HandleFunc("POST /resume", func(w http.ResponseWriter, r *http.Request) { s.hold(w, r, false) })
	mux.HandleFunc("POST /server", s.server)
	mux.HandleFunc("POST /upgrade", s.upgrade)
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("GET /dump", s.dump)
	mux.HandleFunc("GET /version", s.version)
	return mux
}

// Run answers until ctx ends. The listener is closed afterwards.
func (s *Server) Run(ctx context.Context) error {
	h := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: headerTimeout,
		// Requests end with the daemon; a follower of events would stay otherwise.
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if h.Shutdown(bounded) != nil {
			_ = h.Close()
		}
	})
	err := h.Serve(s.listener)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve control socket: %w", err)
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	doc, err := s.backend.Status(r.Context())
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	reply(w, http.StatusOK, doc)
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	out, err := s.backend.Reload(r.Context())
	switch {
	case err != nil:
		fail(w, http.StatusServiceUnavailable, err)
	case out.OK:
		reply(w, http.StatusOK, out)
	default:
		reply(w, http.StatusUnprocessableEntity, out)
	}
}

func (s *Server) hold(w http.ResponseWriter, r *http.Request, on bool) {
	var h Hold
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&h)
	if err != nil && !errors.Is(err, io.EOF) { // without a body: all
		fail(w, http.StatusBadRequest, fmt.Errorf("read request: %w", err))
		return
	}
	h.On = on
	out, err := s.backend.Hold(r.Context(), &h)
	switch {
	case errors.Is(err, ErrUnknownInstance):
		fail(w, http.StatusNotFound, err)
	case err != nil:
		fail(w, http.StatusConflict, err)
	default:
		reply(w, http.StatusOK, out)
	}
}

func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) {
	out, err := s.backend.Upgrade(r.Context())
	if err != nil {
		fail(w, http.StatusConflict, err)
		return
	}
	reply(w, http.StatusOK, out)
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, version.Build())
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	var after uint64
	if a := r.FormValue("after"); a != "" {
		var err error
		if after, err = strconv.ParseUint(a, 10, 64); err != nil {
			fail(w, http.StatusBadRequest, fmt.Errorf("after=%q is not a number of an event", a))
			return
		}
	}
	follow := r.FormValue("follow") == "1"
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := http.NewResponseController(w)
	enc := json.NewEncoder(w)
	for {
		events, changed := s.backend.Events(after, eventBatch)
		for i := range events {
			if enc.Encode(&events[i]) != nil {
				return
			}
			after = events[i].Seq
		}
		if len(events) == eventBatch {
			continue
		}
		if !follow || out.Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}

type errorBody struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, code int, err error) { reply(w, code, errorBody{err.Error()}) }
