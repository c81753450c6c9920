"""The files of logic/, each over topics of its own: joins, windows, NULLs, texts, dates, JSON, errors."""
import pathlib

import logic
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

SECONDS = 30
FILES = sorted((pathlib.Path(__file__).parent / "logic").glob("*.test"))


def make_topic(sql, name, partitions):
    admin = AdminClient({"bootstrap.servers": sql.node.kafka})
    admin.create_topics([NewTopic(name, int(partitions))])[name].result(SECONDS)


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_logic(sql, path):
    wrong = []
    with sql.connect() as connection:
        for block in logic.read(path):
            if block.head[:1] == ["topic"]:
                make_topic(sql, *block.head[1:])
            elif block.head:
                expected = (block.head, block.rows)
                answered = logic.ask(connection, block)
                if answered != expected:
                    wrong.append(f"{path.name}:{block.line_number}: {block.sql}\n  gives {answered}\n  not   {expected}")
    assert not wrong, f"{len(wrong)} of the file:\n" + "\n".join(wrong)


def test_there_are_files():
    assert len(FILES) >= 10 and sum(len(logic.read(path)) for path in FILES) >= 300
