"""pyralog topic: list, create, describe, alter, delete by Kafka's protocol; infer by SQL."""
import json
import subprocess
import uuid

SECONDS = 30


def run(binary, sql, *arguments, code=0, ok_error=""):
    command = [str(binary), "topic", *arguments, "--broker", sql.node.kafka, "--pg-port", str(sql.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == code and ok_error in done.stderr, (done.returncode, done.stdout, done.stderr)
    return done.stdout


def topics(binary, sql):
    return {row["topic"]: row["partitions"] for row in json.loads(run(binary, sql, "list", "--format", "json"))}


def test_a_topic_from_its_creation_to_its_end(binary, sql):
    name = f"made-{uuid.uuid4()}"
    run(binary, sql, "create", name, "--partitions", "3", "--set", "retention.ms=3600000,max.message.bytes=1000")
    run(binary, sql, "create", name, code=1, ok_error="TOPIC_ALREADY_EXISTS")
    assert topics(binary, sql)[name] == 3
    run(binary, sql, "alter", name, "--partitions", "5", "--set", "retention.ms=7200000")
    assert topics(binary, sql)[name] == 5
    sql.produce(name, [{"n": 1}, {"n": 2}], partition=4)
    rows = [line.split("\t") for line in run(binary, sql, "describe", name).splitlines()]
    assert rows == [[str(i), "0", "0" if i < 4 else "2", "0" if i < 4 else "2"] for i in range(5)]
    shown = run(binary, sql, "describe", name, "--format", "table")
    assert "retention.ms" in shown and "7200000" in shown and "max.message.bytes" in shown
    run(binary, sql, "alter", name, "--set", "retention.ms=")
    assert "7200000" not in run(binary, sql, "describe", name, "--format", "table")
    run(binary, sql, "delete", name)
    assert name not in topics(binary, sql)
    run(binary, sql, "delete", name, code=1, ok_error="there is no topic")


def test_mistakes_are_named(binary, sql):
    run(binary, sql, "create", code=2, ok_error="which topic?")
    run(binary, sql, "alter", "x", code=2, ok_error="what shall change?")
    run(binary, sql, "alter", "x", "--set", "nonsense", code=2, ok_error="KEY=VALUE")
    run(binary, sql, "nonsense", code=2, ok_error="there is no nonsense")
    run(binary, sql, "create", "x", "--set", "retention.ms=soon", code=1, ok_error="retention.ms")


FLIGHT = {"carrier": "UA", "flight": 1545, "dep": {"delay": 2.5, "at": "2013-01-01T05:17:00Z"}, "arr": {"delay": -7},
          "on": "2013-01-01", "ok": True, "tags": ["a"], "id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "key": "k",
          "big": 5_000_000_000, "Odd Name.": "x", "nothing": None}


def test_columns_are_inferred_and_declared(binary, sql):
    topic = sql.topic([FLIGHT, {"carrier": None, "flight": 7, "dep": {"delay": 3}}, {"big": 1, "ok": None}, "no object"])
    statement = run(binary, sql, "infer", topic)
    for part in ('"carrier" text', '"flight" integer', "\"delay\" double precision PATH 'dep.delay'",
                 "\"at\" timestamptz PATH 'dep.at'", "\"arr_delay\" integer PATH 'arr.delay'", '"on" date', '"ok" boolean',
                 '"tags" json', '"id" uuid', '"big" bigint', "\"odd_name_\" text PATH '\"Odd Name.\"'"):
        assert part in statement, statement
    assert '"nothing"' not in statement and "\"key_2\" text PATH 'key'" in statement
    run(binary, sql, "infer", topic, "--apply", ok_error="declared")
    assert sql.rows(f'SELECT delay, arr_delay, "on"::text, odd_name_ FROM "{topic}" WHERE carrier = \'UA\'') == [
        (2.5, -7, "2013-01-01", "x")]
    assert sql.rows(f'SELECT count(*) FROM "{topic}$errors" WHERE "column" IS NOT NULL') == [(0,)]
    run(binary, sql, "infer", topic, "--apply")  # once more changes nothing
    run(binary, sql, "infer", sql.topic(["x"]), code=1, ok_error="is a JSON object")
    run(binary, sql, "infer", "nowhere", code=1, ok_error="does not exist")
