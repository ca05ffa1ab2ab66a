package sim

import (
	"slices"
	"time"

	"hakeep/vrrp"
)

// death is what is known of a master whose process was killed.
type death struct {
	p     *vrrp.Params
	until time.Duration
}

// killed notes what a process leaves that was killed.
func (m *monitor) killed(h *Host) {
	if m.died == nil {
		m.died = make(map[*Host]map[wireKey]death)
	}
	m.died[h] = make(map[wireKey]death)
	for _, vr := range m.vrs {
		if s := vr.seatOf(h); s != nil && s.state == vrrp.Master {
			m.died[h][vr.key] = death{s.p, s.sent + time.Duration(s.p.DownAdverts)*s.p.Interval}
		}
	}
}

// gone forgets a host whose process ended.
func (m *monitor) gone(h *Host) {
	if h.power == powerOff {
		delete(m.died, h)
	}
	for _, vr := range m.vrs {
		vr.seats = slices.DeleteFunc(vr.seats, func(s *seat) bool {
			if s.host == h && (s.answerBy != 0 || s.lowerBy != 0) {
				m.pending--
			}
			return s.host == h
		})
	}
	if h.proc != nil {
		h.proc.seats = nil
	}
}

// resumed forgives what could not be done meanwhile.
func (m *monitor) resumed(h *Host) {
	for _, s := range h.proc.seats {
		listens := time.Duration(0)
		if s.state == vrrp.Master && s.tooLate() {
			s.duty = m.w.now
			listens = s.p.Interval * 3 / 2
			s.listens = m.w.now + listens
		}
		if s.answerBy != 0 {
			s.answerBy = max(s.answerBy, h.woke+listens+answerGap(s.p))
		}
		if s.lowerBy != 0 {
			s.lowerBy = max(s.lowerBy, h.woke+listens+lowerGap(s.p))
		}
	}
}
