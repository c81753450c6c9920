"""Requests written and answers read by hand, in the compact encodings too: what confluent-kafka does not ask."""
import struct

from raw import Connection, request


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def compact(value):
    return varint(len(value) + 1) + value.encode()


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, format):
        found = struct.unpack_from(">" + format, self.data, self.at)
        self.at += struct.calcsize(">" + format)
        return found if len(found) > 1 else found[0]

    def text(self):
        length = self.take("h")
        self.at += max(length, 0)
        return self.data[self.at - length:self.at].decode() if length >= 0 else None

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take("B")
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def compact(self):
        length = self.varint() - 1
        self.at += max(length, 0)
        return self.data[self.at - length:self.at].decode() if length >= 0 else None


def ask(node, key, version, body, flexible=False):
    """The response behind its header and throttle time."""
    with Connection(node) as connection:
        answer = Reader(connection.ask(request(key, version, body, flexible=flexible)))
    answer.take("ii")
    if flexible:
        assert answer.take("B") == 0
    answer.take("i")
    return answer
