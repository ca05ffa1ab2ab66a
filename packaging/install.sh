#!/bin/sh
# Installs what `make install` has built: the program, the unit, the users, man
# pages, completions, and files to copy from.
#
#   DESTDIR   directory that stands for / (for packages); nothing is started,
#             no user is made
#   PREFIX    /usr/local; a package takes /usr
#   BIN       the program (bin/hakeep); SHARE what `hakeep manual` wrote (bin/share)
#
# An existing configuration is not touched, and none is made: hakeep does not
# start before it has one.
set -eu
cd "$(dirname "$0")/.."
DESTDIR=${DESTDIR:-} PREFIX=${PREFIX:-/usr/local} BIN=${BIN:-bin/hakeep} SHARE=${SHARE:-bin/share}
case $PREFIX in
/*) ;;
*) echo "install.sh: PREFIX=$PREFIX is not an absolute path" >&2; exit 1 ;;
esac
for f in "$BIN" "$SHARE/man8/hakeep.8" "$SHARE/bash/hakeep"; do
	[ -e "$f" ] || { echo "install.sh: $f is missing: run make build man" >&2; exit 1; }
done
PREFIX=${PREFIX%/}

# put MODE FILE DIR [NAME]
put() {
	install -d -m 755 "$DESTDIR$3"
	install -m "$1" "$2" "$DESTDIR$3/${4:-${2##*/}}"
}
put 755 "$BIN" "$PREFIX/sbin" hakeep
put 644 packaging/hakeep.service "$PREFIX/lib/systemd/system"
put 644 packaging/hakeep-sleep.service "$PREFIX/lib/systemd/system"
sed -i "s|/usr/sbin/hakeep|$PREFIX/sbin/hakeep|" "$DESTDIR$PREFIX"/lib/systemd/system/hakeep*.service
put 644 packaging/sysusers.d/hakeep.conf "$PREFIX/lib/sysusers.d"
for page in "$SHARE"/man5/*.5; do put 644 "$page" "$PREFIX/share/man/man5"; done
for page in "$SHARE"/man8/*.8; do put 644 "$page" "$PREFIX/share/man/man8"; done
put 644 "$SHARE/bash/hakeep" "$PREFIX/share/bash-completion/completions"
put 644 "$SHARE/zsh/_hakeep" "$PREFIX/share/zsh/site-functions"
put 644 "$SHARE/fish/hakeep.fish" "$PREFIX/share/fish/vendor_completions.d"
for f in packaging/grafana.json packaging/alerts.yaml internal/config/reference.toml README.md CHANGELOG.md LICENSE; do
	put 644 "$f" "$PREFIX/share/doc/hakeep"
done
for f in docs/*.md; do put 644 "$f" "$PREFIX/share/doc/hakeep/docs"; done

[ -z "$DESTDIR" ] || exit 0
if [ "$(id -u)" -eq 0 ] && command -v systemd-sysusers >/dev/null; then
	systemd-sysusers "$PREFIX/lib/sysusers.d/hakeep.conf"
fi
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
echo "installed below $PREFIX; next: write /etc/hakeep.toml, hakeep check, systemctl enable --now hakeep"
