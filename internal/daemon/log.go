package daemon

import (
	"context"
	"log/slog"

	"hakeep/internal/config"
	"hakeep/internal/status"
	"hakeep/internal/wire"
)

func level(name string) slog.Level {
	switch name {
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}

// logEvent writes an event of the elector to the log, in one line.
func logEvent(log *slog.Logger, ev *wire.Event) {
	var msg string
	var attrs []slog.Attr
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	if ev.Lost > 0 {
		log.Warn("events lost", "count", ev.Lost)
	}
	add("instance", ev.Instance)
	switch ev.Kind {
	case wire.EventTransition:
		msg = "transition"
		add("from", ev.From)
		add("to", ev.To)
		add("reason", ev.Cause)
		attrs = append(attrs, slog.Int("priority", int(ev.Priority)))
	case wire.EventGroup:
		msg = "group transition"
		add("group", ev.Group)
		add("from", ev.From)
		add("to", ev.To)
	case wire.EventPriority:
		msg = "priority changed"
		attrs = append(attrs, slog.Int("priority", int(ev.Priority)))
		add("state", ev.To)
	case wire.EventNotice:
		msg = "odd packets"
		add("reason", ev.Reason)
		attrs = append(attrs, slog.Uint64("count", ev.Count))
	case wire.EventLowerPriority:
		msg = "master of lower priority"
	case wire.EventAddress:
		msg = "address"
	case wire.EventConflict:
		msg = "address conflict"
		attrs = append(attrs, slog.Uint64("count", ev.Count))
	default:
		msg = "elector"
	}
	add("interface", ev.Interface)
	if ev.Peer.IsValid() {
		add("peer", ev.Peer.String())
	}
	if ev.Text == "" {
		add("text", status.Explain(ev.Reason))
	} else {
		add("text", ev.Text)
	}
	if !ev.Time.IsZero() {
		add("at", ev.Time.Format("15:04:05.000000"))
	}
	log.LogAttrs(context.Background(), level(ev.Level), msg, attrs...)
}

// logProblems writes problems of a configuration to the log, one a line.
func logProblems(log *slog.Logger, ps config.Problems) {
	for _, p := range ps {
		lvl, msg := slog.LevelError, "configuration error"
		if p.Severity == config.Warning {
			lvl, msg = slog.LevelWarn, "configuration warning"
		}
		log.Log(context.Background(), lvl, msg, "at", p.String())
	}
}

// logReload writes the outcome of a reload to the log.
// mostKeys is how many changed keys are logged of one reload.
const mostKeys = 50

func logReload(log *slog.Logger, r *status.Reload) {
	if !r.OK {
		log.Error("reload refused", "reason", r.Summary())
		return
	}
	for _, w := range r.Warnings {
		log.Warn("reload", "warning", w)
	}
	log.Info("reload done", "added", len(r.Added), "changed", len(r.Changed), "removed", len(r.Removed), "unchanged", r.Unchanged)
	for i, c := range r.Keys {
		if i == mostKeys {
			log.Info("reload changed more keys", "count", len(r.Keys)-mostKeys)
			break
		}
		log.Info("reload changed", "key", c.Key, "old", c.Old, "new", c.New)
	}
}
