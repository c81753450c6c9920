"""Drivers of other languages, unmodified, against a server: pgjdbc, node-postgres, pgx and lib/pq, tokio-postgres. They are
fetched and built by their own tools, into .deps/clients, so this is `make test-clients` and not `make test`."""
import re
import shutil

import pytest
from confluent_kafka import Producer
from conftest import HERE, folder, run

RUN_SECONDS = 60


def java():
    libraries = folder("java")
    run("mvn", "-q", "-B", "-f", HERE / "java" / "pom.xml", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies", f"-DoutputDirectory={libraries}")
    return ["java", "-cp", f"{libraries}/*", HERE / "java" / "Client.java"]


def node_js():
    path = folder("node")
    for name in ("package.json", "package-lock.json", "client.js"):
        shutil.copy(HERE / "node" / name, path / name)
    run("npm", "ci", "--silent", cwd=path)
    return ["node", path / "client.js"]


def go():
    program = folder("go") / "client"
    run("go", "build", "-o", program, ".", cwd=HERE / "go")
    return [program]


def rust():
    path = folder("rust")
    shutil.copytree(HERE / "rust", path, dirs_exist_ok=True)  # where cargo may leave its lock file
    run("cargo", "build", "-q", cwd=path)
    return [path / "target" / "debug" / "client"]


SHOWN = {  # name, where its version stands and how, what the program does with it
    "java": [("pgjdbc", "java/pom.xml", r"<artifactId>postgresql</artifactId>\s*<version>([^<]+)",
              "metadata; prepared statements in text and binary; batches, fetch sizes, transactions, COPY, errors")],
    "node_js": [("node-postgres", "node/package.json", r'"pg": "([^"]+)"',
                 "text and prepared statements, a pool, transactions, cursors and streams, errors")],
    "go": [("pgx", "go/go.mod", r"jackc/pgx/v5 v(\S+)", "values in binary, a pool, batches, transactions, COPY, errors, cancelling"),
           ("lib/pq", "go/go.mod", r"lib/pq v(\S+)", "database/sql: statements with parameters, rows")],
    "rust": [("tokio-postgres", "rust/Cargo.toml", r'tokio-postgres = \{ version = "=([^"]+)"',
              "values in binary, row streams, portals, transactions, COPY both ways")],
}


@pytest.mark.parametrize("client", [java, node_js, go, rust])
def test_client(node, client, shows):
    for name, path, version, what in SHOWN[client.__name__]:
        shows(name, re.search(version, (HERE / path).read_text()).group(1), what)
    topic, producer = f"clients-{client.__name__}", Producer({"bootstrap.servers": node.kafka})
    for i in range(10):
        producer.produce(topic, key=b"k", value=str(i).encode(), partition=0)
    assert producer.flush(RUN_SECONDS) == 0
    run(*client(), node.ports["postgres"], topic, seconds=RUN_SECONDS)
