"""What the tests of operations ask a node over HTTP, Kafka and SQL."""
import http.client
import json

import psycopg
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

SECONDS = 30


def get(node, path, method="GET"):
    """(status, body) of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", node.ports["http"], timeout=SECONDS)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def families(node):
    """The page, as Prometheus's own client reads it: {name: family}; a counter's name is without its _total."""
    status, page = get(node, "/metrics")
    assert status == 200, page
    return {family.name: family for family in text_string_to_metric_families(page)}


def totals(node):
    """{name of a sample: value, over all shards}."""
    sums = {}
    for family in families(node).values():
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums


def produce(node, topic, count, size=100):
    producer = Producer({"bootstrap.servers": node.kafka, "linger.ms": 5})
    failed = []
    for number in range(count):
        producer.produce(topic, value=json.dumps({"n": number, "x": "x" * size}),
                         on_delivery=lambda error, _: error and failed.append(error))
        producer.poll(0)
    assert producer.flush(SECONDS) == 0 and not failed, failed[:1]


def sql(node, statement):
    with psycopg.connect(f"host=127.0.0.1 port={node.ports['postgres']} user=somebody dbname=pyralog", autocommit=True,
                         connect_timeout=10) as connection:
        return connection.execute(statement).fetchall()
