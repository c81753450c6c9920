"""pyralog.metrics: what each shard counts, at the moment of the statement."""


def metrics(sql):
    return dict(sql.rows("SELECT name, sum(value)::bigint FROM pyralog.metrics GROUP BY name"))


def test_appends_are_counted(sql):
    before = metrics(sql)
    sql.topic([{"n": n} for n in range(100)])
    after = metrics(sql)
    assert after["batches"] > before["batches"] and after["bytes"] > before["bytes"] and after["groups"] > before["groups"]
    assert after["partitions"] > before["partitions"]
    assert after["stopped"] == 0 and after["corrupt_reads"] == 0


def test_each_shard_has_every_metric_and_says_what_it_is(sql):
    shards, names, rows, undescribed = sql.rows(
        "SELECT count(DISTINCT shard), count(DISTINCT name), count(*), count(*) FILTER (WHERE description IS NULL)"
        " FROM pyralog.metrics")[0]
    assert shards >= 1 and names >= 20 and rows == shards * names and undescribed == 0
