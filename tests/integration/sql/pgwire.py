"""PostgreSQL's protocol by hand, for what a well-behaved client would never send (version 3.0)."""
import socket
import struct

PROTOCOL_3, CANCEL, SSL, GSSENC = 196608, 80877102, 80877103, 80877104


def startup(code=PROTOCOL_3, settings=b"user\0somebody\0\0"):
    return struct.pack(">ii", 8 + len(settings), code) + settings


def message(kind, body=b""):
    return kind + struct.pack(">i", 4 + len(body)) + body


def query(text):
    return message(b"Q", text.encode() + b"\0")


def parse(name, text, types=()):
    return message(b"P", name.encode() + b"\0" + text.encode() + b"\0" + struct.pack(f">h{len(types)}i", len(types), *types))


def bind(portal, statement, values=(), formats=()):
    body = portal.encode() + b"\0" + statement.encode() + b"\0" + struct.pack(">hh", 0, len(values))
    for value in values:
        body += struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value
    return message(b"B", body + struct.pack(f">h{len(formats)}h", len(formats), *formats))


def describe(kind, name=""):
    return message(b"D", kind + name.encode() + b"\0")


def execute(portal="", rows=0):
    return message(b"E", portal.encode() + b"\0" + struct.pack(">i", rows))


SYNC, FLUSH, TERMINATE = message(b"S"), message(b"H"), message(b"X")


class Connection:
    def __init__(self, node, start=True, seconds=20):
        self.socket = socket.create_connection(("127.0.0.1", node.ports["postgres"]), timeout=seconds)
        self.key = None
        if start:
            self.send(startup())
            for kind, body in self.until(b"Z"):
                if kind == b"K":
                    self.key = struct.unpack(">ii", body)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise ConnectionError("closed by the server")
            data += part
        return data

    def receive(self):
        """One message: its type and its body."""
        kind, length = struct.unpack(">ci", self.exactly(5))
        return kind, self.exactly(length - 4)

    def until(self, last):
        """Messages up to one of that type."""
        messages = [self.receive()]
        while messages[-1][0] != last:
            messages.append(self.receive())
        return messages

    def ask(self, data):
        """Sends, and gives the messages up to ReadyForQuery."""
        self.send(data)
        return self.until(b"Z")

    def is_closed_by_peer(self):
        try:
            while self.socket.recv(65536):
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False


def kinds(messages):
    return b"".join(kind for kind, _ in messages).decode()


def fields(body):
    """Of an ErrorResponse, by letter."""
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}
