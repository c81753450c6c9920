"""Kafka's protocol by hand, for what a well-behaved client would never send. Source: kafka.apache.org/protocol."""
import socket
import struct

API_VERSIONS, PRODUCE, FETCH, METADATA = 18, 0, 1, 3
TABLE = []
for byte in range(256):
    crc = byte
    for _ in range(8):
        crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    TABLE.append(crc)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def text(value):
    data = value.encode()
    return struct.pack(">h", len(data)) + data


def varint(value):
    value = (value << 1) ^ (value >> 63)
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def batch(values, compression=0, records=None):
    """A record batch of format 2; `records` in place of the ones made of values."""
    body = b""
    for i, value in enumerate(values):
        record = b"\0" + varint(0) + varint(i) + varint(-1) + varint(len(value)) + value + varint(0)
        body += varint(len(record)) + record
    body = body if records is None else records
    count = len(values)
    checked = struct.pack(">hiqqqhii", compression, count - 1, 1000, 1000, -1, -1, -1, count) + body
    return struct.pack(">qiibI", 0, len(checked) + 9, -1, 2, crc32c(checked)) + checked


def request(key, version, body=b"", correlation=1, flexible=False):
    header = struct.pack(">hhi", key, version, correlation) + text("raw") + (b"\0" if flexible else b"")
    return struct.pack(">i", len(header) + len(body)) + header + body


def produce(topic, records, version=3, acks=1, partition=0, correlation=1):
    body = struct.pack(">hhi", -1, acks, 1000) + struct.pack(">i", 1) + text(topic)
    body += struct.pack(">ii", 1, partition) + struct.pack(">i", len(records)) + records
    return request(PRODUCE, version, body, correlation)


def fetch(topic, offset, max_wait_ms=0, min_bytes=1, max_bytes=1 << 20, correlation=1, partition=0):
    body = struct.pack(">iiiib", -1, max_wait_ms, min_bytes, max_bytes, 0) + struct.pack(">i", 1) + text(topic)
    body += struct.pack(">iiqi", 1, partition, offset, max_bytes)
    return request(FETCH, 4, body, correlation)


def produce_error(response):
    """Error code and base offset of a Produce response, version 3, for one topic and partition."""
    at = 8 + 4
    at += 2 + struct.unpack_from(">h", response, at)[0] + 4 + 4
    return struct.unpack_from(">hq", response, at)


class Connection:
    """One TCP connection; with-able."""

    def __init__(self, node, timeout_s=20):
        self.socket = socket.create_connection(("127.0.0.1", node.ports["kafka"]), timeout=timeout_s)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def read(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(min(count - len(data), 1 << 20))
            if not more:
                raise EOFError(f"closed after {len(data)} of {count} bytes")
            data += more
        return data

    def response(self):
        """The next response with its length in front."""
        length = self.read(4)
        return length + self.read(struct.unpack(">i", length)[0])

    def ask(self, data):
        self.send(data)
        return self.response()

    def is_closed_by_peer(self):
        """Waits for the end of the stream; what comes before it is dropped."""
        try:
            while self.socket.recv(1 << 20):
                pass
        except ConnectionError:
            pass
        except TimeoutError:
            return False
        return True
