"""The rules of this repository, each a function that takes a Tree and yields one sentence a violation.

tests/rules/run applies them to the checkout; tests/rules/test_rules.py applies them to small trees with one planted
violation each. docs/STYLE.md says why the rules are what they are. Standard library only.
"""
import concurrent.futures
import functools
import glob
import os
import re
import subprocess
import tomllib

FUNCTION_LINES_MAX = 80
FILE_LINES_MAX = 1200
C_FOLDERS = ("src/", "include/", "tests/", "fuzz/", "bench/")

# Headers that mean system calls, clock, random numbers or threads: only src/os may include them.
SYSTEM_HEADERS = re.compile(
    r"(sys/(?!types\.h|cdefs\.h|queue\.h).*|netinet/.*|arpa/.*|linux/.*|net/.*|asm/.*|unistd|fcntl|pthread|threads|time|"
    r"poll|dirent|signal|spawn|sched|semaphore|netdb|ifaddrs|aio|liburing|uv|pwd|grp|termios|dlfcn|syslog|utime|ftw|"
    r"mqueue|ucontext)(\.h)?")
SYSTEM_CALLS = re.compile(
    r"(?<![\w.>])(fopen|freopen|popen|tmpfile|system|rand|srand|srandom|getenv|secure_getenv|rename)\s*\(")
# Written in two parts so that this file obeys itself.
LEFTOVERS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
SLEEPS = re.compile(r"(?<![\w.>])(u|nano|clock_nano|thrd_|uv_)?sleep\s*\(")
PYTHON_SLEEPS = re.compile(r"\b(time|asyncio)\.sleep\s*\(|from time import .*\bsleep\b")
PYTHON_WAITING = "tests/integration/waiting.py"
URLS = re.compile(r"\b[a-z+]+://(?:[^\s/@\"'<>]*@)?(\[[^\]\s]*\]|[^\s/:\"'`<>)\]},;]*)")
HOSTS = re.compile(r"(|localhost|127\.0\.0\.1|\[::1\]|[%{$].*|\.\.\.|…|([\w-]+\.)*example(\.\w+)?)")
# The name of a language, which every SVG file must carry, not an address that anything opens.
SVG_NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'
MACHINE_PATHS = re.compile(r"(?<![\w.}$)*/-])/(ro" r"ot|wo" r"rk|ho" r"me)(?![\w-])(/|\b)")
ADR_STATUS = re.compile(r"^\W*status\W+(proposed|accepted|rejected|superseded)\b", re.I | re.M)
ADR_DATE = re.compile(r"^\W*date\W+\d{4}-\d\d-\d\d\b", re.I | re.M)


class Tree:
    """The files of a checkout that git knows or would add, by path from its root."""

    def __init__(self, root):
        self.root = root
        listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root,
                                check=True, capture_output=True).stdout.decode().split("\0")
        self.paths = sorted({path for path in listed if path and os.path.isfile(os.path.join(root, path))})

    @functools.cache
    def text(self, path):
        """None for a binary file."""
        with open(os.path.join(self.root, path), "rb") as file:
            data = file.read()
        if b"\0" in data:
            return None
        return data.decode(errors="replace")

    def texts(self, *suffixes, under=("",)):
        for path in self.paths:
            if path.startswith(tuple(under)) and (not suffixes or path.endswith(suffixes)):
                if (text := self.text(path)) is not None:
                    yield path, text

    @functools.cached_property
    def layers(self):
        with open(os.path.join(self.root, "tests/rules/layers.toml"), "rb") as file:
            return tomllib.load(file)


@functools.lru_cache(maxsize=None)
def without_comments(text):
    """C with comments and the insides of string literals blanked, lines kept; includes stay."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|(?<!include )"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)
    return pattern.sub(lambda match: '""' if match[0][0] in "\"'" else re.sub(r"[^\n]", " ", match[0]), text)


def numbered(text):
    return enumerate(text.splitlines(), 1)


def layer_of(path):
    """src/os/sim/disk.h and os/sim/disk.h: os."""
    return path.removeprefix("src/").split("/")[0]


def the_table_of_layers_points_down(tree):
    order = tree.layers["order"]
    for layer, allowed in tree.layers["allowed"].items():
        for lower in allowed:
            if layer not in order or lower not in order or order.index(lower) >= order.index(layer):
                yield f"tests/rules/layers.toml lets {layer} include {lower}, which is not below it"
    for path, _ in tree.texts(".c", ".h", under=["src/"]):
        if layer_of(path) not in tree.layers["allowed"]:
            yield f"{path}: the layer {layer_of(path)} is not in tests/rules/layers.toml"


def includes(text):
    for line, code in numbered(without_comments(text)):
        if match := re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', code):
            yield line, match[1] == '"', match[2]


def resolve(tree, path, name):
    """The file an #include "name" in path means, from the root of the checkout; None: there is none."""
    beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
    for candidate in (beside, "src/" + name, "include/" + name):
        if candidate in tree.paths:
            return candidate
    return None


def private_to(tree, target):
    """The layers that may include target if its folder is private, otherwise None."""
    for folder, layers in tree.layers.get("private", {}).items():
        if target.startswith(f"src/{folder}/"):
            return layers
    return None


def includes_point_down(tree):
    for path, text in tree.texts(".c", ".h", under=["src/"]):
        layer = layer_of(path)
        allowed = tree.layers["allowed"].get(layer, [])
        for line, quoted, name in includes(text):
            if not quoted or name in tree.layers.get("generated", []):
                continue
            target = resolve(tree, path, name)
            if target is None:
                yield f"{path}:{line}: \"{name}\" is no file here (a generated one belongs into layers.toml)"
                continue
            if not target.startswith("src/"):
                if not target.startswith("include/"):
                    yield f"{path}:{line}: src/ may not include {target}"
                continue
            lower = layer_of(target)
            if lower != layer and lower not in allowed:
                yield f"{path}:{line}: {layer} may not include {lower} ({name}): see tests/rules/layers.toml"
            if (only := private_to(tree, target)) is not None and layer not in only:
                yield f"{path}:{line}: {name} is private to {', '.join(only)}: use the layer's public header"
            if target.endswith("_priv.h") and os.path.dirname(target) != os.path.dirname(path):
                yield f"{path}:{line}: {name} is private to its folder"


def system_calls_are_made_in_os_only(tree):
    for path, text in tree.texts(".c", ".h", under=["src/", "include/"]):
        if layer_of(path) == "os":
            continue
        for line, quoted, name in includes(text):
            if not quoted and SYSTEM_HEADERS.fullmatch(name):
                yield f"{path}:{line}: <{name}> is for src/os only: use what os/ offers, or add to it"
        for line, code in numbered(without_comments(text)):
            if match := SYSTEM_CALLS.search(code):
                yield f"{path}:{line}: {match[1]}() is for src/os only"


def libraries_stay_behind_their_header(tree):
    for path, text in tree.texts(".c", ".h", under=["src/", "include/"]):
        for line, quoted, name in includes(text):
            folder = None if quoted else tree.layers.get("libraries", {}).get(name)
            if folder and not path.startswith(f"src/{folder}/"):
                yield f"{path}:{line}: <{name}> is for src/{folder} only: use the header there"


def header_compiles(tree, compiler, path):
    systems = [os.path.join(tree.root, ".deps/duckdb/include"), *glob.glob("/usr/share/cargo/registry/blake3-*/c")]
    command = [compiler, "-std=gnu2x", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Isrc",
               "-Iinclude", "-Ibuild/src", *(f"-isystem{folder}" for folder in systems), "-include", path, "-x", "c",
               "/dev/null"]
    done = subprocess.run(command, cwd=tree.root, capture_output=True, text=True)
    return None if done.returncode == 0 else f"{path} does not compile alone with {compiler}: {done.stderr.strip()}"


def headers_compile_alone(tree):
    headers = [path for path, _ in tree.texts(".h", under=["src/", "include/"])]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for compiler in ("gcc", "clang-14"):
            yield from filter(None, pool.map(functools.partial(header_compiles, tree, compiler), headers))


def functions(text):
    """(first line, number of lines, name): the format puts a function's braces, and only them, into column 1."""
    lines = text.splitlines()
    opened = None
    for number, code in enumerate(lines, 1):
        if code == "{":
            opened = number
        elif code == "}" and opened:
            start = opened - 1
            while start > 1 and lines[start - 1][:1] in ("\t", " "):
                start -= 1
            name = re.search(r"(\w+)\(", lines[start - 1])
            yield start, number - start + 1, name[1] if name else lines[start - 1]
            opened = None


def functions_are_short(tree):
    for path, text in tree.texts(".c", ".h", under=C_FOLDERS):
        for line, length, name in functions(text):
            if length > FUNCTION_LINES_MAX:
                yield f"{path}:{line}: {name} has {length} lines, {FUNCTION_LINES_MAX} are allowed: split it"


def files_are_short(tree):
    for path, text in tree.texts(".c", ".h", ".py", under=C_FOLDERS):
        if (length := text.count("\n")) > FILE_LINES_MAX:
            yield f"{path} has {length} lines, {FILE_LINES_MAX} are allowed: split it by concern"


def files_open_with_a_comment(tree):
    for path, text in tree.texts(".c", ".h", under=C_FOLDERS):
        if not text.startswith(("/*", "//")):
            yield f"{path} does not open with a comment: purpose, invariants, failure modes, owning thread"


def sources_are_built(tree):
    """An explicit list builds what it names; a .c file in no list is dead."""
    for path, _ in tree.texts(".c", under=["src/", "tests/unit/", "tests/sim/", "fuzz/", "bench/"]):
        folder, name = os.path.split(path)
        stem = re.sub(r"^(test|fuzz|sim|bench)_", "", name.removesuffix(".c"))
        listed = False
        while folder and not listed:
            listing = f"{folder}/meson.build"
            if listing in tree.paths:
                relative = path.removeprefix(folder + "/")
                listed = f"'{relative}'" in tree.text(listing) or f"'{stem}'" in tree.text(listing)
            folder = os.path.dirname(folder)
        if not listed:
            yield f"{path} is in no meson.build, so nothing builds it"


def nothing_is_left_over(tree):
    for path, text in tree.texts():
        for line, code in numbered(text):
            if match := LEFTOVERS.search(code):
                yield f"{path}:{line}: {match[0]}: do it, or file an issue"


def nobody_sleeps(tree):
    for path, text in tree.texts(".c", ".h", under=C_FOLDERS):
        for line, code in numbered(without_comments(text)):
            if match := SLEEPS.search(code):
                yield f"{path}:{line}: {match[0]}): wait for the condition itself, with a deadline"
    for path, text in tree.texts(".py", under=["tests/", "bench/"]):
        for line, code in numbered(text):
            if path != PYTHON_WAITING and (match := PYTHON_SLEEPS.search(code)):
                yield f"{path}:{line}: {match[0]}: use wait_until() of {PYTHON_WAITING}"


def no_host_is_named(tree):
    for path, text in tree.texts():
        for line, code in numbered(text):
            for match in URLS.finditer(code.replace(SVG_NAMESPACE, "")):
                if not HOSTS.fullmatch(match[1]):
                    yield f"{path}:{line}: {match[0]}: name the document or the package, not a host"


def no_machine_path_is_named(tree):
    for path, text in tree.texts():
        for line, code in numbered(text):
            if match := MACHINE_PATHS.search(code):
                yield f"{path}:{line}: {match[0]} is a path of one machine"


def code_is_formatted(tree):
    paths = [path for path, _ in tree.texts(".c", ".h", under=C_FOLDERS)]
    if not paths:
        return
    done = subprocess.run(["clang-format-14", "--dry-run", "--Werror", "--ferror-limit=1", *paths], cwd=tree.root,
                          capture_output=True, text=True)
    for line in done.stderr.splitlines():
        if match := re.match(r"(\S+?:\d+):\d+: error: ", line):
            yield f"{match[1]}: not as clang-format has it: run make format"
    if done.returncode and "error:" not in done.stderr:
        yield f"clang-format-14 failed: {done.stderr.strip()}"


def links_lead_somewhere(tree):
    folders = {os.path.dirname(path) for path in tree.paths}
    while any(os.path.dirname(folder) not in folders for folder in folders):
        folders |= {os.path.dirname(folder) for folder in folders}
    for path, text in tree.texts(".md"):
        prose = re.sub(r"^```.*?^```", lambda match: "\n" * match[0].count("\n"), text, flags=re.S | re.M)
        for line, code in numbered(prose):
            for match in re.finditer(r"\]\(([^)#\s]*)(#[^)\s]*)?\)", re.sub(r"`[^`]*`", "", code)):
                target = os.path.normpath(os.path.join(os.path.dirname(path), match[1]))
                if match[1] and "://" not in match[1] and target not in tree.paths and target not in folders | {"."}:
                    yield f"{path}:{line}: links to {match[1]}, which is not there"


def decisions_have_status_and_date(tree):
    for path, text in tree.texts(".md", under=["docs/adr/"]):
        if os.path.basename(path) == "README.md":
            continue
        if not re.match(r"\d{4}-[a-z0-9-]+\.md$", os.path.basename(path)):
            yield f"{path} is not named NNNN-what-was-decided.md"
        if not ADR_STATUS.search(text):
            yield f"{path} has no line \"Status: proposed|accepted|rejected|superseded by NNNN\""
        if not ADR_DATE.search(text):
            yield f"{path} has no line \"Date: YYYY-MM-DD\""


def planted_bugs_fit_the_code(tree):
    """tests/sim/plant.py runs for long and rarely; that its edits still have a place shows at once."""
    path = "tests/sim/plant.py"
    if path not in tree.paths:
        return
    module = {"__name__": "plant", "__file__": os.path.join(tree.root, path)}
    exec(compile(tree.text(path), path, "exec"), module)
    for plant in module["PLANTS"]:
        for file, old, _ in plant.edits:
            count = tree.text(file).count(old) if file in tree.paths else 0
            if count != 1:
                yield f"{path}: {plant.name}: {file} has its text {count} times"


RULES = [
    the_table_of_layers_points_down,
    includes_point_down,
    system_calls_are_made_in_os_only,
    libraries_stay_behind_their_header,
    headers_compile_alone,
    functions_are_short,
    files_are_short,
    files_open_with_a_comment,
    sources_are_built,
    nothing_is_left_over,
    nobody_sleeps,
    no_host_is_named,
    no_machine_path_is_named,
    code_is_formatted,
    links_lead_somewhere,
    decisions_have_status_and_date,
    planted_bugs_fit_the_code,
]
