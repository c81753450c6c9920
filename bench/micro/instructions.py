"""How many instructions a batch costs on its way, against recorded bounds: times are noisy, these are not.

  instructions.py BUILD              checks bench/micro/instructions.toml: one test a step
  instructions.py BUILD --record     writes it anew, with what is measured now

Each step of bench_path runs twice under callgrind, once more often than the other; the difference is what one costs. Only
the code of this project's layers below the simulated world is counted. A step fails when it costs over TOLERANCE more
than recorded; when it costs that much less, it says so, and the record should be made anew.
"""
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECORD = ROOT / "bench" / "micro" / "instructions.toml"
COUNTED = re.compile(r"src/(base|codec|log)/")
TOLERANCE = 0.05
FEW, MANY = 4, 24
ITEMS = {"crc": 1, "decode": 1, "validate": 1, "append": 64, "read": 1}  # of one run, as in path.c


def own_instructions(profile):
    """The sum of what counted files cost by themselves."""
    total, files, file, skip = 0, {}, "", False
    for line in profile.splitlines():
        if match := re.match(r"(fl|fi|fe)=\((\d+)\)(?: (.*))?$", line):
            files.setdefault(match[2], match[3])
            file = files[match[2]]
        elif match := re.match(r"(cfi|cfl)=\((\d+)\)(?: (.*))?$", line):
            files.setdefault(match[2], match[3])
        elif line.startswith("calls="):
            skip = True  # the next line is what the called function cost
        elif re.match(r"[+*-]?\d* ?\d+( \d+)?$", line) and " " in line:
            if not skip and file and COUNTED.search(file):
                total += int(line.split()[1])
            skip = False
    return total


def run(program, step, count):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "profile"
        done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--compress-pos=no", program,
                               step, str(count)], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"instructions.py: {step} failed under callgrind:\n{done.stderr[-2000:]}")
        return own_instructions(out.read_text())


def measure(program, step):
    return (run(program, step, MANY) - run(program, step, FEW)) / ((MANY - FEW) * ITEMS[step])


def write_record(measured):
    lines = ["# Instructions of one step of bench_path, by bench/micro/instructions.py --record.\n"]
    lines += [f"{step} = {cost:.0f}\n" for step, cost in measured.items()]
    RECORD.write_text("".join(lines))


def main():
    program = pathlib.Path(sys.argv[1]) / "bench" / "micro" / "bench_path"
    measured = {step: measure(program, step) for step in ITEMS}
    if "--record" in sys.argv:
        write_record(measured)
    bounds = tomllib.loads(RECORD.read_text())
    failed = 0
    for step, cost in measured.items():
        ratio = cost / bounds[step]
        wrong = ratio > 1 + TOLERANCE
        failed += wrong
        note = "; record it: --record" if ratio < 1 - TOLERANCE else ""
        print(f"{'FAIL' if wrong else 'ok'}: {step} costs {cost:.0f} instructions, {ratio:.2f} of what is recorded{note}")
    print(f"{len(measured) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
