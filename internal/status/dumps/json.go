package dumps

import (
	"encoding/json"
	"fmt"
	"time"

	"hakeep/internal/config"
	"hakeep/internal/track"
)

// The layouts of keepalived's json_version.
const (
	// V1 is a list of instances.
	V1 = 1
	// V2 is an object with the instances and the tracked processes.
	V2 = 2
)

// jsonInstance is an instance in .json. The order of the fields is keepalived's.
type jsonInstance struct {
	Data  jsonData  `json:"data"`
	Stats jsonStats `json:"stats"`
}

// jsonData has 0 and 1 where keepalived has them, and true and false elsewhere.
type jsonData struct {
	IName                string   `json:"iname"`
	DontTrackPrimary     int      `json:"dont_track_primary"`
	SkipCheckAdvAddr     int      `json:"skip_check_adv_addr"`
	StrictMode           int      `json:"strict_mode"`
	VMACIfname           string   `json:"vmac_ifname"`
	Ifname               string   `json:"ifp_ifname,omitempty"`
	MasterPriority       int      `json:"master_priority"`
	LastTransition       float64  `json:"last_transition"`
	GarpDelay            float64  `json:"garp_delay"`
	GarpRefresh          int64    `json:"garp_refresh"`
	GarpRep              int      `json:"garp_rep"`
	GarpRefreshRep       int      `json:"garp_refresh_rep"`
	GarpLowerPrioDelay   int64    `json:"garp_lower_prio_delay"`
	GarpLowerPrioRep     int      `json:"garp_lower_prio_rep"`
	LowerPrioNoAdvert    int      `json:"lower_prio_no_advert"`
	HigherPrioSendAdvert int      `json:"higher_prio_send_advert"`
	VRID                 int      `json:"vrid"`
	BasePriority         int      `json:"base_priority"`
	EffectivePriority    int      `json:"effective_priority"`
	VIPSet               bool     `json:"vipset"`
	PromoteSecondaries   bool     `json:"promote_secondaries"`
	AdverInt             float64  `json:"adver_int"`
	MasterAdverInt       float64  `json:"master_adver_int"`
	Accept               int      `json:"accept"`
	Nopreempt            bool     `json:"nopreempt"`
	PreemptDelay         int64    `json:"preempt_delay"`
	State                int      `json:"state"`
	WantState            int      `json:"wantstate"`
	Version              int      `json:"version"`
	SMTPAlert            bool     `json:"smtp_alert"`
	NotifyDeleted        bool     `json:"notify_deleted"`
	ScriptBackup         string   `json:"script_backup,omitempty"`
	ScriptMaster         string   `json:"script_master,omitempty"`
	ScriptFault          string   `json:"script_fault,omitempty"`
	ScriptStop           string   `json:"script_stop,omitempty"`
	ScriptDeleted        string   `json:"script_deleted,omitempty"`
	Script               string   `json:"script,omitempty"`
	ScriptRxLowerPri     string   `json:"script_master_rx_lower_pri,omitempty"`
	VIPs                 []string `json:"vips,omitempty"`
	EVIPs                []string `json:"evips,omitempty"`
	VRoutes              []string `json:"vroutes,omitempty"`
	VRules               []string `json:"vrules,omitempty"`
	TrackIfp             []string `json:"track_ifp,omitempty"`
	TrackScript          []string `json:"track_script,omitempty"`
	TrackProcess         []string `json:"track_process,omitempty"`
	AuthType             int      `json:"auth_type"`
	AuthData             string   `json:"auth_data,omitempty"`
}

// jsonStats has the counters of auth_hmac of keepalived 2.4, too; hakeep does not
// do that, so they are always 0.
type jsonStats struct {
	AdvertRcvd         uint64 `json:"advert_rcvd"`
	AdvertSent         uint64 `json:"advert_sent"`
	BecomeMaster       uint64 `json:"become_master"`
	ReleaseMaster      uint64 `json:"release_master"`
	PacketLenErr       uint64 `json:"packet_len_err"`
	AdvertIntervalErr  uint64 `json:"advert_interval_err"`
	IPTTLErr           uint64 `json:"ip_ttl_err"`
	InvalidTypeRcvd    uint64 `json:"invalid_type_rcvd"`
	AddrListErr        uint64 `json:"addr_list_err"`
	InvalidAuthtype    uint64 `json:"invalid_authtype"`
	AuthtypeMismatch   uint64 `json:"authtype_mismatch"`
	AuthFailure        uint64 `json:"auth_failure"`
	AuthExtMissing     uint64 `json:"auth_ext_missing"`
	AuthExtMalformed   uint64 `json:"auth_ext_malformed"`
	AuthExtUnknownKey  uint64 `json:"auth_ext_unknown_key"`
	AuthExtInvalidHMAC uint64 `json:"auth_ext_invalid_hmac"`
	AuthExtStale       uint64 `json:"auth_ext_stale"`
	AuthExtReplay      uint64 `json:"auth_ext_replay"`
	PriZeroRcvd        uint64 `json:"pri_zero_rcvd"`
	PriZeroSent        uint64 `json:"pri_zero_sent"`
}

// jsonProcess is a tracked process in layout 2.
type jsonProcess struct {
	Process                    string  `json:"process"`
	Parameters                 string  `json:"parameters,omitempty"`
	ParamMatch                 string  `json:"param_match,omitempty"`
	MinProcesses               int     `json:"min_processes"`
	MaxProcesses               int     `json:"max_processes,omitempty"`
	CurrentProcesses           int     `json:"current_processes"`
	HaveQuorum                 bool    `json:"have_quorum"`
	Weight                     int     `json:"weight"`
	TerminateDelay             float64 `json:"terminate_delay"`
	ForkDelay                  float64 `json:"fork_delay"`
	ForkDelayTimerRunning      bool    `json:"fork_delay_timer_running"`
	TerminateDelayTimerRunning bool    `json:"terminate_delay_timer_running"`
	FullCommand                bool    `json:"full_command"`
}

// JSON is keepalived.json in layout V1 or V2. It ends with a newline.
func JSON(in *Input, version int) ([]byte, error) {
	list := []jsonInstance{}
	for _, v := range in.views() {
		list = append(list, jsonInstance{Data: in.jsonData(&v), Stats: v.stats.json()})
	}
	var doc any = list
	switch version {
	case V1:
	case V2:
		doc = struct {
			VRRP         []jsonInstance `json:"vrrp"`
			TrackProcess []jsonProcess  `json:"track_process"`
		}{list, in.jsonProcesses()}
	default:
		return nil, fmt.Errorf("json_version %d: allowed are %d and %d", version, V1, V2)
	}
	text, err := json.Marshal(doc)
	return append(text, '\n'), err
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (in *Input) jsonData(v *view) jsonData {
	g, n := &v.Garp, &v.Notify
	d := jsonData{
		IName: v.Name, Ifname: v.Interface, DontTrackPrimary: number(v.DontTrackPrimary), SkipCheckAdvAddr: number(v.SkipCheckAdvAddr),
		StrictMode: number(v.Strict), MasterPriority: int(v.status.MasterPriority), LastTransition: epoch(v.status.Since),
		GarpDelay: seconds(g.Delay), GarpRefresh: whole(g.Refresh), GarpRep: g.Repeat, GarpRefreshRep: g.RefreshRepeat,
		GarpLowerPrioDelay: whole(g.LowerPrioDelay), GarpLowerPrioRep: g.LowerPrioRepeat,
		LowerPrioNoAdvert: number(v.LowerPrioNoAdvert), HigherPrioSendAdvert: number(v.HigherPrioSendAdvert),
		VRID: int(v.VRID), BasePriority: int(v.Priority), EffectivePriority: int(v.status.Priority), VIPSet: len(v.status.Installed) > 0,
		PromoteSecondaries: v.PromoteSecondaries, AdverInt: seconds(v.AdvertInt), MasterAdverInt: seconds(v.status.Interval),
		Accept: number(v.Accept), Nopreempt: v.Nopreempt, PreemptDelay: whole(v.PreemptDelay), State: v.state(), WantState: v.state(),
		Version: int(v.Version), SMTPAlert: v.SMTPAlert, NotifyDeleted: n.DeletedState,
		ScriptBackup: command(n.Backup), ScriptMaster: command(n.Master), ScriptFault: command(n.Fault), ScriptStop: command(n.Stop),
		ScriptDeleted: command(n.Deleted), Script: command(n.Any), ScriptRxLowerPri: command(n.MasterRxLowerPri),
		VIPs: v.addresses(v.Addresses), EVIPs: v.addresses(v.Excluded), VRoutes: in.Routes[v.Name], VRules: in.Rules[v.Name],
	}
	for _, t := range v.Tracks.Interfaces {
		d.TrackIfp = append(d.TrackIfp, t.Name)
	}
	for _, t := range v.Tracks.Scripts {
		if s := in.script(t.Name); s != nil {
			d.TrackScript = append(d.TrackScript, command(s.Command))
		}
	}
	for _, t := range v.Tracks.Processes {
		d.TrackProcess = append(d.TrackProcess, t.Name)
	}
	if v.Auth.Type == config.AuthPass {
		d.AuthType, d.AuthData = 1, mask
	}
	return d
}

// epoch is a time as seconds since 1970, 0 for none.
func epoch(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMicro()) / 1e6
}

func (v *view) addresses(list []config.Address) []string {
	var out []string
	for i := range list {
		out = append(out, address(&list[i], v.installed(&list[i]), !v.Accept))
	}
	return out
}

func (in *Input) script(name string) *config.Script {
	for i := range in.Config.Scripts {
		if in.Config.Scripts[i].Name == name {
			return &in.Config.Scripts[i]
		}
	}
	return nil
}

// state finds what the tracker knows of an object.
func (in *Input) state(kind track.Kind, name string) *track.Status {
	for i := range in.Tracked {
		if t := &in.Tracked[i]; t.Kind == kind && t.Name == name {
			return t
		}
	}
	return nil
}

func (s *stats) json() jsonStats {
	return jsonStats{
		AdvertRcvd: s.received, AdvertSent: s.sent, BecomeMaster: s.became, ReleaseMaster: s.released,
		PacketLenErr: s.length, AdvertIntervalErr: s.interval, IPTTLErr: s.ttl, InvalidTypeRcvd: s.kind, AddrListErr: s.list,
		AuthtypeMismatch: s.authMismatch, AuthFailure: s.authFailure,
		PriZeroRcvd: s.zeroReceived, PriZeroSent: s.zeroSent,
	}
}

func (in *Input) jsonProcesses() []jsonProcess {
	out := []jsonProcess{}
	for i := range in.Config.Processes {
		p := &in.Config.Processes[i]
		st := in.state(track.KindProcess, p.Name)
		if st == nil {
			continue // nobody tracks it
		}
		weight := p.Weight
		if p.Reverse {
			weight = -weight
		}
		j := jsonProcess{
			Process: p.Process, Parameters: parameters(p), ParamMatch: match(p.Match), MinProcesses: p.Quorum, CurrentProcesses: st.Value,
			HaveQuorum: st.State == track.StateOK, Weight: weight, TerminateDelay: seconds(p.TerminateDelay), ForkDelay: seconds(p.ForkDelay),
			FullCommand: p.FullCommand,
		}
		if p.QuorumMax != config.NoQuorumMax {
			j.MaxProcesses = p.QuorumMax
		}
		well := p.Quorum <= st.Value && (p.QuorumMax == config.NoQuorumMax || st.Value <= p.QuorumMax)
		j.ForkDelayTimerRunning = well && !j.HaveQuorum && p.ForkDelay > 0
		j.TerminateDelayTimerRunning = !well && j.HaveQuorum && p.TerminateDelay > 0
		out = append(out, j)
	}
	return out
}
