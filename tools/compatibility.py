#!/usr/bin/env python3
"""Writes docs/COMPATIBILITY.md from what the tests of clients left in .deps/clients/results (make test-clients).

Standard library only. A client that did not run is not in the table: run all of them before the document is committed."""
import collections
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / ".deps" / "clients" / "results"
TARGET = ROOT / "docs" / "COMPATIBILITY.md"
OPENING = """# Compatibility

Clients, unmodified, against a node, as `make test-clients` ran them last. Made by `tools/compatibility.py` from those
runs: not to be edited. The programs are in `tests/integration/clients`.
"""
SECTIONS = {
    "Kafka": """
## Kafka's protocol

kcat and confluent-kafka are tested in `make test`.
""",
    "SQL": """
## PostgreSQL's protocol

psql, psycopg 2 and 3, asyncpg, SQLAlchemy and pandas are tested in `make test`.
""",
}
HEAD = """
| client | version | shown | |
|---|---|---|---|
"""


def table(rows):
    return "\n".join(f"| {client} | {version} | {what} | {'passed' if passed else '**failed**'} |" for (client, version, what), passed
                     in sorted(rows.items(), key=lambda row: (row[0][0].lower(), row[0]))) + "\n"


def main():
    found = {protocol: collections.defaultdict(lambda: True) for protocol in SECTIONS}
    for path in sorted(RESULTS.glob("*.json")):
        for row in json.loads(path.read_text()):
            found[row["protocol"]][row["client"], row["version"], row["what"]] &= row["passed"]
    if not any(found.values()):
        sys.exit("no results: run make test-clients")
    TARGET.write_text(OPENING + "".join(opening + HEAD + table(found[protocol]) for protocol, opening in SECTIONS.items()))


if __name__ == "__main__":
    main()
