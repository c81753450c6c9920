"""From the medians of a run to one table (terminal, Markdown) and one chart (SVG)."""
import json
import pathlib
import sys
from xml.sax.saxutils import escape

DISTURBED = 0.2  # of all cores: then somebody else was measured, too
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
MODE_NAMES = {"fsync": "synced before the acknowledgement", "os": "page cache"}
HEAD = ["case", "durability", "Pyralog", "Kafka", "unit", "Pyralog is", "p99 ms", "CPU-s per million"]


def number(value):
    """Three digits that matter: 1.23 M, 45.6 K, 0.123."""
    if value is None:
        return "failed"
    for scale, unit in ((1e6, " M"), (1e3, " K")):
        if value >= scale:
            return f"{value / scale:.{2 if value < 10 * scale else 1 if value < 100 * scale else 0}f}{unit}"
    return f"{value:.3f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def ratio(row):
    """How many times better Pyralog is; None if one of them failed."""
    ours, theirs = row["Pyralog"], row["Kafka"]
    if not ours or not theirs or not ours["value"] or not theirs["value"]:
        return None
    return theirs["value"] / ours["value"] if row["less_is_better"] else ours["value"] / theirs["value"]


def pair(row, name):
    figures = [row[peer][name] if row[peer] else None for peer in ("Pyralog", "Kafka")]
    return " / ".join("-" if figure is None else number(figure) for figure in figures)


def value_of(row, peer):
    if not row[peer]:
        return "failed"
    extra = row[peer].get("extra")
    return number(row[peer]["value"]) + (f" ({number(extra[1])} {extra[0]})" if extra else "")


def is_disturbed(row):
    return any(row[peer] and row[peer]["other_cpu"] > DISTURBED for peer in ("Pyralog", "Kafka"))


def rows(found):
    """Cells of the table, below HEAD."""
    for durability, cases in found["modes"].items():
        for row in cases:
            times = ratio(row)
            yield [row["title"] + (" *" if is_disturbed(row) else "") + (" †" if row.get("again") else ""), durability, value_of(row, "Pyralog"), value_of(row, "Kafka"), row["unit"],
                   f"{times:.2f} x" if times else "-", pair(row, "p99_ms"), pair(row, "cpu_s_per_million")]
    ours, theirs = (found["clients"].get(peer, []) for peer in ("Pyralog", "Kafka"))
    for (title, rate, cpu), (_, other_rate, other_cpu) in zip(ours, theirs):
        yield [title, "fsync", number(rate), number(other_rate), "records/s", f"{rate / other_rate:.2f} x", "-",
               f"{number(cpu)} / {number(other_cpu)}"]


def plain_table(cells):
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def limits_text(found):
    limits = found["limits"]
    return (f"this machine: disk {limits['disk_durable_mb_per_s']:,.0f} MB/s (1 MiB, O_DIRECT|O_DSYNC), a 4 KiB sync "
            f"{limits['disk_sync_p50_ms']:.3f} ms (p99 {limits['disk_sync_p99_ms']:.3f}), page cache "
            f"{limits['page_cache_mb_per_s']:,.0f} MB/s, loopback {limits['loopback_mb_per_s']:,.0f} MB/s "
            f"(64 MiB from memory {limits['memory_mb_per_s']:,.0f}, by sendfile {limits['sendfile_mb_per_s']:,.0f}), CRC-32C "
            f"{limits['crc32c_mb_per_s']:,.0f} MB/s; the load generator against a broker that keeps nothing "
            f"{limits['generator_mb_per_s']:,.0f} MB/s{bounds_text(limits)}")


def bounds_text(limits):
    bounds = [f"{title} {number(used)} and {number(fresh)}" for title, (used, fresh) in limits.get("bounds", {}).items()]
    return ("; a durable broker that only checks, writes and syncs (`bench_sink`), records/s into space that was written before "
            f"and into fresh space: {', '.join(bounds)}" if bounds else "")


def bystanders_text(found):
    shares = sorted(row[peer]["other_cpu"] for cases in found["modes"].values() for row in cases
                    for peer in ("Pyralog", "Kafka") if row[peer])
    if not shares:
        return "nothing was measured"
    return (f"CPU that neither broker nor load generator used while they were measured (other programs, the kernel's own "
            f"threads): {shares[len(shares) // 2]:.0%} in the median case, {shares[-1]:.0%} at most; * marks cases with more than {DISTURBED:.0%}, which are worth "
            "repeating on a quiet machine")


def text(found):
    parts = [plain_table([HEAD, *rows(found)]), limits_text(found), bystanders_text(found)]
    if "first" in found:
        parts.append(plain_table([["Pyralog alone", "measured", "target"], *found["first"]]))
    return "\n\n".join(parts)


def markdown_table(cells):
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "---|" * len(cells[0]), *lines[1:]])


def markdown(found):
    machine, versions = found["machine"], found["versions"]
    intro = (f"`make bench{' LONG=1' if found['long'] else ''}`, {found['date']}: Pyralog {versions['Pyralog']} and Apache "
             f"Kafka {versions['Kafka']} on {machine['cores']} cores ({machine['model']}), {machine['memory_gib']} GiB, "
             f"brokers and load generator on the same cores. Medians of {found['rounds']} runs of {found['seconds']:g} s, "
             "in turn. fsync: " + MODE_NAMES["fsync"] + "; os: " + MODE_NAMES["os"] + ". \"p99 ms\" and \"CPU-s per "
             "million\" (of the broker, per million records) are Pyralog / Kafka.")
    first = "\n\nPyralog alone:\n\n" + markdown_table([["what", "measured", "target"], *found["first"]]) if "first" in found else ""
    limits = limits_text(found)
    if any(case.get("again") for cases in found["modes"].values() for case in cases):
        intro += " † was measured again later, by itself; the machine's limits were not."
    return f"{intro}\n\n{markdown_table([HEAD, *rows(found)])}\n\n{limits[0].upper()}{limits[1:]}. {bystanders_text(found)}.{first}"


# ---- the chart ----

STYLE = """text { font: 13px system-ui, sans-serif; fill: #24292f; }
.small { font-size: 11px; fill: #57606a; } .ours { fill: #d9480f; } .theirs { fill: #8c959f; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .small { fill: #9198a1; } .ours { fill: #ff922b; }
.theirs { fill: #6e7681; } }"""
LEFT, BAR, ROW, WIDTH = 250, 400, 46, 860


def bar(x, y, value, longest, kind, label):
    width = max(2, round(BAR * value / longest))
    return (f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="14" rx="2"/>'
            f'<text class="small" x="{x + width + 6}" y="{y + 11}">{escape(label)}</text>')


def chart_row(y, row):
    ours, theirs = row["Pyralog"]["value"], row["Kafka"]["value"]
    longest = max(ours, theirs)
    times = f"{ratio(row):.1f} x"
    return [f'<text x="{LEFT - 12}" y="{y + 20}" text-anchor="end">{escape(row["title"])}</text>',
            bar(LEFT, y, ours, longest, "ours", f"{number(ours)} records/s ({times})"),
            bar(LEFT, y + 17, theirs, longest, "theirs", f"{number(theirs)} records/s")]


def svg(found):
    """Throughput with both brokers syncing before they acknowledge; each pair of bars has its own scale."""
    shown = [row for row in found["modes"].get("fsync", []) if row["chart"] and row["Pyralog"] and row["Kafka"]]
    height = 64 + ROW * len(shown)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
             f'aria-label="Throughput of Pyralog and Apache Kafka">', f"<style>{STYLE}</style>",
             f'<rect class="ours" x="{LEFT}" y="14" width="12" height="12" rx="2"/><text x="{LEFT + 18}" y="25">Pyralog</text>',
             f'<rect class="theirs" x="{LEFT + 90}" y="14" width="12" height="12" rx="2"/>'
             f'<text x="{LEFT + 108}" y="25">Apache Kafka {escape(found["versions"]["Kafka"])}</text>']
    for place, row in enumerate(shown):
        parts += chart_row(44 + ROW * place, row)
    note = f"{found['machine']['cores']} cores, synced before the acknowledgement, medians; longer is better"
    parts.append(f'<text class="small" x="{LEFT}" y="{height - 8}">{escape(note)}</text></svg>')
    return "\n".join(parts) + "\n"


def replaced(full, part):
    """The full table with the cases of a part of it, which was measured later, and says so."""
    for mode, cases in part["modes"].items():
        later = {case["key"]: case | {"again": True} for case in cases}
        known = [case["key"] for case in full["modes"][mode]]
        full["modes"][mode] = [later.get(key, case) for key, case in zip(known, full["modes"][mode])]
        full["modes"][mode] += [case for key, case in later.items() if key not in known]
    for name, measured in part["clients"].items():
        full["clients"][name] = [[f"{title} †", *figures] for title, *figures in measured]
    return full


def write(found, root):
    """The table between its markers in docs/PERFORMANCE.md, and the chart."""
    page = root / "docs" / "PERFORMANCE.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{markdown(found)}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    chart = root / "docs" / "images" / "throughput.svg"
    chart.parent.mkdir(exist_ok=True)
    chart.write_text(svg(found), encoding="utf-8")


if __name__ == "__main__":  # bench/report.py SUMMARY.json: the documents once more from what was measured
    measured = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    write(measured, pathlib.Path(__file__).resolve().parents[1])
    print(text(measured))
