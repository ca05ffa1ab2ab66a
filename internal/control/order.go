package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"hakeep/internal/status"
)

// ServerOrder is what an operator says about a real server (hakeep server). It
// lasts until it is said otherwise, the server is not configured any more, or
// hakeep is stopped.
type ServerOrder struct {
	// VirtualServer is its name; without "/tcp" and the like if that is clear.
	VirtualServer string `json:"virtual_server"`
	// RealServer is ADDR:PORT.
	RealServer string `json:"real_server"`
	Action     Action `json:"action"`
	// Weight is for ActWeight, 0 to 65535; nil goes back to the configured one.
	Weight *int `json:"weight,omitempty"`
}

// Action is what is to be done with a server.
type Action string

// The actions.
const (
	// ActDisable takes it out as a failed check does.
	ActDisable Action = "disable"
	// ActDrain gives it weight 0: it keeps the connections that it has.
	ActDrain Action = "drain"
	// ActEnable ends both.
	ActEnable Action = "enable"
	// ActWeight gives it a weight.
	ActWeight Action = "weight"
)

// ErrUnknownServer says that there is no virtual server or real server of a name.
var ErrUnknownServer = errors.New("there is no such server")

// Servers is load balancing as the control socket sees it.
type Servers interface {
	// Order does what an operator says about a server. The error is
	// ErrUnknownServer, or says why it was not done.
	Order(ctx context.Context, o *ServerOrder) (*status.ServerAnswer, error)
}

func (s *Server) server(w http.ResponseWriter, r *http.Request) {
	var o ServerOrder
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&o); err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("read request: %w", err))
		return
	}
	out, err := s.servers.Order(r.Context(), &o)
	switch {
	case errors.Is(err, ErrUnknownServer):
		fail(w, http.StatusNotFound, err)
	case err != nil:
		fail(w, http.StatusConflict, err)
	default:
		reply(w, http.StatusOK, out)
	}
}
