package takeover

import (
	"net/netip"
	"strings"
	"testing"
)

func TestReasons(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddrPort("10.0.0.1:80")
	service := func(name string, change func(*Service)) Service {
		s := Service{Name: name, Protocol: 6, Scheduler: "mh", Servers: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.9:80"), at}}
		change(&s)
		return s
	}
	same := func(*Service) {}
	only := func(s *Service) { s.Servers = s.Servers[1:] }
	for _, tt := range []struct {
		name   string
		others []Service
		change func(*Service)
		want   []string
		picks  bool
		alone  bool
	}{
		{"mh", nil, same, nil, true, true},
		{"sh", nil, func(s *Service) { s.Scheduler = "sh" }, nil, true, true},
		{"rr", nil, func(s *Service) { s.Scheduler = "rr" }, []string{"scheduler rr: "}, true, true},
		{"persistence", nil, func(s *Service) { s.Persistent = true }, []string{"persistence_timeout: "}, true, true},
		{"masquerade", nil, func(s *Service) { s.Masquerade = true }, []string{"masquerade: "}, false, true},
		{"sctp", nil, func(s *Service) { s.Protocol = 132 }, []string{"protocol sctp: "}, false, true},
		{"another service", []Service{service("b", only)}, same, []string{"server 10.0.0.1:80 is also one of b: "}, true, false},
		{"of another protocol", []Service{service("b", func(s *Service) { s.Protocol = 17 })}, same, nil, true, true},
		{"another address", []Service{service("a", only)}, same, []string{"server 10.0.0.1:80 is that of 2 addresses of the group: "}, true, false},
		{"both", []Service{service("a", only), service("c", only)}, func(s *Service) { s.Scheduler = "wrr" }, []string{"scheduler wrr", "server 10.0.0.1:80 is also one of c: "}, true, false},
	} {
		s := service("a", tt.change)
		for _, all := range [][]Service{append([]Service{s}, tt.others...), append(tt.others[:len(tt.others):len(tt.others)], s)} {
			u := UsersOf(all)
			got := u.Reasons(&s)
			if len(got) != len(tt.want) || s.PicksUp() != tt.picks || u.Alone(s.Protocol, at) != tt.alone {
				t.Fatalf("%s: %q, picks up: %v, alone: %v", tt.name, got, s.PicksUp(), u.Alone(s.Protocol, at))
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("%s: got %q, want %q", tt.name, got[i], want)
				}
			}
		}
	}
}
