"""How many bytes a broker keeps of a topic, as its DescribeLogDirs (version 1) tells them."""
import socket
import struct

API, VERSION = 35, 1
ANSWER_SECONDS = 30


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, layout):
        values = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return values[0]

    def text(self):
        size = self.take(">h")
        self.at += size
        return self.data[self.at - size:self.at].decode()


def ask(broker):
    host, _, port = broker.rpartition(":")
    request = struct.pack(">hhih", API, VERSION, 1, -1) + struct.pack(">i", -1)  # no client id; all topics
    with socket.create_connection((host, int(port)), ANSWER_SECONDS) as link, link.makefile("rb") as answers:
        link.sendall(struct.pack(">i", len(request)) + request)
        return Reader(answers.read(struct.unpack(">i", answers.read(4))[0]))


def partition_bytes(answer):
    _, size, _, _ = (answer.take(layout) for layout in (">i", ">q", ">q", ">b"))  # index, size, lag, is it a future one
    return size


def topic_bytes(broker, topic):
    answer = ask(broker)
    answer.take(">q")  # correlation id, throttle time
    total = 0
    for _ in range(answer.take(">i")):
        error, _ = answer.take(">h"), answer.text()
        if error:
            raise RuntimeError(f"{broker} refuses DescribeLogDirs: error {error}")
        for _ in range(answer.take(">i")):
            name = answer.text()
            sizes = [partition_bytes(answer) for _ in range(answer.take(">i"))]
            total += sum(sizes) if name == topic else 0
    return total
