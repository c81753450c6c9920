"""Writes the golden files anew, from docs/formats/ and not from the C code: tests/unit/test_golden.c compares the two.

A golden file is a line "bytes N" and lines "position: hex", 16 bytes each; lines of zeros are left out.
A change of one of these files is a change of the format on disk: raise its version.
"""
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def padded(data, size):
    return data + bytes(size - len(data))


def header(magic, body, size):
    rest = padded(struct.pack("<HHI", 1, 0, 0) + body, size - 8)
    return magic + struct.pack("<I", crc32c(rest)) + rest


def varint(value):
    value = value << 1 ^ value >> 63
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def batch():
    """Offset 42, epoch 3, producer 1001 epoch 2 sequence 9, one record: key null, value "hello"."""
    record = b"\0" + varint(0) + varint(0) + varint(-1) + varint(5) + b"hello" + varint(0)
    record = varint(len(record)) + record
    behind = struct.pack(">hiqqqhii", 0, 0, 1700000000000, 1700000000000, 1001, 2, 9, 1) + record
    return struct.pack(">qiibI", 42, 9 + len(behind), 3, 2, crc32c(behind)) + behind


def frame(kind, partition, index, term, offset, hlc, records, payload):
    prefix = payload[:21] if kind == 1 else b""
    rest = struct.pack("<IB3xIQQqQIIII", crc32c(payload[len(prefix):]), kind, partition, index, term, offset, hlc, records,
                       0, len(payload), 0)
    whole = struct.pack("<I", crc32c(rest + prefix)) + rest + payload
    return padded(whole, (len(whole) + 7) // 8 * 8)


def event_1():
    """Of format 1, which is still read."""
    name = b"flights"
    settings = (1, 3600000, -1, 1048576, 16777216, 1, 0, 0, 1)
    return (struct.pack("<BBH", 1, 1, len(name)) + name + bytes(range(16)) + struct.pack("<IIIqI", 3, 17, 0, 0, 0x23)
            + struct.pack("<9q", *settings))


def event():
    name = b"flights"
    settings = (1, 3600000, -1, 1048576, 16777216, 1, 0, 0, 1, 60000, 7200000, 86400000, 250, 1000, 2000)
    return (struct.pack("<BBH", 2, 1, len(name)) + name + bytes(range(16)) + struct.pack("<IIqII", 3, 0, 0, 0, 0x23)
            + struct.pack("<BIIII", 2, 0, 17, 2, 40) + struct.pack("<B15q", len(settings), *settings))


def quota():
    """User ada, any client id without a quota of its own: 1000.5 bytes a second to produce, 50 % of a thread."""
    return struct.pack("<BBBH", 2, 7, 1, 3) + b"ada" + struct.pack("<BHB", 2, 0, 5) + struct.pack("<3d", 1000.5, 0, 50)


def group_settings():
    """Of group app: the session timeout becomes 60 s, the heartbeat interval goes back to the default."""
    return struct.pack("<BBH", 2, 8, 3) + b"app" + struct.pack("<BBii", 3, 1, 60000, 0)


def columns_event():
    """Adds delay, an int4 at dep.delay, and drops late."""
    def action(kind, number, oid, modifier, name, path):
        return struct.pack("<BHIi", kind, number, oid, modifier) + bytes([len(name)]) + name + bytes([len(path)]) + path
    actions = action(1, 0, 23, -1, b"delay", b"dep.delay") + action(2, 0, 0, 0, b"late", b"")
    name = b"flights"
    return (struct.pack("<BBH", 2, 16, len(name)) + name + bytes(16) + struct.pack("<IIqIIB", 0, 0, 0, 0, 0, 0)
            + struct.pack("<B15q", 15, *bytes(15)) + struct.pack("<I", len(actions)) + actions)


def group():
    frames = frame(1, 17, 5, 3, 42, 1700000000000 << 20, 1, batch()) + frame(3, 0, 0, 0, -1, 1700000000001 << 20, 0,
                                                                            b"\x01" + event())
    directory = struct.pack("<IIII", 17, len(batch()), 0, len(event()) + 1)
    rest = struct.pack("<HHIQQQQIIII", 1, 1, 4096, 0x1122334455667788, 7, 1001, 1000, 0xCAFEBABE, 2, 2, 0) + directory
    return padded(b"PGRP" + struct.pack("<I", crc32c(rest)) + rest + frames, 4096)


def ring_header():
    one = header(b"PYRG", struct.pack("<QQQQQ", 0x1122334455667788, 7, 1 << 26, 1001, 1000), 64)
    return padded(padded(one, 2048) + one, 4096)


def reference():
    return struct.pack("<QQQII", 9, 4096, len(batch()), 1, 0) + padded(batch()[:61], 64)


def block():
    return struct.pack("<qqqQIIII", 42, 52, 1700000000000, 8192, 65000, 0xDEADBEEF, 11, 0)


def part():
    return struct.pack("<IIQQIIQQqqQQqq", 17, 2, 9, 123456, 0xFEEDF00D, 0, 130000, 22, 42, 64, 5, 26, 1600000000000,
                       1700000000000)


def producers():
    return struct.pack("<I", 1) + struct.pack("<qqhiB", 1001, 1700000000000, 2, 9, 1) + struct.pack("<hiiq", 2, 9, 9, 63)


def manifest():
    state = struct.pack("<QII", 1, 41, 1) + event()
    partition = struct.pack("<IBQqqQqH", 17, 1, 3, 42, 64, 27, 1700000000000, 1) + struct.pack("<qq", 50, 52)
    partition += producers() + struct.pack("<I", 1) + part()
    body = struct.pack("<I", len(state)) + state + struct.pack("<I", 1) + partition + struct.pack("<II", 0, 0)
    rest = padded(struct.pack("<IIQQQQQQQI", 1, 0, 3, 1000, 1000, 5, 10, 1700000000001 << 20, len(body), crc32c(body)), 120)
    return b"PYRM" + struct.pack("<I", crc32c(rest)) + rest + body


GOLDEN = {
    "identity": header(b"PYRL", struct.pack("<Q", 7), 64),
    "ring_header": ring_header(),
    "group": group(),
    "frame": frame(1, 17, 5, 3, 42, 1700000000000 << 20, 1, batch()),
    "reference": reference(),
    "segment_header": padded(header(b"PYRS", struct.pack("<Q", 9), 32), 4096),
    "block": block(),
    "part": part(),
    "trailer": header(b"PYRT", struct.pack("<QQIII", 9, 200000, 112, 0x0BADCAFE, 1), 64),
    "producers": producers(),
    "columns_event": columns_event(),
    "event": event(),
    "event_1": event_1(),
    "quota": quota(),
    "group_settings": group_settings(),
    "manifest": manifest(),
}


def main():
    for name, data in GOLDEN.items():
        with open(os.path.join(HERE, name + ".hex"), "w") as file:
            file.write(f"bytes {len(data)}\n")
            for at in range(0, len(data), 16):
                if any(data[at:at + 16]):
                    file.write(f"{at:08x}: {data[at:at + 16].hex()}\n")


if __name__ == "__main__":
    main()
