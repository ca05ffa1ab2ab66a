package daemon

import (
	"log/slog"

	"hakeep/internal/status"
)

// serveHTTP tells the HTTP server where http_listen is now.
func (d *daemon) serveHTTP() {
	select {
	case <-d.listen: // an older one
	default:
	}
	d.listen <- d.current.Load().config.Global.HTTPListen
}

// httpOutcome is called with what keeps http_listen from being served, and with
// nil when that is over.
func (d *daemon) httpOutcome(err error) {
	problem := ""
	switch {
	case err != nil:
		problem = "http_listen: " + err.Error()
		d.log.Error("metrics are not served", "err", err)
		d.remember(status.KindDaemon, slog.LevelError, problem)
	case d.httpTrouble() != "":
		d.log.Info("metrics are served again, or not wanted any more")
		d.remember(status.KindDaemon, slog.LevelInfo, "http_listen: metrics are served, or not wanted any more")
	}
	d.httpProblem.Store(&problem)
}

// httpTrouble is what keeps http_listen from being served, or empty.
func (d *daemon) httpTrouble() string {
	if p := d.httpProblem.Load(); p != nil {
		return *p
	}
	return ""
}
