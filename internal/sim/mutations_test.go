package sim

// mutation is one bug, planted into a copy of a file of vrrp.
type mutation struct {
	name, file, old, new string
}

// mutationsInCI are those that every run of CI plants, about one for each file of
// vrrp that decides something and each way of finding them; all of them take
// three minutes of a processor, with TestModel's states for those that are found
// last.
var mutationsInCI = []string{
	"tie-break removed",
	"priority 0 ignored in backup",
	"late backup takes over at once",
	"skew in whole centiseconds",
	"nopreempt ignored",
	"fault does not say that it leaves",
	"reload makes an unchanged instance anew",
	"heap not fixed after a timeout",
	"own adverts accepted",
	"late master tells of its addresses",
	"sync group does not follow",
	"upgrade forgets how long it was deaf",
}

// mutations are the bugs that have to be found. Where the text of vrrp changes,
// they change with it.
var mutations = []mutation{
	{"tie-break removed", "master.go", "a.Priority > own || a.Priority == own && in.src.Less(src)", "a.Priority > own"},
	{"tie-break reversed", "master.go", "in.src.Less(src)", "src.Less(in.src)"},
	{"priority 0 ignored in backup", "backup.go", "		in.arm(now, waitSkew)\n", ""},
	{"priority 0 ignored in master", "master.go", "		listens := in.graced\n		in.reply(r, now)\n		if listens {\n", "		if in.graced {\n"},
	{"late backup takes over at once", "backup.go", "late > graceInterval(in.learned) && !in.graced", "late < 0"},
	{"late backup listens for one interval only", "timing.go", "interval * 3 / 2", "interval"},
	{"reload ends the listening of a late backup", "backup.go", "		in.armed += late + listenInterval(in.learned)\n		in.rearm()\n", "		in.timer = now + listenInterval(in.learned)\n"},
	{"late master goes on at once", "master.go", "		in.listen(r, now)\n		return\n	}\n	if in.rogueSince", "	}\n	if in.rogueSince"},
	{"late master does not announce anew", "master.go", "	if in.graced {\n		r.emit(Action{Kind: Announce, ID: in.id})\n	}\n", ""},
	{"late master does not step down", "master.go", "	if in.unsure(now) {\n", "	if false {\n"},
	{"skew in whole centiseconds", "timing.go", "time.Duration(256-int(priority)) * interval / 256", "time.Duration(256-int(priority)) * interval / 256 / (10 * time.Millisecond) * (10 * time.Millisecond)"},
	{"learned interval ignored", "backup.go", "in.learned, in.followed = a.Interval, true", "in.followed = true"},
	{"nopreempt ignored", "backup.go", "a.Priority >= in.priority() || in.p.Nopreempt && !in.owner()", "a.Priority >= in.priority()"},
	{"nopreempt holds an owner back", "backup.go", "in.p.Nopreempt && !in.owner()", "in.p.Nopreempt"},
	{"preempt_delay never ends", "backup.go", "		if now < in.holdUntil {\n", "		if in.holdUntil > 0 {\n"},
	{"preempt_delay ignored", "backup.go", "	if in.p.PreemptDelay > 0 {\n", "	if false {\n"},
	{"preempt_delay goes on after a better master", "backup.go", "		in.holdUntil = 0\n		in.follow", "		in.follow"},
	{"equal priority not followed", "backup.go", "a.Priority >= in.priority()", "a.Priority > in.priority()"},
	{"no answer to a lower advert", "master.go", "	if !in.p.LowerPrioNoAdvert {\n", "	if false {\n"},
	{"answers without bound", "master.go", "in.replied > now-gap", "in.replied > now"},
	{"put-off answers do not count", "master.go", "		in.replied = now // it is an answer that reply put off\n", ""},
	{"announcement against a lower master dropped", "master.go", "	in.heal(r, now)\n}\n", "}\n"},
	{"put-off announcement dropped", "master.go", "		in.reannounce = in.announced + gap\n", "		_ = gap\n"},
	{"announcements without bound", "master.go", "now-in.announced >= gap", "gap > 0"},
	{"fault does not say that it leaves", "fault.go", "		in.advertise(r, now, 0)\n", ""},
	{"fault keeps the addresses", "fault.go", "		in.dropMastership(r)\n", ""},
	{"leave does not say so", "leave.go", "	in.advertise(r, now, 0)\n", ""},
	{"lost master keeps the addresses", "master.go", "		in.linger(r, now, lingerAfter(in.p))\n", ""},
	{"reload keeps the old skew", "reconfigure.go", "		in.rearm()\n", ""},
	{"reload makes an unchanged instance anew", "reconfigure.go", "			if !used[i] && same(old[i].p) {\n", "			if !used[i] && same(old[i].p) && !old[i].p.equal(p) {\n"},
	{"reload restarts the timer", "reconfigure.go", "		in.resolve(r, now) // the set", "		in.arm(now, in.wait)\n		in.resolve(r, now) // the set"},
	{"heap not fixed after an advert", "router.go", "	r.down(in.heapAt)\n	r.up(in.heapAt)\n", ""},
	{"heap not fixed after a timeout", "router.go", "		r.fix(i)\n	}\n	r.due = 0\n", "	}\n	r.due = 0\n"},
	{"lateness adds up", "master.go", "	if paced || now-due >= in.p.Interval {\n", "	if true {\n"},
	{"startup delay ignored", "reconfigure.go", "	case start > now:\n", "	case start > Forever-1:\n"},
	{"own adverts accepted", "accept.go", "	case d.Src == in.src:\n", "	case false:\n"},
	{"taken address keeps the fault for ever", "fault.go", "	in.takenUntil = now + takenQuiet\n", ""},
	{"down_timer_adverts ignored", "timing.go", "time.Duration(adverts)*interval", "3*interval"},
	{"new master does not announce", "master.go", "	r.emit(Action{Kind: Announce, ID: in.id})\n	if in.p.PlannedMoves {\n", "	if in.p.PlannedMoves {\n"},

	{"late master announces while it listens", "master.go", "	in.reannounce, in.settle = Forever, Forever\n	r.emit(Action{Kind: Linger, ID: in.id})\n", ""},
	{"late master tells of its addresses", "take.go", "		if in.unsure(now) {\n", "		if false {\n"},
	{"late master claims to be master when it leaves", "leave.go", " && !in.unsure(now) {", " {"},
	{"leave does not heal", "master.go", "			in.heal(r, now)\n", ""},
	{"linger never ends", "leave.go", "	in.lingerUntil, in.winner, in.wonAt, in.drawn = now+bound,", "	in.lingerUntil, in.winner, in.wonAt, in.drawn = Forever-1,"},
	{"winner's answer taken for its second advert", "leave.go", "	case now-in.wonAt >= lingerApart:\n", "	case true:\n"},
	{"leave is not quick", "leave.go", "	learned := p.Interval\n", "	learned := p.Interval\n	p = &Params{Version: V2}\n"},
	{"linger goes on in a take-over", "take.go", "	in.lingerUntil = Forever // what is still there is wanted again\n", ""},
	{"planned take-over goes on in spite of a better master", "backup.go", "		in.abortTake(r)\n		in.holdUntil = 0\n", "		in.holdUntil = 0\n"},
	{"standby ignored", "instance.go", "	if in.standby && in.state == Backup {\n", "	if false {\n"},
	{"standby ignored by a starting owner", "instance.go", " && !in.standby:", ":"},
	{"sync group does not wait for its members", "group.go", "		if m != in && m.state != Master", "		if false && m.state != Master"},
	{"sync group does not follow", "group.go", "		case m.state == Master:\n", "		case false:\n"},
	{"sync group does not share a fault", "group.go", "		if ill > 1 || ill == 1 && faults == 0 {\n", "		if false {\n"},
	{"tracking leaves the timer alone", "track.go", "		in.rearm()\n", ""},
	{"tracking fault ignored", "track.go", "	if ev.Fault {\n", "	if false {\n"},
	{"upgrade forgets how long it was deaf", "export.go", "			in.armed += d\n", ""},
	{"linger does not bear the loss of an advert", "leave.go", "	return max(bound, min(loss, lingerMost))\n", "	_ = loss\n	return bound\n"},
	{"resume in spite of the time", "resume.go", "match[i] < 0 && now < until[p.Name]-resumeMargin(p.Interval)", "match[i] < 0 && until[p.Name] > 0"},
	{"resume without the rest of the sync group", "resume.go", "		if broken[p.SyncGroup] {\n", "		if false {\n"},
	{"resume in spite of a fault", "resume.go", "		case in.faults != 0:\n", "		case false:\n"},
	{"start does not resume", "resume.go", "			in.toMaster(r, now, CauseResumed)\n", "			in.begin(r, now, start)\n"},
	{"upgrade forgets the learned interval", "export.go", "learned: d.Learned, ", ""},
}
