"""pyralog.metrics: what each shard counts, at the moment of the statement."""


def metrics(sql):
    return dict(sql.rows("SELECT name, sum(value)::bigint FROM pyralog.metrics GROUP BY name"))


def test_appends_are_counted(sql):
    before = metrics(sql)
    sql.topic([{"n": n} for n in range(100)])
    after = metrics(sql)
    for name in "batches_total", "appended_bytes_total", "groups_total", "partitions":
        assert after["pyralog_log_" + name] > before["pyralog_log_" + name], name
    assert after["pyralog_log_stopped"] == 0 and after["pyralog_log_corrupt_reads_total"] == 0
    assert after["pyralog_kafka_requests_total"] > before["pyralog_kafka_requests_total"]
    assert after["pyralog_pg_statements_total"] > before["pyralog_pg_statements_total"]
    assert after["process_resident_memory_bytes"] > 1 << 20


def test_each_shard_has_every_metric_and_says_what_it_is(sql):
    shards, names, rows, undescribed = sql.rows(
        "SELECT count(DISTINCT shard), count(DISTINCT name), count(*), count(*) FILTER (WHERE description IS NULL)"
        " FROM pyralog.metrics WHERE shard IS NOT NULL")[0]
    assert shards >= 1 and names >= 30 and rows == shards * names and undescribed == 0
    assert sql.rows("SELECT count(*) = count(DISTINCT name) FROM pyralog.metrics WHERE shard IS NULL")[0][0]
