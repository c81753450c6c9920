"""A runner for files in sqllogictest's manner (sqlite.org/sqllogictest), over real connections.

Blocks are separated by blank lines; '#' begins a comment.

    topic NAME PARTITIONS           makes a topic
    statement ok                    what follows is carried out
    statement error SQLSTATE        what follows fails with it
    query TYPES [rowsort]           what follows gives these rows, a line each behind '----', values with tabs between
                                    them, NULL and (empty) as they stand; a letter of TYPES a column: I integer, N numeric, R real,
                                    T text, B boolean, D date or time, J json, A array, X anything else

`python logic.py FILE PORT` asks a PostgreSQL on the port, where a topic is a table with a topic's columns, and writes what it
answers into the file: so expectations are PostgreSQL's, but for blocks behind a comment that says how we differ.
"""
import pathlib
import sys

import psycopg

LETTERS = {"I": (20, 21, 23), "N": (1700,), "R": (700, 701), "T": (25, 1043, 1042, 19, 18), "B": (16,),
           "D": (1082, 1083, 1114, 1184, 1186, 1266), "J": (114, 3802), "A": (1000, 1005, 1007, 1009, 1015, 1016, 1021, 1022, 1231)}
TABLE = """CREATE TABLE {0} (partition int, "offset" bigserial, timestamp timestamptz, key text, value json, headers json)"""
OK = (psycopg.pq.ExecStatus.TUPLES_OK, psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.EMPTY_QUERY)


class Block:
    """One of a file: its first line, its statement, and what it should give."""

    def __init__(self, lines, line_number):
        self.comments = [line for line in lines if line.startswith("#")]
        lines = [line for line in lines if not line.startswith("#")]
        self.line_number = line_number
        self.head = lines[0].split() if lines else []
        body = lines[1:]
        cut = body.index("----") if "----" in body else len(body)
        self.sql, self.rows = "\n".join(body[:cut]), body[cut + 1:]

    def text(self):
        lines = self.comments + ([" ".join(self.head)] if self.head else [])
        lines += self.sql.splitlines()
        if self.head[:1] == ["query"]:
            lines += ["----", *self.rows]
        return "\n".join(lines)


def read(path):
    blocks, lines, start = [], [], 1
    for number, line in enumerate([*path.read_text().splitlines(), ""], 1):
        if line:
            lines.append(line)
            continue
        if lines:
            blocks.append(Block(lines, start))
        lines, start = [], number + 1
    return blocks


def letter(oid):
    return next((name for name, oids in LETTERS.items() if oid in oids), "X")


def value(result, row, column):
    data = result.get_value(row, column)
    text = "NULL" if data is None else data.decode() or "(empty)"
    return text.replace("\n", "\\n").replace("\t", "\\t")


def ask(connection, block):
    """What the server answers: head and rows as the file would have them."""
    result = connection.pgconn.exec_(block.sql.encode())
    if result.status not in OK:
        return ["statement", "error", result.error_field(psycopg.pq.DiagnosticField.SQLSTATE).decode()], []
    if block.head[0] == "statement":
        return ["statement", "ok"], []
    columns = range(result.nfields)
    rows = ["\t".join(value(result, row, column) for column in columns) for row in range(result.ntuples)]
    head = ["query", "".join(letter(result.ftype(column)) for column in columns), *block.head[2:]]
    return head, sorted(rows) if "rowsort" in block.head else rows


def complete(path, port):
    connection = psycopg.connect(f"host=127.0.0.1 port={port} user=postgres dbname=postgres", autocommit=True)
    blocks = read(path)
    for block in blocks:
        if block.head[:1] == ["topic"]:
            connection.execute(f"DROP TABLE IF EXISTS {block.head[1]}")
            connection.execute(TABLE.format(block.head[1]))
        elif block.head and not any("differs" in line for line in block.comments):
            block.head, block.rows = ask(connection, block)
    path.write_text("\n\n".join(block.text() for block in blocks) + "\n")


if __name__ == "__main__":
    complete(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
