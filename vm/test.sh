#!/bin/bash
# Runs the tests that need a virtual machine, and says how long each part took.
# HAKEEP_BIN is the statically linked hakeep under test, bin/hakeep unless set.
# Arguments go to the test programs, for example -run TestPair/vlan -v.
set -euo pipefail
cd "$(dirname "$0")/.."
# go test starts run.sh in the package's directory.
bin=$(realpath "${HAKEEP_BIN:-bin/hakeep}")
[ -x "$bin" ] || { echo "test.sh: no $bin: run make build" >&2; exit 1; }
export CGO_ENABLED=0 HAKEEP_E2E=strict
failed=
# The emulated processor stands still for half a second now and then when its host
# is busy: a test that fails here is made again, at most twice.
again=$(mktemp)
trap 'rm -f "$again"' EXIT
go build -o "$again" ./internal/steady

part() {
	local name=$1 began=$SECONDS code=0
	shift
	"$@" || code=$?
	echo "$name: exit status $code after $((SECONDS - began)) s"
	[ $code -eq 0 ] || failed="$failed $name"
}

# Parents: the whole program over VLANs, bonds and VRF; and the sockets alone,
# whose test is skipped where the kernel has no such interface.
parents() {
	ADD="$bin:/job/hakeep" HAKEEP_BIN=/job/hakeep "$again" -always -count=1 -tags vm -exec "$PWD/vm/run.sh" "$@" -- ./vm/
}
sockets() {
	"$again" -always -count=1 -exec "$PWD/vm/run.sh" -run TestParents -- ./vrrp/vrrpnet/
}

# IPVS: the back end and the kernel's table; then connections through a director, and
# hakeep's table beside keepalived's.
table() {
	go test -count=1 -tags vm -exec "$PWD/vm/run.sh" ./lvs/ipvs/ -rapid.checks=30
}
balance() {
	ADD="$bin:/job/hakeep" HAKEEP_BIN=/job/hakeep "$again" -always -count=1 -tags vm -parallel 5 -exec "$PWD/vm/run.sh" "$@" -- ./vm/ipvs/
}

# The service: hakeep installed as a package does it, systemd as PID 1.
service() {
	local unit=$PWD/packaging/hakeep.service program add
	[ -f "$unit" ] || { echo "test.sh: no $unit" >&2; return 1; }
	program=$(sed -n 's/^ExecStart=[-@:+!]*\([^ ]*\).*/\1/p' "$unit" | head -n 1)
	add="$bin:$program $unit:/usr/lib/systemd/system/hakeep.service"
	add="$add $PWD/packaging/hakeep-sleep.service:/usr/lib/systemd/system/hakeep-sleep.service"
	add="$add $PWD/packaging/sysusers.d/hakeep.conf:/usr/lib/sysusers.d/hakeep.conf"
	SYSTEMD=1 ADD="$add" HAKEEP_BIN="$program" "$again" -always -count=1 -tags vm -exec "$PWD/vm/run.sh" "$@" -- ./vm/systemd/
}

part parents parents "$@"
part sockets sockets
part table table
part balance balance "$@"
part service service "$@"
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
