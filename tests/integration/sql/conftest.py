"""What the SQL tests need: a Kafka producer to make rows, psycopg and psql to ask for them."""
import itertools
import json
import subprocess

import psycopg
import pytest
from confluent_kafka import Producer

SECONDS = 30
numbers = itertools.count()


class Sql:
    """One node's SQL port."""

    def __init__(self, node):
        self.node = node
        self.port = node.ports["postgres"]

    def connect(self, **options):
        options = {"autocommit": True, **options}
        return psycopg.connect(f"host=127.0.0.1 port={self.port} user=somebody dbname=pyralog", connect_timeout=10,
                               **options)

    def rows(self, query, parameters=None):
        with self.connect() as connection:
            return connection.execute(query, parameters).fetchall()

    def psql(self, *arguments, check=True):
        command = ["psql", "-X", "-h", "127.0.0.1", "-p", str(self.port), "-U", "somebody", "-d", "pyralog", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=check)

    def produce(self, topic, values, **options):
        """Produces JSON (or bytes as they are) and waits until every record is acknowledged."""
        failed = []
        producer = Producer({"bootstrap.servers": self.node.kafka, "linger.ms": 5, "compression.codec": "zstd"})
        for value in values:
            data = value if isinstance(value, (bytes, type(None))) else json.dumps(value).encode()
            producer.produce(topic, value=data, on_delivery=lambda error, _: error and failed.append(error), **options)
            producer.poll(0)
        assert producer.flush(SECONDS) == 0 and not failed, failed[:1]

    def topic(self, values, **options):
        """A new topic with these records."""
        name = f"sql-{next(numbers)}"
        self.produce(name, values, **options)
        return name


@pytest.fixture
def sql(node):
    return Sql(node)


@pytest.fixture
def new_sql():
    return Sql
