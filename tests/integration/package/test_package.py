"""The Debian packages: what they hold, ask for and say. make package-test installs them in a bare Debian."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]

PROGRAM = {
    "etc/pyralog/cluster.toml", "lib/systemd/system/pyralog.service", "usr/bin/pyralog", "usr/bin/pyralog-server",
    "usr/lib/libpyralog.so.1", "usr/lib/libpyralog.so.1.0.0", "usr/lib/pyralog/libduckdb.so",
    "usr/share/bash-completion/completions/pyralog", "usr/share/doc/pyralog/changelog.Debian.gz",
    "usr/share/doc/pyralog/copyright", "usr/share/fish/vendor_completions.d/pyralog.fish",
    "usr/share/man/man1/pyralog-server.1.gz", "usr/share/man/man1/pyralog.1.gz",
    "usr/share/zsh/vendor-completions/_pyralog",
}
DEVELOPMENT = {
    "usr/include/pyralog/admin.h", "usr/include/pyralog/arrow.h", "usr/include/pyralog/obelisk.h", "usr/include/pyralog/pharaoh.h",
    "usr/include/pyralog/pyralog.h", "usr/lib/libpyralog.so", "usr/lib/pkgconfig/pyralog.pc",
    "usr/share/doc/pyralog-dev/changelog.Debian.gz", "usr/share/doc/pyralog-dev/copyright",
}


def output(*command, **options):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, timeout=60, **options).stdout


@pytest.fixture(scope="module")
def packages(request, tmp_path_factory):
    """{name: (its .deb, the folder it was unpacked into)}."""
    folder = tmp_path_factory.mktemp("packages")
    made = output("packaging/build.sh", request.config.getoption("--build"), cwd=ROOT,
                  env={**os.environ, "PACKAGE_FOLDER": str(folder), "PACKAGE_COMPRESSION": "none"}).split()
    unpacked = {}
    for deb in made:
        name = output("dpkg-deb", "-f", deb, "Package").strip()
        output("dpkg-deb", "-R", deb, folder / name)
        unpacked[name] = deb, folder / name
    return unpacked


def held(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")
            if not path.is_dir() and "DEBIAN" not in path.relative_to(folder).parts}


def test_what_they_hold(packages):
    assert held(packages["pyralog"][1]) == PROGRAM
    assert held(packages["pyralog-dev"][1]) == DEVELOPMENT


def test_owners_and_modes(packages):
    for deb, _ in packages.values():
        for line in output("dpkg-deb", "-c", deb).splitlines():
            mode, owner, *_, path = line.split(" -> ")[0].split()
            program = path in ("./usr/bin/pyralog",)
            assert owner == "root/root", line
            assert mode[0] == "l" or mode == ("drwxr-xr-x" if mode[0] == "d" else "-rwxr-xr-x" if program else "-rw-r--r--"), line


def test_what_they_say_of_themselves(packages):
    deb, folder = packages["pyralog"]
    assert output("dpkg-deb", "-f", deb, "Version").strip().endswith("-1")
    depends = output("dpkg-deb", "-f", deb, "Depends")
    for library in "adduser", "libc6", "libwebsockets17", "libuv1", "libpq5", "libjemalloc2", "libstdc++6":
        assert re.search(rf"(^|, ){re.escape(library)}\b", depends), library
    assert (folder / "DEBIAN/conffiles").read_text() == "/etc/pyralog/cluster.toml\n"
    for script in "postinst", "prerm", "postrm":
        output("sh", "-n", folder / "DEBIAN" / script)
    version = output("dpkg-deb", "-f", deb, "Version").strip()
    assert output("dpkg-deb", "-f", packages["pyralog-dev"][0], "Depends").strip() == f"pyralog (= {version})"


def test_the_program_finds_its_library(packages):
    folder = packages["pyralog"][1]
    found = output("ldd", folder / "usr/bin/pyralog")
    assert str(folder / "usr/lib/pyralog/libduckdb.so") in found.replace("usr/bin/../", "usr/")
    assert str(ROOT) not in output("readelf", "-d", folder / "usr/bin/pyralog")
    assert output(folder / "usr/bin/pyralog", "config", "check", folder / "etc/pyralog/cluster.toml") == "data = /var/lib/pyralog\n"
    assert "usage: pyralog server" in output(folder / "usr/bin/pyralog-server", "--help")


def test_a_program_is_compiled_with_it(packages):
    config = (packages["pyralog-dev"][1] / "usr/lib/pkgconfig/pyralog.pc").read_text()
    assert "prefix=/usr\n" in config and "-lpyralog" in config and str(ROOT) not in config


def test_the_unit(packages):
    unit = (packages["pyralog"][1] / "lib/systemd/system/pyralog.service").read_text()
    for line in "Type=notify", "User=pyralog", "LimitNOFILE=1048576", "NoNewPrivileges=yes", "ProtectSystem=strict", "WatchdogSec=60":
        assert f"\n{line}\n" in unit
