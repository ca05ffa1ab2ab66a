#!/bin/sh
# Installs the Debian packages that the tests need: the peer to test against and
# the tools to look with.
set -eu
packages="gcc libc6-dev iproute2 iputils-ping keepalived nftables tcpdump"
missing=""
for p in $packages; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "not root: not installed, tests that need them are skipped:$missing" >&2
	exit 0
fi
echo "installing:$missing"
# The peer must not be started as a service of this machine.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
	trap 'rm -f $policy' EXIT
fi
apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
