"""scarab() and what looks into its ids, by psycopg; pyralog id; a server that is killed and started again."""
import datetime
import json
import subprocess
import threading

import psycopg
import pytest
from conftest import Sql

SECONDS = 30
EPOCH = datetime.datetime(2025, 1, 1, tzinfo=datetime.timezone.utc)


def ids(sql, count):
    return [row[0] for row in sql.rows(f"SELECT scarab() FROM generate_series(1, {count})")]


def run(binary, *arguments, code=0):
    done = subprocess.run([str(binary), "id", *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


def test_each_row_has_an_id_of_its_own(sql):
    got = ids(sql, 10000)
    assert len(set(got)) == 10000 and got == sorted(got)
    assert sql.rows("SELECT scarab() <> scarab(), scarab() IS NULL, pg_typeof(scarab())::text") == [(True, False, "bigint")]


def test_a_statement_that_is_prepared_once_gets_new_ids(sql):
    with sql.connect(prepare_threshold=0) as connection:
        got = [connection.execute("SELECT scarab()").fetchone()[0] for _ in range(20)]
    assert len(set(got)) == 20 and got == sorted(got)


def test_sessions_at_the_same_time_get_different_ones(sql):
    lists = [[] for _ in range(6)]
    threads = [threading.Thread(target=lambda into=into: into.extend(ids(sql, 5000))) for into in lists]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert len(set().union(*lists)) == 6 * 5000


def test_an_id_tells_when_and_where(sql):
    before, time, after, node = sql.rows(
        "SELECT now() - interval '1 second', scarab_time(id), now() + interval '4 seconds', scarab_node(id) "
        "FROM (SELECT scarab() AS id) s")[0]
    assert before < time < after and node == 0
    assert sql.rows("SELECT scarab_time(0), scarab_node(8384512), scarab_time(NULL), scarab_text(NULL), scarab_id(NULL)") == [
        (EPOCH, 2047, None, None, None)]


def test_the_text_sorts_and_goes_back(sql):
    rows = sql.rows("SELECT id, scarab_text(id), scarab_id(lower(scarab_text(id))) "
                    "FROM (SELECT scarab() AS id FROM generate_series(1, 3000)) s")
    assert all(len(text) == 13 and back == number for number, text, back in rows)
    assert sorted(rows) == sorted(rows, key=lambda row: row[1])
    assert sql.rows("SELECT scarab_text(-1), scarab_id('FZZZZZZZZZZZZ'), scarab_text(0)") == [("FZZZZZZZZZZZZ", -1, "0" * 13)]


@pytest.mark.parametrize("text, sentence", [("", "13 characters, and this has 0"), ("GZZZZZZZZZZZZ", "too large"),
                                            ("01H000000000U", "character 13")])
def test_what_is_no_id_is_refused(sql, text, sentence):
    with pytest.raises(psycopg.errors.InvalidTextRepresentation, match=sentence):
        sql.rows("SELECT scarab_id(%s)", (text,))


def test_ids_are_written_to_a_topic(sql):
    topic = sql.topic([])
    sql.produce(topic, [{"n": i} for i in range(10)])
    with sql.connect() as connection:
        connection.execute(f'INSERT INTO "{topic}" (key, value) SELECT scarab_text(scarab()), value FROM "{topic}"')
    assert sql.rows(f'SELECT count(DISTINCT key), min(length(key)) FROM "{topic}" WHERE key IS NOT NULL') == [(10, 13)]


def test_a_server_that_was_killed_goes_on_above(new_node):
    node = new_node("--id-node", "77")
    last = 0
    for _ in range(4):
        got = ids(Sql(node), 3000)
        assert min(got) > last and len(set(got)) == 3000
        last = max(got)
        assert Sql(node).rows(f"SELECT scarab_node({last})") == [(77,)]
        node.kill()
        node.start()


def test_the_command_makes_and_decodes(binary, sql):
    made = run(binary, "--count", "5000", "--pg-port", str(sql.port)).stdout.split()
    assert len(set(made)) == 5000 and made == sorted(made)
    told = json.loads(run(binary, "decode", made[0].lower(), "--format", "json").stdout)
    told = told[0] if isinstance(told, list) else told
    (number, time), = sql.rows(f"SELECT scarab_id('{made[0]}'), scarab_time(scarab_id('{made[0]}'))::text")
    assert (told["id"], int(told["number"]), int(told["node"])) == (made[0], number, 0)
    assert told["time"] == time


def test_mistakes_are_named(binary, sql):
    assert "which id?" in run(binary, "decode", code=2).stderr
    assert "an id has 13 characters, and this has 2" in run(binary, "decode", "AB", code=2).stderr
    assert "--count 0 is not valid" in run(binary, "--count", "0", "--pg-port", str(sql.port), code=2).stderr
