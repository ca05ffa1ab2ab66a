package control

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// DumpForm is one of the forms in which keepalived dumps its state; its text is
// the ending of the file's name.
type DumpForm string

// The forms.
const (
	DumpJSON  DumpForm = "json"
	DumpData  DumpForm = "data"
	DumpStats DumpForm = "stats"
	// DumpChecks is keepalived_check.data.
	DumpChecks DumpForm = "check"
)

// Dumper is the part of the daemon that makes dumps.
type Dumper interface {
	// Dump returns a dump. version is the layout of JSON, 1 or 2, or 0 for the
	// configured one; the other forms have none.
	Dump(ctx context.Context, form DumpForm, version int) ([]byte, error)
}

func (s *Server) dump(w http.ResponseWriter, r *http.Request) {
	form, version := DumpForm(r.FormValue("form")), 0
	switch form {
	case DumpJSON, DumpData, DumpStats, DumpChecks:
	default:
		fail(w, http.StatusBadRequest, fmt.Errorf("form=%q: allowed are json, data, stats and check", form))
		return
	}
	if v := r.FormValue("version"); v != "" {
		var err error
		if version, err = strconv.Atoi(v); err != nil || version < 1 || version > 2 {
			fail(w, http.StatusBadRequest, fmt.Errorf("version=%q: allowed are 1 and 2", v))
			return
		}
	}
	text, err := s.dumper.Dump(r.Context(), form, version)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if form == DumpJSON {
		w.Header().Set("Content-Type", "application/json")
	}
	_, _ = w.Write(text) // the client has gone
}

// Dump asks for the state in one of keepalived's forms; see [Dumper].
func (c *Client) Dump(ctx context.Context, form DumpForm, version int) ([]byte, error) {
	q := url.Values{"form": {string(form)}}
	if version != 0 {
		q.Set("version", strconv.Itoa(version))
	}
	resp, err := c.do(ctx, http.MethodGet, "/dump?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, refusal(resp)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read answer of the daemon: %w", err)
	}
	return text, nil
}
