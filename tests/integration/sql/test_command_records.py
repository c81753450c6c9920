"""pyralog produce and consume: what goes in comes out, in every format, with the partitions that Kafka's clients choose."""
import csv
import io
import json
import subprocess
import time
import uuid

from waiting import wait_until

SECONDS = 30


def run(binary, node, *arguments, text=None, code=0):
    done = subprocess.run([str(binary), *arguments, "--broker", node.kafka], input=text, capture_output=True, text=True,
                          timeout=SECONDS, check=False)
    assert done.returncode == code, (done.returncode, done.stdout[-2000:], done.stderr)
    return done


def test_lines_go_in_and_come_out(binary, node):
    topic = f"lines-{uuid.uuid4()}"
    done = run(binary, node, "produce", topic, "--key-separator", ":", text="a:one\nb:two: and more\nno key\n\nlast")
    assert "4 records acknowledged" in done.stderr
    out = run(binary, node, "consume", topic, "--format", "key-value").stdout
    assert sorted(out.splitlines()) == ["\tlast", "\tno key", "a\tone", "b\ttwo: and more"]
    assert len(run(binary, node, "consume", topic, "--count", "2").stdout.splitlines()) == 2


def test_keys_go_where_kafkas_clients_send_them(binary, node, new_sql):
    topic, sql = f"keys-{uuid.uuid4()}", new_sql(node)
    other = sql.topic([{"n": 1}])
    keys = [f"key {i}" for i in range(50)]
    run(binary, node, "produce", topic, "--key-separator", "|", text="\n".join(f"{key}|x" for key in keys))
    with sql.connect() as connection:
        for key in keys:
            connection.execute(f'INSERT INTO "{other}" (key, value) VALUES (%s, %s)', (key, "sql"))
    query = 'SELECT key, partition FROM "{}" WHERE value IN (\'x\', \'sql\') ORDER BY 1'
    assert sql.rows(query.format(topic)) == sql.rows(query.format(other))


def test_json_lines_with_keys_and_headers(binary, node):
    topic = f"json-{uuid.uuid4()}"
    rows = [{"user": {"id": f"u{i}"}, "n": i} for i in range(100)]
    run(binary, node, "produce", topic, "--format", "json", "--key", "user.id", "--headers", "source=test,trace=1",
        "--compression", "zstd", text="\n".join(json.dumps(row) for row in rows))
    out = [json.loads(line) for line in run(binary, node, "consume", topic, "--format", "json").stdout.splitlines()]
    assert sorted((json.loads(row["value"])["n"], row["key"]) for row in out) == [(i, f"u{i}") for i in range(100)]
    assert all(row["headers"] == {"source": "test", "trace": "1"} for row in out)


def test_csv_becomes_objects(binary, node, tmp_path):
    topic = f"csv-{uuid.uuid4()}"
    (tmp_path / "in.csv").write_bytes(b'id,name,x\r\n1,"a ""b"", c",1.5\r\n2,"two\nlines",\r\n3,007,-1e3\r\n')
    run(binary, node, "produce", topic, "--file", str(tmp_path / "in.csv"), "--format", "csv", "--key", "id",
        "--partition", "0")
    out = [json.loads(line) for line in run(binary, node, "consume", topic).stdout.splitlines()]
    assert out == [{"id": 1, "name": 'a "b", c', "x": 1.5}, {"id": 2, "name": "two\nlines", "x": None},
                   {"id": 3, "name": "007", "x": -1000.0}]
    table = list(csv.DictReader(io.StringIO(run(binary, node, "consume", topic, "--format", "csv", "--headers").stdout)))
    assert [row["key"] for row in table] == ["1", "2", "3"] and json.loads(table[0]["headers"]) == {}
    assert json.loads(table[1]["value"]) == out[1]


def test_where_to_begin(binary, node, new_sql):
    topic = f"from-{uuid.uuid4()}"
    sql = new_sql(node)
    for n in range(5):
        sql.produce(topic, [{"n": n}], partition=0, timestamp=1_000_000 + n * 1000)
    def numbers(*arguments):
        lines = run(binary, node, "consume", topic, *arguments).stdout.splitlines()
        return [json.loads(line)["n"] for line in lines]
    assert numbers() == [0, 1, 2, 3, 4]
    assert numbers("--from", "3") == [3, 4]
    assert numbers("--from", "@1002000", "--partition", "0") == [2, 3, 4]
    assert numbers("--from", "1970-01-01T00:16:44Z") == [4]
    assert numbers("--from", "@1004001") == numbers("--from", "latest") == numbers("--partition", "1") == []


def test_following(binary, node):
    topic = f"follow-{uuid.uuid4()}"
    run(binary, node, "produce", topic, text="first")
    command = [str(binary), "consume", topic, "--follow", "--count", "2", "--broker", node.kafka]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as consumer:
        assert consumer.stdout.readline() == "first\n"
        run(binary, node, "produce", topic, text="second")
        assert consumer.stdout.readline() == "second\n"
        assert consumer.wait(SECONDS) == 0


def test_lines_that_drip_in_are_not_held_back(binary, node):
    topic = f"drip-{uuid.uuid4()}"
    command = [str(binary), "produce", topic, "--broker", node.kafka]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as producer:
        for n in range(3):
            producer.stdin.write(f"line {n}\n")
            producer.stdin.flush()
            wait_until(lambda: f"line {n}" in subprocess.run(
                [str(binary), "consume", topic, "--broker", node.kafka], capture_output=True, text=True,
                timeout=SECONDS, check=False).stdout, SECONDS, "the line is in the topic")
        producer.stdin.close()
        assert producer.wait(SECONDS) == 0


def test_a_rate_is_kept(binary, node):
    topic = f"rate-{uuid.uuid4()}"
    began = time.monotonic()
    run(binary, node, "produce", topic, "--rate", "200", text="x\n" * 100)
    assert 0.3 < time.monotonic() - began < 10
    assert len(run(binary, node, "consume", topic).stdout.splitlines()) == 100


def test_a_large_file(binary, node, tmp_path):
    topic = f"large-{uuid.uuid4()}"
    (tmp_path / "in").write_text("".join(f"{n} {'x' * 100}\n" for n in range(100_000)))
    run(binary, node, "produce", topic, "--file", str(tmp_path / "in"))
    lines = run(binary, node, "consume", topic).stdout.splitlines()
    assert sorted(int(line.split()[0]) for line in lines) == list(range(100_000))


def test_mistakes_are_named(binary, node):
    assert "there is no topic" in run(binary, node, "consume", "nowhere", code=1).stderr
    assert "row 2" in run(binary, node, "produce", "bad", "--format", "json", "--key", "a", text='{"a": 1}\n{"a":\n', code=1).stderr
    assert len(run(binary, node, "consume", "bad").stdout.splitlines()) == 1
    assert "--from" in run(binary, node, "consume", "bad", "--from", "then", code=2).stderr
    assert "--format" in run(binary, node, "produce", "bad", "--format", "xml", code=2).stderr
    assert "/nowhere" in run(binary, node, "produce", "bad", "--file", "/nowhere", code=1).stderr
