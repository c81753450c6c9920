"""The C library: the same program on a node of its own and on a server; the examples."""
import os
import pathlib
import shutil
import subprocess

import psycopg
import pytest
from waiting import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[3]
SECONDS = 60


def run(build, program, *arguments):
    """What it printed; its output is shown when it fails."""
    done = subprocess.run([build / program, *map(str, arguments)], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, f"{program} {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def build(binary):
    return binary.parents[2]


@pytest.fixture(params=["open", "connect"])
def place(request, tmp_path):
    """The arguments that say where: a directory, or a server's ports."""
    if request.param == "open":
        return ["open", tmp_path / "data"]
    node = request.getfixturevalue("new_node")()
    return ["connect", node.ports["kafka"], node.ports["postgres"]]


def test_contract(build, place):
    told = run(build, "tests/integration/api/contract", *place).splitlines()
    assert len(told) >= 8 and all(line.startswith("ok ") for line in told)


def test_contract_on_several_shards(build, new_node):
    """A directory that a server made with three of them."""
    node = new_node("--shards", "3")
    node.stop()
    assert "ok threads" in run(build, "tests/integration/api/contract", "open", node.folder / "data")


def test_getting_started(build, place):
    arguments = place[1:] if place[0] == "open" else ["127.0.0.1", *place[1:]]
    told = run(build, "examples/getting_started", *arguments)
    assert told == "wrote user-123 at partition 0, offset 0\nread login\nuser-123: 2\nuser-456: 1\n"


def test_two_work_together(build, new_node):
    """Each record is worked on once, whoever of the two members has its partition."""
    node = new_node()
    arguments = [build / "examples/work_together", "127.0.0.1", node.ports["kafka"], node.ports["postgres"]]
    run(build, "examples/work_together", *arguments[1:], "write", 300)
    first = subprocess.Popen([*map(str, arguments), "work", "300"], stdout=subprocess.PIPE, text=True)
    second = subprocess.Popen([*map(str, arguments), "work", "300"], stdout=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: sum(lag for (lag,) in lags(node)) == 0 and len(lags(node)) == 4, SECONDS, "all orders are done")
    finally:
        for process in (first, second):
            process.terminate()
    told = sorted(int(line.split()[1]) for process in (first, second) for line in process.communicate(timeout=SECONDS)[0].splitlines())
    assert told == list(range(300))


def lags(node):
    with psycopg.connect(f"host=127.0.0.1 port={node.ports['postgres']} user=u dbname=pyralog", autocommit=True) as connection:
        return connection.execute("SELECT lag FROM pyralog.consumer_groups WHERE group_id = 'workers' AND lag IS NOT NULL").fetchall()


def test_order_numbers_come_once(build, tmp_path):
    """Each start goes on where the last one ended, and is told from it by its epoch."""
    for start in (1, 2, 3):
        first = (start - 1) * 103
        told = run(build, "examples/order_numbers", tmp_path / "numbers", 3)
        orders = "".join(f"order {first + i}\n" for i in range(3))
        assert told == f"epoch {start}\n{orders}a hundred from {first + 3} on\n"


def test_order_numbers_of_an_older_copy_are_refused(build, tmp_path):
    run(build, "examples/order_numbers", tmp_path / "numbers", 3)
    shutil.copytree(tmp_path / "numbers", tmp_path / "copy")
    run(build, "examples/order_numbers", tmp_path / "numbers", 3, 1)
    done = subprocess.run([build / "examples/order_numbers", tmp_path / "copy", "3", "2"], capture_output=True, text=True,
                          timeout=SECONDS)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("PYR_STATUS_CORRUPT: ") and "older copy" in done.stderr


def test_order_numbers_without_a_place_are_refused(build, tmp_path):
    done = subprocess.run([build / "examples/order_numbers", tmp_path / "no/such", "1"], capture_output=True, text=True,
                          timeout=SECONDS)
    assert done.returncode == 1 and done.stderr.startswith("PYR_STATUS_IO: can't make")


def test_a_directory_that_a_server_has_is_busy(build, new_node):
    node = new_node()
    program = build / "examples/getting_started"
    done = subprocess.run([program, node.folder / "data"], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1 and done.stderr.startswith("PYR_STATUS_BUSY")


def test_only_what_the_headers_declare_is_exported(build):
    library = build / "src/api/libpyralog.so"
    listed = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True)
    names = {line.split()[-1].split("@")[0] for line in listed.stdout.splitlines() if " T " in line}
    headers = "".join((ROOT / f"include/pyralog/{name}.h").read_text() for name in ("pyralog", "obelisk", "pharaoh"))
    assert names and all(name.startswith("pyr_") and f"{name}(" in headers for name in names)


def sanitizers(library):
    """What else a program needs that uses a library which was built with them."""
    needed = subprocess.run(["nm", "-D", "--undefined-only", library], capture_output=True, text=True, check=True)
    return ["-fsanitize=address,undefined"] if "__asan_init" in needed.stdout else []


def test_an_installed_library_is_found_by_pkg_config(build, tmp_path):
    """As its users build: the header, the pkg-config file and the libraries, from where they were installed."""
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", tmp_path], check=True,
                   capture_output=True, timeout=SECONDS)
    library = next(tmp_path.rglob("libpyralog.so"))
    environment = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": str(tmp_path), "LD_LIBRARY_PATH": str(library.parent),
                   "PKG_CONFIG_PATH": str(library.parent / "pkgconfig")}
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "pyralog"], env=environment, check=True,
                           capture_output=True, text=True).stdout.split()
    program = tmp_path / "getting_started"
    subprocess.run(["cc", "-std=c99", "-Wall", "-Werror", ROOT / "examples/getting_started.c", *flags,
                    *sanitizers(library), "-o", program], check=True, timeout=SECONDS)
    done = subprocess.run([program, tmp_path / "data"], env=environment, capture_output=True, text=True,
                          timeout=SECONDS)
    assert done.returncode == 0 and "user-123: 2" in done.stdout, done.stderr


def test_acknowledged_records_outlive_the_process(build, tmp_path):
    """The embedded node ends and comes back on the same directory: what was written is there, and goes on."""
    for events in (2, 4):
        told = run(build, "examples/getting_started", tmp_path / "data")
        assert f"user-123: {events}" in told
