"""The Pharaoh network's binary protocol by hand, from docs/formats/pharaoh.md: another reading of it than the server's."""
import socket
import struct

OPS = {"map": 1, "ids": 2, "timestamps": 3, "begin": 4, "sequence": 5, "open": 6, "keep": 7, "close": 8, "resume": 9,
       "lock": 10, "unlock": 11, "claim": 12, "look": 13, "status": 14, "watch": 15}
CODES = ["OK", "MOVED", "MALFORMED", "NOT_FOUND", "BUSY", "TOO_LARGE", "STALE", "STOPPED", "DISK_FULL", "DISK", "CLOCK",
         "MEMORY", "TIMED_OUT", "UNSUPPORTED", "INTERNAL"]
REQUESTS = {"map": "", "ids": "count", "timestamps": "count", "begin": "count", "sequence": "count lease name",
            "open": "ttl", "keep": "numbers", "close": "session", "resume": "ttl session",
            "lock": "wait session name value", "unlock": "session token name", "claim": "session token name value",
            "look": "name", "status": "", "watch": "wait session"}
REPLIES = {"map": "value", "ids": "numbers", "timestamps": "count first", "begin": "count first numbers",
           "sequence": "count first", "open": "ttl session", "keep": "count numbers", "close": "", "resume": "ttl session",
           "lock": "session token", "unlock": "", "claim": "session token", "look": "count session token value",
           "status": "value", "watch": "session"}
FIXED = {"count": "<I", "lease": "<I", "ttl": "<I", "wait": "<I", "first": "<Q", "session": "<Q", "token": "<Q", "port": "<H"}
SLOTS = 1024


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def slot_of(key):
    return crc32c(key) >> 22


def encode(op, number, slot=0, epoch=0, **fields):
    body = struct.pack("<IBBHQ", number, OPS[op], 0, slot, epoch)
    for field in REQUESTS[op].split():
        value = fields.get(field, 0)
        if field in FIXED:
            body += struct.pack(FIXED[field], value)
        elif field == "numbers":
            body += struct.pack(f"<I{len(value)}Q", len(value), *value)
        else:
            value = value or b""
            body += struct.pack("<B" if field == "name" else "<H", len(value)) + value
    return struct.pack("<I", len(body)) + body


def decode(body):
    number, op, code, slot, epoch = struct.unpack_from("<IBBHQ", body)
    reply, at = {"id": number, "code": CODES[code], "slot": slot, "epoch": epoch}, 16
    name = next((name for name, value in OPS.items() if value == op), None)
    for field in (REPLIES[name] if code == 0 else "port name").split():
        if field in FIXED:
            reply[field] = struct.unpack_from(FIXED[field], body, at)[0]
            at += struct.calcsize(FIXED[field])
            continue
        size = {"name": "<B", "value": "<H", "numbers": "<I"}[field]
        count = struct.unpack_from(size, body, at)[0]
        at += struct.calcsize(size)
        if field == "numbers":
            reply[field] = struct.unpack_from(f"<{count}Q", body, at)
            at += 8 * count
        else:
            reply[field] = body[at:at + count]
            at += count
    assert at == len(body), "bytes are left over"
    return reply


class Client:
    """One connection; ask() waits for its reply, and keeps those that come before it."""

    def __init__(self, port, seconds=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received, self.number, self.early = b"", 0, {}

    def send(self, op, **fields):
        self.number += 1
        self.socket.sendall(encode(op, self.number, **fields))
        return self.number

    def receive(self):
        """The next reply; None: the connection is closed."""
        while True:
            if len(self.received) >= 4:
                end = 4 + struct.unpack_from("<I", self.received)[0]
                if len(self.received) >= end:
                    body, self.received = self.received[4:end], self.received[end:]
                    return decode(body)
            more = self.socket.recv(1 << 16)
            if not more:
                return None
            self.received += more

    def reply_to(self, number):
        while number not in self.early:
            reply = self.receive()
            assert reply is not None, "the connection is closed"
            self.early[reply["id"]] = reply
        return self.early.pop(number)

    def ask(self, op, **fields):
        return self.reply_to(self.send(op, **fields))

    def must(self, op, **fields):
        reply = self.ask(op, **fields)
        assert reply["code"] == "OK", reply
        return reply

    def close(self):
        self.socket.close()
