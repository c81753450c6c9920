#!/bin/bash
# Installs the packages in a bare Debian 12 (debootstrap, with this machine's own apt source), starts the server as its user,
# produces and selects, upgrades, removes, purges. Needs root, and a minute or two. Arguments: the packages.
set -euo pipefail
cd "$(dirname "$0")/.."
deb=$1 dev=$2
cache=$PWD/build/packages/debian.tar
server=
root=$(mktemp -d)
chmod 755 "$root"
say() { printf 'package-test: %s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }

clean_up() {
	[ -z "$server" ] || kill -9 "$server" 2>/dev/null || true
	umount "$root/proc" 2>/dev/null || true
	rm -rf "$root"
}
trap clean_up EXIT

inside=(chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8)
in_root() { "${inside[@]}" "$@"; }

bare_debian() {
	if [ -f "$cache" ]; then
		tar -xf "$cache" -C "$root"
	else
		local mirror
		mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | head -n 1)
		say "a bare Debian 12"
		debootstrap --variant=minbase bookworm "$root" "$mirror" >"$root.log" 2>&1 || { tail -n 5 "$root.log"; fail "debootstrap failed"; }
		rm -f "$root.log"
		rm -f "$root/etc/apt/sources.list"
		cp -a /etc/apt/sources.list* /etc/apt/apt.conf.d "$root/etc/apt/"
		rm -f "$root/etc/apt/apt.conf.d/docker-clean"
		[ ! -d /etc/apt/keyrings ] || cp -a /etc/apt/keyrings "$root/etc/apt/"
		cp /etc/resolv.conf /etc/hosts "$root/etc/"
		in_root apt-get -q update >/dev/null
		tar -cf "$cache" -C "$root" .
	fi
	chmod 755 "$root" # tar has set what mktemp had
	mount -t proc proc "$root/proc"
}

install_packages() {
	cp "$@" "$root/tmp/"
	mapfile -t names < <(basename -a "$@")
	in_root apt-get -y -q install --no-install-recommends "${names[@]/#//tmp/}" >"$root/apt.log" 2>&1 ||
		{ tail -n 20 "$root/apt.log"; fail "apt-get install failed"; }
}

# Free ports, told on standard output.
start_server() {
	local look
	: >"$root/server.out" # every program of the line becomes the next one: the number is the server's
	(exec "${inside[@]}" PYRALOG_KAFKA_PORT=0 PYRALOG_PG_PORT=0 PYRALOG_HTTP_PORT=0 \
		setpriv --reuid=pyralog --regid=pyralog --clear-groups pyralog-server --config /etc/pyralog/cluster.toml \
		>"$root/server.out" 2>"$root/server.err") &
	server=$!
	for look in $(seq 300); do
		! grep -q ^ready "$root/server.out" || break
		kill -0 "$server" 2>/dev/null || { cat "$root/server.err"; fail "the server ended at its start"; }
		sleep 0.1
	done
	grep -q ^ready "$root/server.out" || fail "the server did not start"
	kafka=$(sed -n 's/^kafka //p' "$root/server.out")
	pg=$(sed -n 's/^postgres .*://p' "$root/server.out")
}

stop_server() {
	kill "$server"
	wait "$server" || { cat "$root/server.err"; fail "the server did not stop in order"; }
	server=
}

answers() { # statement, expected
	local told
	told=$(in_root pyralog sql --pg-port "$pg" --format csv "$1" | tail -n 1)
	[ "$told" = "$2" ] || fail "$1 answers '$told', not '$2'"
}

[ "$(id -u)" = 0 ] || fail "a bare Debian can only be made as root"
command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"
bare_debian
install_packages "$deb" "$dev"
say "installed: $(in_root dpkg-query -W -f '${Package} ${Version}, ' pyralog pyralog-dev)with $(in_root dpkg-query -W -f x | wc -c) packages in all"
in_root id pyralog >/dev/null || fail "there is no user pyralog"
[ "$(in_root stat -c %U:%a /var/lib/pyralog)" = pyralog:750 ] || fail "the data directory is not the user's alone"
in_root pyralog config check /etc/pyralog/cluster.toml >/dev/null
for file in usr/share/man/man1/pyralog.1.gz usr/share/bash-completion/completions/pyralog lib/systemd/system/pyralog.service \
	usr/include/pyralog/pyralog.h usr/lib/pkgconfig/pyralog.pc usr/lib/libpyralog.so; do
	[ -e "$root/$file" ] || fail "/$file is missing"
done

start_server
printf '{"n":%d}\n' $(seq 1000) | in_root pyralog produce events --broker "$kafka" >/dev/null 2>"$root/produce.err" ||
	{ cat "$root/produce.err"; fail "producing failed"; }
answers "SELECT count(*), sum((value->>'n')::int) FROM events" 1000,500500
[ -z "$(find "$root/var/lib/pyralog" ! -uid "$(in_root id -u pyralog)")" ] || fail "not all data belongs to the user"
stop_server
say "started as its user, produced, selected, stopped"

echo 'partitions = 2' >>"$root/etc/pyralog/cluster.toml"
mkdir "$root.new"
dpkg-deb -R "$deb" "$root.new"
sed -i 's/^Version: .*/&.1/' "$root.new/DEBIAN/control"
dpkg-deb --root-owner-group -Zxz -z0 -b "$root.new" "$root/tmp/pyralog-new.deb" >/dev/null
rm -rf "$root.new"
in_root apt-get -y -q remove pyralog-dev >/dev/null 2>&1
in_root apt-get -y -q install /tmp/pyralog-new.deb >"$root/apt.log" 2>&1 || { tail "$root/apt.log"; fail "the upgrade failed"; }
grep -q '^partitions = 2' "$root/etc/pyralog/cluster.toml" || fail "the upgrade lost settings"
start_server
answers "SELECT count(*) FROM events" 1000
stop_server
say "upgraded: data and settings are there"

in_root apt-get -y -q remove pyralog >/dev/null 2>&1
[ ! -e "$root/usr/bin/pyralog" ] && [ -e "$root/etc/pyralog/cluster.toml" ] && [ -n "$(ls -A "$root/var/lib/pyralog")" ] ||
	fail "removing left the program, or took data or settings"
in_root apt-get -y -q purge pyralog >/dev/null 2>&1
left=$(find "$root" -xdev \( -name 'pyralog*' -o -name 'libpyralog*' -o -name 'libduckdb*' \) -not -path "$root/tmp/*" -not -path "$root/proc/*" \
	-not -path "$root/var/cache/*" -not -path "$root/var/log/*" -not -path "$root/root/*")
[ -z "$left" ] || fail "purging left $left"
! in_root getent passwd pyralog >/dev/null || fail "purging left the user"
say "removed, purged: nothing is left"
