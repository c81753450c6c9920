#!/bin/bash
# Makes build/packages/pyralog_VERSION_ARCH.deb and pyralog-dev: what `meson install` installs, with settings, man pages,
# completion and a systemd unit. `packaging/build.sh BUILD` takes the program from that build folder.
#
# DuckDB is no Debian package: its library comes along, in /usr/lib/pyralog, where the program's RUNPATH finds it. The
# other dependencies are found by dpkg-shlibdeps. PACKAGE_FOLDER, PACKAGE_REVISION (-1) and PACKAGE_COMPRESSION (xz) may be set. Same input, same packages: times are those of the last commit.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
out=${PACKAGE_FOLDER:-$PWD/build/packages}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/pyralog dev=$work/pyralog-dev
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
version=$("$build/src/cli/pyralog" version | cut -d' ' -f2)${PACKAGE_REVISION:--1}
architecture=$(dpkg --print-architecture)

installed_files() {
	meson install -C "$build" --no-rebuild --quiet --destdir "$work/all" >/dev/null
	local prefix
	prefix=$(meson introspect "$build" --buildoptions | python3 -c \
		'import json,sys; print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"))')
	mkdir -p "$root/usr" "$dev/usr/lib/pkgconfig"
	cp -a "$work/all$prefix/." "$root/usr/"
	mv "$root/usr/include" "$dev/usr/include"
	mv "$root/usr/lib/libpyralog.so" "$dev/usr/lib/"
	sed "s|^prefix=.*|prefix=/usr|" "$root/usr/lib/pkgconfig/pyralog.pc" >"$dev/usr/lib/pkgconfig/pyralog.pc"
	rm -rf "$root/usr/lib/pkgconfig"
	strip --strip-unneeded "$root/usr/bin/pyralog" "$root"/usr/lib/libpyralog.so.*.*
	chmod 644 "$root/usr/lib/pyralog/libduckdb.so" "$root"/usr/lib/libpyralog.so.*.*
}

written_files() {
	local program=$build/src/cli/pyralog man=$root/usr/share/man/man1 doc
	install -D -m 644 packaging/cluster.toml "$root/etc/pyralog/cluster.toml"
	install -D -m 644 packaging/pyralog.service "$root/lib/systemd/system/pyralog.service"
	mkdir -p "$man" "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" \
		"$root/usr/share/fish/vendor_completions.d"
	"$program" man | gzip -9n >"$man/pyralog.1.gz"
	ln -s pyralog.1.gz "$man/pyralog-server.1.gz"
	"$program" completion bash >"$root/usr/share/bash-completion/completions/pyralog"
	"$program" completion zsh >"$root/usr/share/zsh/vendor-completions/_pyralog"
	"$program" completion fish >"$root/usr/share/fish/vendor_completions.d/pyralog.fish"
	for doc in "$root/usr/share/doc/pyralog" "$dev/usr/share/doc/pyralog-dev"; do
		mkdir -p "$doc"
		{ cat LICENSE; printf '\n/usr/lib/pyralog/libduckdb.so is DuckDB, under the MIT license.\n'; } >"$doc/copyright"
		printf 'pyralog (%s) stable; urgency=medium\n\n  * As docs/STATUS.md tells.\n\n -- The Pyralog authors <nobody@localhost>  %s\n' \
			"$version" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$doc/changelog.Debian.gz"
	done
}

# What the program and the libraries need, by Debian's own tool, which wants a source package's control file.
depends() {
	mkdir -p "$work/source/debian"
	printf 'Source: pyralog\n\nPackage: pyralog\nArchitecture: any\n' >"$work/source/debian/control"
	(cd "$work/source" && dpkg-shlibdeps -O --ignore-missing-info -l"$root/usr/lib/pyralog" -e"$root/usr/bin/pyralog" \
		-e"$root/usr/lib/pyralog/libduckdb.so" $(printf -- '-e%s ' "$root"/usr/lib/libpyralog.so.*.*) 2>"$work/shlibdeps.log") |
		sed -n 's/^shlibs:Depends=//p'
	! grep -v "^dpkg-shlibdeps: warning" "$work/shlibdeps.log" >&2
}

# pack NAME FOLDER: its paragraph of control.in, then the package.
pack() {
	local name=$1 folder=$2 size
	size=$(du -k -s "$folder" | cut -f1)
	mkdir -p "$folder/DEBIAN"
	awk -v RS= -v name="$name" '$2 == name' packaging/control.in |
		sed "s|@VERSION@|$version|; s|@ARCHITECTURE@|$architecture|; s|@SIZE@|$size|; s|@DEPENDS@|$needed|" \
			>"$folder/DEBIAN/control"
	(cd "$folder" && find . -type f -not -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum) >"$folder/DEBIAN/md5sums"
	find "$folder" -type d -exec chmod 755 {} +
	find "$folder" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	dpkg-deb --root-owner-group "-Z${PACKAGE_COMPRESSION:-xz}" -z3 --build "$folder" "$out/${name}_${version}_$architecture.deb" >/dev/null
	echo "$out/${name}_${version}_$architecture.deb"
}

mkdir -p "$out"
installed_files
written_files
needed=$(depends)
mkdir -p "$root/DEBIAN"
install -m 755 packaging/postinst packaging/prerm packaging/postrm "$root/DEBIAN/"
echo /etc/pyralog/cluster.toml >"$root/DEBIAN/conffiles"
pack pyralog "$root"
pack pyralog-dev "$dev"
