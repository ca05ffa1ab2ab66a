package daemon

import (
	"log/slog"
	"strconv"
	"strings"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// notifier tells the service manager how the daemon is (sd_notify). Without
// one it does nothing.
type notifier struct {
	log  *slog.Logger
	send func(state string) error
	// watchdog is the time within which the manager wants to hear of us; 0 if it
	// does not care.
	watchdog time.Duration
	status   string // last one sent
}

func newNotifier(log *slog.Logger) *notifier {
	n := &notifier{log: log, send: func(state string) error {
		_, err := sd.SdNotify(false, state)
		return err
	}}
	d, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("service manager's watchdog is ignored", "err", err)
	}
	n.watchdog = d
	return n
}

func (n *notifier) tell(lines ...string) {
	if err := n.send(strings.Join(lines, "\n")); err != nil {
		n.log.Warn("service manager cannot be told", "err", err)
	}
}

func (n *notifier) ready() { n.tell(sd.SdNotifyReady) }

// reloading says that a reload has begun; ready ends it. The time is what
// Type=notify-reload wants.
func (n *notifier) reloading() { n.tell(sd.SdNotifyReloading, sd.SdNotifyMonotonicUsec()) }

func (n *notifier) stopping() { n.tell(sd.SdNotifyStopping) }

// extend asks for more time for a start or a stop.
func (n *notifier) extend(d time.Duration) {
	n.tell("EXTEND_TIMEOUT_USEC=" + strconv.FormatInt(d.Microseconds(), 10))
}

func (n *notifier) alive() { n.tell(sd.SdNotifyWatchdog) }

// describe sets the text that `systemctl status` shows.
func (n *notifier) describe(text string) {
	if text != n.status {
		n.status = text
		n.tell("STATUS=" + text)
	}
}
