"""Every rule catches what it is for: a small tree with one violation each, and the same tree without it."""
import pathlib
import subprocess

import pytest
import rules

LAYERS = (pathlib.Path(__file__).parent / "layers.toml").read_text()
FORMAT = (pathlib.Path(__file__).parent.parent.parent / ".clang-format").read_text()
HEADER = "/* A header. */\n#ifndef {guard}\n#define {guard}\n{body}#endif\n"
LONG = "/* Long. */\n#include \"base/a.h\"\n\nint a(void)\n{\n" + "\tx();\n" * 90 + "}\n"
PLANTS = """class Plant:
    name, edits = "late", [("src/base/a.c", "int b;", "")]
PLANTS = [Plant]
"""
SLASH = "/"


def header(guard, body=""):
    return HEADER.format(guard=guard, body=body)


CLEAN = {
    "tests/rules/layers.toml": LAYERS,
    ".clang-format": FORMAT,
    "src/base/a.h": header("A_H", "\n#include <string.h>\nint a(void);\n"),
    "src/base/a.c": "/* A. */\n#include \"base/a.h\"\n\nint a(void)\n{\n\treturn 1; /* fopen( and sleep( here are prose */\n}\n",
    "src/base/meson.build": "files('a.c')\n",
    "src/os/b.h": header("B_H", "\n#include \"base/a.h\"\n#include <unistd.h>\n"),
    "src/os/sim/disk.h": header("DISK_H"),
    "src/log/ring_priv.h": header("RING_PRIV_H"),
    "src/log/ring.h": header("RING_H", "\n#include \"log/ring_priv.h\"\n#include \"os/b.h\"\n"),
    "tests/unit/test_a.c": "/* Tests. */\n#include \"os/sim/disk.h\"\n",
    "tests/unit/meson.build": "['a']\n",
    "docs/a.md": "[the code](../src/base/a.c), [a folder](../src/log), [a part](#x), `[not](one)`\n",
    "docs/adr/0001-one.md": "# One\n\nStatus: accepted\nDate: 2026-01-31\n",
}

# rule, what is changed in the clean tree, what the violation names
PLANTED = [
    ("the_table_of_layers_points_down", {"tests/rules/layers.toml": LAYERS.replace("base = []", 'base = ["os"]')}, "base"),
    ("the_table_of_layers_points_down", {"src/extra/e.h": header("E_H")}, "extra"),
    ("includes_point_down", {"src/base/a.h": header("A_H", "#include \"os/b.h\"\n")}, "base may not include os"),
    ("includes_point_down", {"src/log/ring.h": header("RING_H", "#include \"os/sim/disk.h\"\n")}, "private to os"),
    ("includes_point_down", {"src/node/n.h": header("N_H", "#include \"log/ring_priv.h\"\n")}, "private to its folder"),
    ("includes_point_down", {"src/log/ring.h": header("RING_H", "#include \"log/gone.h\"\n")}, "gone.h"),
    ("includes_point_down", {"src/log/ring.h": header("RING_H", "#include \"../../tests/t.h\"\n"), "tests/t.h": "/**/"}, "tests/t.h"),
    ("system_calls_are_made_in_os_only", {"src/log/ring.h": header("RING_H", "#include <sys/socket.h>\n")}, "sys/socket.h"),
    ("system_calls_are_made_in_os_only", {"src/log/ring.h": header("RING_H", "# include <pthread.h>\n")}, "pthread.h"),
    ("system_calls_are_made_in_os_only", {"src/log/c.c": "/**/\nvoid *f = fopen(\"x\", \"r\");\n"}, "fopen"),
    ("libraries_stay_behind_their_header", {"src/log/c.c": "/**/\n#include <libwebsockets.h>\n"}, "libwebsockets.h"),
    ("headers_compile_alone", {"src/base/a.h": header("A_H", "uint32_t a(void);\n")}, "uint32_t"),
    ("headers_compile_alone", {"src/base/a.h": header("A_H", "static inline int a(int b) { return 1; }\n")}, "unused"),
    ("functions_are_short", {"src/base/a.c": LONG}, "a has 93 lines"),
    ("files_are_short", {"src/base/a.c": "/* A. */\n" + "int a;\n" * 1200}, "1201 lines"),
    ("files_open_with_a_comment", {"src/base/a.c": "int a;\n"}, "src/base/a.c"),
    ("sources_are_built", {"src/base/b.c": "/* B. */\n"}, "src/base/b.c"),
    ("sources_are_built", {"tests/unit/test_b.c": "/* B. */\n"}, "tests/unit/test_b.c"),
    ("nothing_is_left_over", {"docs/a.md": "TO" "DO: write\n"}, "docs/a.md:1"),
    ("nobody_sleeps", {"tests/unit/test_a.c": "/* T. */\nint a = us" "leep(10);\n"}, "test_a.c:2"),
    ("nobody_sleeps", {"tests/integration/t.py": "import time\ntime.sl" "eep(1)\n"}, "t.py:2"),
    ("no_host_is_named", {"docs/a.md": "see https:" + SLASH + "/packages.somewhere.net/x\n"}, "packages.somewhere.net"),
    ("no_host_is_named", {"docs/a.md": "postgresql:" + SLASH + "/me:pw@db.somewhere.net:5432/x\n"}, "db.somewhere.net"),
    ("no_machine_path_is_named", {"docs/a.md": "look into " + SLASH + "work/here\n"}, "docs/a.md:1"),
    ("no_machine_path_is_named", {"docs/a.md": "`" + SLASH + "root`\n"}, "docs/a.md:1"),
    ("code_is_formatted", {"src/base/a.c": "/* A. */\nint  a;\n"}, "src/base/a.c:2"),
    ("links_lead_somewhere", {"docs/a.md": "[gone](gone.md#part)\n"}, "gone.md"),
    ("decisions_have_status_and_date", {"docs/adr/0002-two.md": "# Two\n\nDate: 2026-01-31\n"}, "Status"),
    ("decisions_have_status_and_date", {"docs/adr/0002-two.md": "# Two\n\nStatus: accepted\n"}, "Date"),
    ("decisions_have_status_and_date", {"docs/adr/two.md": "Status: accepted\nDate: 2026-01-31\n"}, "NNNN"),
    ("planted_bugs_fit_the_code", {"src/base/a.c": "/* A. */\nint a;\n", "tests/sim/plant.py": PLANTS}, "0 times"),
]


def plant(folder, files):
    subprocess.run(["git", "init", "-q", folder], check=True)
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return rules.Tree(str(folder))


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_a_clean_tree_passes(tmp_path, rule):
    assert list(rule(plant(tmp_path, CLEAN))) == []


@pytest.mark.parametrize("name, changes, names", PLANTED)
def test_a_planted_violation_is_caught(tmp_path, name, changes, names):
    violations = list(getattr(rules, name)(plant(tmp_path, CLEAN | changes)))
    assert violations and any(names in violation for violation in violations), violations


def test_every_rule_has_a_planted_violation():
    assert {rule.__name__ for rule in rules.RULES} == {name for name, _, _ in PLANTED}


def test_the_namespace_of_svg_is_no_host_but_its_host_elsewhere_is(tmp_path):
    tree = CLEAN | {"docs/a.svg": "<svg " + rules.SVG_NAMESPACE + "/>\n"}
    assert list(rules.no_host_is_named(plant(tmp_path, tree))) == []
    tree["docs/a.svg"] = "<svg " + rules.SVG_NAMESPACE.replace("xmlns", "href") + "/>\n"
    assert list(rules.no_host_is_named(plant(tmp_path, tree)))


@pytest.mark.parametrize("allowed", ["http://127.0.0.1:8080/x", "http://[::1]:80", "postgresql://me@localhost/x", "http://{host}/"])
def test_loopback_is_no_host(tmp_path, allowed):
    assert list(rules.no_host_is_named(plant(tmp_path, CLEAN | {"docs/a.md": allowed + "\n"}))) == []
