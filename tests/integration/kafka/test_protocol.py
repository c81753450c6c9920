"""What the protocol promises to those who read it closely: versions, order, waiting, limits, errors."""
import struct
import time

import pytest
import raw
from by_hand import Reader, varint
from confluent_kafka.admin import AdminClient
from waiting import wait_until

CORRUPT, TOO_LARGE, ILLEGAL_SASL_STATE, UNSUPPORTED_VERSION, UNSUPPORTED_FORMAT, COMPRESSION, INVALID_RECORD = 2, 10, 34, 35, 43, 76, 87


@pytest.fixture
def connection(node):
    with raw.Connection(node) as opened:
        yield opened


def correlation(response):
    return struct.unpack_from(">i", response, 4)[0]


def test_an_unknown_version_is_told_what_there_is(connection):
    response = connection.ask(raw.request(raw.API_VERSIONS, 99, correlation=7))
    error, count = struct.unpack_from(">hi", response, 8)
    assert (correlation(response), error) == (7, UNSUPPORTED_VERSION)
    ranges = {key: (low, high) for key, low, high in struct.iter_unpack(">hhh", response[14:])}
    assert len(ranges) == count
    assert ranges[raw.PRODUCE] == (0, 13) and ranges[raw.FETCH] == (4, 18) and ranges[raw.API_VERSIONS] == (0, 4)


def test_versions_not_served_end_the_connection(node):
    for data in (raw.produce("t", b"", version=2), raw.request(999, 0), raw.request(raw.FETCH, 3)):
        with raw.Connection(node) as connection:
            connection.send(data)
            assert connection.is_closed_by_peer()


def test_who_wants_to_authenticate_is_told_that_nobody_asks(connection):
    answer = Reader(connection.ask(raw.request(17, 1, raw.text("PLAIN"))))
    answer.take("ii")
    assert answer.take("h") == ILLEGAL_SASL_STATE and answer.take("i") == 0
    answer = Reader(connection.ask(raw.request(36, 2, varint(1 + 5) + b"\0u\0pw" + b"\0", flexible=True)))
    answer.take("iiB")
    assert answer.take("h") == ILLEGAL_SASL_STATE and "PLAINTEXT" in answer.compact()


def test_a_client_that_is_set_to_authenticate_says_why_it_can_not(node):
    said = []
    client = AdminClient({"bootstrap.servers": node.kafka, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
                          "sasl.username": "u", "sasl.password": "p", "error_cb": lambda error: said.append(error.str())})
    wait_until(lambda: client.poll(0.1) or any("handshake" in each.lower() for each in said), 20, "the client says why")


def test_responses_come_in_the_order_of_requests(client, connection):
    """A fetch that waits holds back what was asked after it; all are answered in the end."""
    topic = client.topic()
    requests = [raw.request(raw.METADATA, 1, struct.pack(">i", 0), i) for i in range(20)]
    requests.insert(10, raw.fetch(topic, 0, max_wait_ms=300, correlation=100))
    connection.send(b"".join(requests))
    order = [correlation(connection.response()) for _ in requests]
    assert order == [*range(10), 100, *range(10, 20)]


def test_a_request_may_come_byte_by_byte(connection):
    for byte in raw.request(raw.API_VERSIONS, 0):
        connection.send(bytes([byte]))
    assert correlation(connection.response()) == 1


def test_requests_split_anywhere_are_understood(client, connection):
    topic = client.topic()
    stream = b"".join(raw.produce(topic, raw.batch([b"v" * 3000] * i), correlation=i) for i in range(1, 20))
    for at in range(0, len(stream), 1237):
        connection.send(stream[at : at + 1237])
    offset = 0
    for i in range(1, 20):
        response = connection.response()
        assert (correlation(response), raw.produce_error(response)) == (i, (0, offset))
        offset += i
    assert len(client.consume(topic, offset)) == offset


def test_a_fetch_waits_no_longer_than_asked(client, connection):
    topic = client.topic()
    start = time.monotonic()
    connection.ask(raw.fetch(topic, 0, max_wait_ms=400, min_bytes=1))
    assert 0.35 < time.monotonic() - start < 5
    start = time.monotonic()
    connection.ask(raw.fetch(topic, 0, max_wait_ms=0))
    assert time.monotonic() - start < 5


def test_a_fetch_waits_for_min_bytes(client, node, connection):
    topic = client.topic()
    connection.send(raw.fetch(topic, 0, max_wait_ms=20000, min_bytes=250))
    with raw.Connection(node) as other:
        start = time.monotonic()
        for i in range(2):
            assert raw.produce_error(other.ask(raw.produce(topic, raw.batch([b"x" * 100])))) == (0, i)
    assert len(connection.response()) > 300
    assert time.monotonic() - start < 10


def test_the_first_batch_comes_whole_however_large(client, connection):
    topic = client.topic()
    client.produce(topic, [b"x" * 50000, b"y"], config={"batch.num.messages": 1})
    response = connection.ask(raw.fetch(topic, 0, max_bytes=10))
    assert 50000 < len(response) < 51000


def test_a_fetch_beyond_the_end_is_out_of_range(client, connection):
    topic = client.topic()
    response = connection.ask(raw.fetch(topic, 5))
    at = 8 + 4 + 4 + 2 + len(topic) + 4 + 4
    assert struct.unpack_from(">h", response, at)[0] == 1


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    "records, error",
    [
        (flipped(raw.batch([b"v"]), 66), CORRUPT),
        (raw.batch([b"v"])[:-1], CORRUPT),
        (raw.batch([b"v"])[:30], CORRUPT),
        (b"", INVALID_RECORD),
        (raw.batch([b"v"]) * 2, INVALID_RECORD),
        (raw.batch([b"v"], records=b"\x02"), INVALID_RECORD),
        (raw.batch([b"v"], records=b"\xff" * 20), INVALID_RECORD),
        (raw.batch([b"v"], compression=1, records=b"no gzip"), CORRUPT),
        (raw.batch([b"v"], compression=7), COMPRESSION),
        (raw.batch([b"v"], compression=4), COMPRESSION),
        (raw.batch([b"v"], compression=32), INVALID_RECORD),
        (raw.batch([b"v"])[:16] + b"\1" + raw.batch([b"v"])[17:], UNSUPPORTED_FORMAT),
    ],
)
def test_a_bad_batch_is_refused_and_the_next_is_not(client, connection, records, error):
    topic = client.topic()
    assert raw.produce_error(connection.ask(raw.produce(topic, records)))[0] == error
    assert raw.produce_error(connection.ask(raw.produce(topic, raw.batch([b"good"])))) == (0, 0)


def test_a_bomb_is_refused(client, connection):
    """64 KB of gzip that would become 64 MB and more."""
    import zlib

    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(bytes(64 << 20)) + packer.flush()
    topic = client.topic(**{"max.message.bytes": "1000000"})
    records = raw.batch([b"v"], compression=1, records=bomb)
    assert raw.produce_error(connection.ask(raw.produce(topic, records)))[0] == CORRUPT


def test_acks_0_is_not_answered_and_a_refusal_closes(client, connection):
    topic = client.topic()
    connection.send(raw.produce(topic, raw.batch([b"v"]), acks=0, correlation=1))
    assert correlation(connection.ask(raw.request(raw.METADATA, 1, struct.pack(">i", 0), 2))) == 2
    assert client.consume(topic, 1)[0].value() == b"v"
    connection.send(raw.produce(topic, b"junk", acks=0))
    assert connection.is_closed_by_peer()


def test_unknown_partitions_and_acks(client, connection):
    topic = client.topic()
    good = raw.batch([b"v"])
    assert raw.produce_error(connection.ask(raw.produce(topic, good, partition=1)))[0] == 3
    assert raw.produce_error(connection.ask(raw.produce("no-such-topic", good)))[0] == 3
    assert raw.produce_error(connection.ask(raw.produce(topic, good, acks=2)))[0] == 21
